//! The gateway's settings.

use std::net::SocketAddr;
use std::path::PathBuf;

use config::{Address, ExposeSecret, FilePath, Hot, Reader, Seconds, Secret, SecretString, Section, default};
use fleet::Role;
use query::CursorKey;
use redis::{ConnectionAddr, IntoConnectionInfo};
use rpc::{Peer, ServiceSecret};
use schemars::JsonSchema;
use serde::Deserialize;
use tls::PublicTls;

use crate::ROLE;

/// Settings of the role `GATEWAY`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where the public API listens.
    pub listen: SocketAddr,
    /// The certificate of the public API.
    pub tls: Hot<PublicTls>,
    /// The identity service.
    pub identity: Peer,
    /// The other services.
    pub services: Vec<Peer>,
    /// Proves to the services that this is the gateway.
    pub service_secret: ServiceSecret,
    /// Seals page tokens of the list of all operations, as the services do that have a part of it.
    pub cursor_key: CursorKey,
    /// What clients may do.
    pub limits: LimitConfig,
    /// How much of it in a minute; it may change while the process runs.
    pub rates: Hot<RateConfig>,
    /// What operators see.
    pub metrics: MetricsConfig,
}

/// What operators see.
#[derive(Deserialize, JsonSchema, Debug, Clone, Copy)]
pub struct MetricsConfig {
    /// How many tenants have their id in this gateway's metrics: the busiest of the moment, at most 200; all others are `other`. 0 names nobody.
    #[serde(default)]
    #[schemars(range(max = crate::tenants::MOST))]
    pub named_tenants: usize,
}

#[derive(Deserialize, JsonSchema)]
struct Public {
    /// Where the public API listens.
    #[schemars(with = "Address")]
    listen: SocketAddr,
}

/// What clients may do in a minute.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
#[serde(default)]
pub struct RateConfig {
    /// Requests a tenant may make in a minute.
    #[serde(rename = "rate_tenant_per_minute")]
    pub tenant_per_minute: u32,
    /// Requests a user may make in a minute.
    #[serde(rename = "rate_principal_per_minute")]
    pub principal_per_minute: u32,
    /// Requests an API key may make in a minute, whatever its user and other keys make.
    #[serde(rename = "rate_api_key_per_minute")]
    pub api_key_per_minute: u32,
    /// Requests without credentials that one client address (an IPv4 address or an IPv6 /64) may make in a minute; an IPv6 /48 as a whole
    /// may make eight times as many.
    #[serde(rename = "rate_anonymous_per_minute")]
    pub anonymous_per_minute: u32,
}

impl Default for RateConfig {
    fn default() -> Self {
        Self {
            tenant_per_minute: 60_000,
            principal_per_minute: 12_000,
            api_key_per_minute: 6_000,
            anonymous_per_minute: 600,
        }
    }
}

impl Section for RateConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// What clients may do.
#[derive(Deserialize, JsonSchema, Debug, Clone)]
pub struct LimitConfig {
    /// Redis for rate limits shared by all gateways; without it each counts for itself.
    #[schemars(with = "Option<Secret>")]
    pub redis_url: Option<SecretString>,
    /// For rediss:// and valkeys://: certificates (PEM) that the one of Redis must go back to.
    #[schemars(with = "Option<FilePath>")]
    pub redis_ca_file: Option<PathBuf>,
    /// Requests in work at once; more are refused with 503.
    // Until their answers have gone.
    #[serde(default = "default::usize::<512>")]
    pub max_in_flight: usize,
    /// Requests in work for one tenant; the share shrinks with the square of what is free, counting what the tenant itself holds; more are
    /// refused with 429.
    #[serde(default = "default::usize::<192>")]
    pub max_in_flight_tenant: usize,
    /// Requests in work for one user or API key, by the same rule (a sole caller reaches 88 of the default 128); more are refused with 429.
    #[serde(default = "default::usize::<128>")]
    pub max_in_flight_principal: usize,
    /// Requests of one client address in work, by the same rule; more are refused with 429.
    #[serde(default = "default::usize::<256>")]
    pub max_in_flight_address: usize,
    /// Uploads and downloads at once; at most an eighth for one user, a quarter for one tenant, half for one address.
    #[serde(default = "default::usize::<64>")]
    pub max_transfers: usize,
    /// Take the client's address from the last entry of X-Forwarded-For; only behind a proxy that sets it.
    #[serde(default)]
    pub trust_forwarded_for: bool,
    /// Connections of clients at once; further ones wait to be accepted.
    #[serde(default = "default::usize::<10_000>")]
    pub max_connections: usize,
    /// Those of one peer (an IPv4 address, an IPv6 /64) while the others have none; further ones are closed. Without it a tenth of
    /// MAX_CONNECTIONS; with TRUST_FORWARDED_FOR all, as the proxy is the peer of all, and the one to count clients.
    pub max_connections_network: Option<usize>,
    /// A client's connection without a request for this time is closed.
    #[serde(default = "default::seconds::<75>")]
    pub connection_idle: Seconds,
    /// After this time a client's connection is asked to go, and closed when its requests have ended.
    #[serde(default = "default::seconds::<900>")]
    pub connection_age: Seconds,
    /// A client that takes no part of its answer for this time is cut off.
    #[serde(default = "default::seconds::<20>")]
    pub client_stall: Seconds,
}

