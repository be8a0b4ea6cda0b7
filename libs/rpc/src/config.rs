//! Where the peers of a role are, and what it proves itself with.

use config::{Hot, Named, Reader, Secret, Section, checked};
use fleet::Role;
use schemars::JsonSchema;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Deserializer};
use tls::FleetTls;

use crate::channel::is_secure_url;
use crate::{Channel, ConnectError, connect_by};

/// Where a service is: `<NAME>_URL`.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Which one.
    pub role: Role,
    /// `http://host:port`, or `https://host:port` by TLS; a host name with several addresses is balanced over all of them.
    pub url: String,
}

/// The address of a peer, as a variable has it.
#[derive(Deserialize, JsonSchema)]
#[serde(try_from = "String")]
#[schemars(with = "String", extend("errorMessage" = PEER_URL))]
struct PeerUrl(String);

const PEER_URL: &str = "must be http:// or https:// with a host and a port, without a path";

impl TryFrom<String> for PeerUrl {
    type Error = &'static str;

    fn try_from(url: String) -> Result<Self, Self::Error> {
        if crate::channel::is_peer_url(&url) { Ok(Self(url)) } else { Err(PEER_URL) }
    }
}

impl Peer {
    /// Reads where the service `role` is.
    pub fn read(r: &mut Reader<'_>, role: Role) -> Option<Self> {
        let [name, doc] = role.names().url;
        let PeerUrl(url) = r.each(&[Named { name, doc, required: true }])?.remove(name)?;
        // Neither may look secured and not be.
        let schemes = FleetTls::schemes(r);
        match is_secure_url(&url) {
            true if !schemes.secure => {
                r.refuse(name, "is https://, which needs TLS_CERT_FILE, TLS_KEY_FILE and TLS_CA_FILE");
                None
            }
            false if !schemes.plain => {
                r.refuse(name, "must be https://, as TLS_CERT_FILE is given");
                None
            }
            _ => Some(Self { role, url }),
        }
    }

    /// A channel to it; connects in the background.
    pub fn connect(&self, tls: &Hot<FleetTls>) -> Result<Channel, ConnectError> {
        let tls = FleetTls::connector(tls);
        let is_secure = is_secure_url(&self.url);
        if tls.is_some() && !is_secure {
            tracing::warn!(
                peer = self.role.name(),
                "calls to a service are plain, by TLS_ALSO_PLAIN: make its address https:// when it serves TLS"
            );
        }
        connect_by(&self.url, self.role.name(), tls.filter(|_| is_secure))
    }
}

/// What a service trades at identity for the token that says who it is: `SERVICE_SECRET`.
#[derive(Clone, Debug)]
pub struct ServiceSecret(pub SecretString);

#[derive(Deserialize, JsonSchema)]
struct Own {
    /// What this service shows identity to prove who it is: 32 bytes or more, known to these two alone.
    #[serde(deserialize_with = "long_enough")]
    #[schemars(with = "Secret", extend("errorMessage" = "must have 32 bytes or more"))]
    service_secret: SecretString,
}

fn long_enough<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    checked(d, |secret: &SecretString| secret.expose_secret().len() >= auth::MIN_SERVICE_SECRET_BYTES)
}

impl Section for ServiceSecret {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group().map(|Own { service_secret }| Self(service_secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::config::{Env, load};

    #[derive(Debug)]
    struct Read(Peer);

    impl Section for Read {
        fn read(r: &mut Reader<'_>) -> Option<Self> {
            Peer::read(r, Role::Identity).map(Self)
        }
    }

    #[test]
    fn a_peer_is_a_plain_address() {
        let env: Env = [("GLOBCRM_FLEET_IDENTITY_URL", "http://identity:50051")].into_iter().collect();
        let Read(peer) = load(&env, "RECORDS").unwrap();
        assert_eq!((peer.role, &*peer.url), (Role::Identity, "http://identity:50051"));
        for bad in [
            "identity:50051",
            "https://identity:50051",
            "ftp://identity:50051",
            "http://identity",
            "http://identity:1/x",
        ] {
            let env: Env = [("GLOBCRM_FLEET_IDENTITY_URL", bad)].into_iter().collect();
            let problems = load::<Read>(&env, "RECORDS").unwrap_err().to_string();
            assert!(problems.contains("IDENTITY_URL"), "{bad}: {problems}");
        }
    }

    #[test]
    fn an_address_is_https_where_there_are_certificates_and_only_there() {
        let read = |url: &str, more: &[(&str, &str)]| {
            let given = [("GLOBCRM_RECORDS_IDENTITY_URL", url)].into_iter().chain(more.iter().copied());
            load::<Read>(&given.collect::<Env>(), "RECORDS").map_err(|problems| problems.to_string())
        };
        let (plain, secure) = ("http://identity:1", "https://identity:1");
        let certificate = ("GLOBCRM_FLEET_TLS_CERT_FILE", "/tls.crt");
        let both = [certificate, ("GLOBCRM_FLEET_TLS_ALSO_PLAIN", "true")];
        read(plain, &[]).unwrap();
        read(secure, &[certificate]).unwrap();
        read(plain, &both).unwrap();
        read(secure, &both).unwrap();
        read("HTTPS://identity:1", &[certificate]).unwrap();
        for (url, more) in [
            (secure, &[][..]),
            ("HTTPS://identity:1", &[][..]),
            (plain, &[certificate][..]),
            (plain, &[both[0], ("GLOBCRM_FLEET_TLS_ALSO_PLAIN", "false")][..]),
        ] {
            let problems = read(url, more).unwrap_err();
            assert!(problems.contains("GLOBCRM_RECORDS_IDENTITY_URL"), "{url} {more:?}: {problems}");
        }
    }

    #[test]
    fn a_short_secret_is_refused_and_none_is_shown() {
        let read = |secret: &str| {
            let env: Env = [("GLOBCRM_RECORDS_SERVICE_SECRET", secret)].into_iter().collect();
            load::<ServiceSecret>(&env, "RECORDS")
        };
        let shown = format!("{:?}", read(&"s3cret".repeat(6)).unwrap());
        let problems = read("s3cret").unwrap_err().to_string();
        assert!(problems.contains("GLOBCRM_RECORDS_SERVICE_SECRET"), "{problems}");
        assert!(!shown.contains("s3cret") && !problems.contains("s3cret"), "{shown} {problems}");
    }
}