impl LimitConfig {
    /// What the clients of the listener may hold.
    pub fn clients(&self) -> host::http::Clients {
        let connections = self.max_connections.max(1);
        let of_all = if self.trust_forwarded_for { connections } else { connections.div_ceil(10) };
        host::http::Clients {
            connections,
            connections_of_one: self.max_connections_network.unwrap_or(of_all),
            idle: self.connection_idle.0,
            age: self.connection_age.0,
            stall: self.client_stall.0,
        }
    }
}

/// How Redis is reached.
enum Way {
    Plain,
    Secure,
}

/// As the client understands the URL; what it does not take is refused here, and none of it is said.
fn way_to_redis(url: &SecretString) -> Result<Way, &'static str> {
    match url.expose_secret().into_connection_info().as_ref().map(|info| info.addr()) {
        Ok(ConnectionAddr::TcpTls { insecure: true, .. }) => {
            Err("must not end in #insecure, which checks no certificate")
        }
        Ok(ConnectionAddr::TcpTls { .. }) => Ok(Way::Secure),
        Ok(_) => Ok(Way::Plain),
        Err(_) => Err("must be a URL of Redis, like redis://:password@host:6379/0"),
    }
}

impl Section for LimitConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let config: Self = r.group()?;
        let way = match config.redis_url.as_ref().map(way_to_redis).transpose() {
            Ok(way) => way,
            Err(text) => {
                r.refuse("REDIS_URL", text);
                return None;
            }
        };
        // Neither may look secured and not be.
        let refusal = match (way, &config.redis_ca_file) {
            (Some(Way::Secure), None) => {
                Some("is missing, and rediss:// (or valkeys://) needs it".to_owned())
            }
            (Some(Way::Secure), Some(file)) => tls::roots(file).err().map(|error| error.to_string()),
            (_, Some(_)) => Some("has no effect without rediss:// (or valkeys://)".to_owned()),
            (_, None) => None,
        };
        if let Some(text) = refusal {
            r.refuse("REDIS_CA_FILE", text);
            return None;
        }
        Some(config)
    }
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (public, tls): (Option<Public>, _) = (r.group(), r.watched());
        let identity = Peer::read(r, Role::Identity);
        let others = ROLE.member().calls.iter().filter(|role| **role != Role::Identity);
        let services: Vec<Option<Peer>> = others.map(|role| Peer::read(r, *role)).collect();
        let (service_secret, cursor_key) = (ServiceSecret::read(r), CursorKey::read(r));
        let (rates, limits, metrics) = (r.hot(), LimitConfig::read(r), r.group());
        Some(Self {
            listen: public?.listen,
            tls: tls?,
            identity: identity?,
            services: services.into_iter().collect::<Option<_>>()?,
            service_secret: service_secret?,
            cursor_key: cursor_key?,
            limits: limits?,
            rates: rates?,
            metrics: metrics?,
        })
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The defaults.
    pub(crate) fn config() -> Config {
        let peers = ROLE.member().calls.iter().map(|peer| format!("GLOBCRM_GATEWAY_{}_URL", peer.upper()));
        let peers: Vec<String> = peers.collect();
        let variables = peers.iter().map(|name| (name.as_str(), "http://peer:1"));
        let listen = ("GLOBCRM_GATEWAY_LISTEN", "127.0.0.1:0");
        let secret = ("GLOBCRM_GATEWAY_SERVICE_SECRET", "a-secret-of-the-gateway-for-its-tests");
        let cursor_key = ("GLOBCRM_GATEWAY_CURSOR_KEY", "a-key-for-page-tokens-of-the-tests");
        let env: ::config::Env = variables.chain([listen, secret, cursor_key]).collect();
        ::config::load(&env, ROLE.upper()).unwrap()
    }

    #[test]
    fn redis_by_tls_needs_authorities_and_without_tls_has_none() {
        let read = |url: &str, file: Option<&str>| {
            let file = file.map(|file| ("GLOBCRM_GATEWAY_REDIS_CA_FILE", file));
            let env: ::config::Env = [("GLOBCRM_FLEET_REDIS_URL", url)].into_iter().chain(file).collect();
            let read = ::config::load::<LimitConfig>(&env, ROLE.upper());
            read.map(drop).map_err(|problems| problems.to_string())
        };
        for plain in ["redis://:s3cret@cache:6379/0", "valkey://cache", "REDIS://cache"] {
            read(plain, None).unwrap();
            let problems = read(plain, Some("/ca.crt")).unwrap_err();
            assert!(problems.contains("GATEWAY_REDIS_CA_FILE has no effect"), "{problems}");
        }
        for secure in ["rediss://:s3cret@cache:6379/0", "valkeys://cache", "REDISS://cache"] {
            let problems = read(secure, None).unwrap_err();
            assert!(problems.contains("GATEWAY_REDIS_CA_FILE is missing"), "{problems}");
            let problems = read(secure, Some("/there/is/none")).unwrap_err();
            assert!(problems.contains("GATEWAY_REDIS_CA_FILE names a file that cannot"), "{problems}");
        }
        for wrong in ["rediss://:s3cret@cache:6379/#insecure", "http://:s3cret@cache", "s3cret"] {
            let problems = read(wrong, None).unwrap_err();
            assert!(problems.contains("GLOBCRM_FLEET_REDIS_URL must"), "{problems}");
            assert!(!problems.contains("s3cret"), "{problems}");
        }
    }

    #[test]
    fn no_share_is_the_whole() {
        let limits = config().limits;
        assert!(limits.max_in_flight_principal < limits.max_in_flight_tenant);
        assert!(limits.max_in_flight_tenant.max(limits.max_in_flight_address) < limits.max_in_flight);
        let clients = limits.clients();
        assert!(clients.connections_of_one < clients.connections);
    }
}
