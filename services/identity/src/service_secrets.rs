//! The secrets by which services prove who they are, one or two for each: while one is exchanged for another, both are good.

use std::collections::BTreeMap;

use config::{ExposeSecret, Named, Reader, Secret, SecretString, Section, checked};
use error::{Error, Reason};
use fleet::{FLEET, Names, Role};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

/// What those are called that have a secret: the gateway, then the services.
fn callers() -> impl Iterator<Item = &'static Names> {
    let services = FLEET.iter().filter(|member| member.role != Role::Gateway);
    let all = std::iter::once(Role::Gateway.member()).chain(services);
    all.filter(|member| member.proves_itself()).map(|member| &member.names)
}

/// By service, the SHA-256 of its secrets: the secrets themselves are not kept.
#[derive(Clone, Default)]
pub struct ServiceSecrets(BTreeMap<String, Vec<[u8; 32]>>);

impl std::fmt::Debug for ServiceSecrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceSecrets").field("services", &self.0.keys()).finish_non_exhaustive()
    }
}

/// One of them, as a variable has it.
#[derive(Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(extend("errorMessage" = "must have 32 bytes or more"))]
struct Given(
    #[serde(deserialize_with = "long_enough")]
    #[schemars(with = "Secret")]
    SecretString,
);

fn long_enough<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    checked(d, |secret: &SecretString| secret.expose_secret().len() >= auth::MIN_SERVICE_SECRET_BYTES)
}

/// Those of every service; each has secrets of its own.
impl Section for ServiceSecrets {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let previous = "The previous secret, accepted until every instance uses the new one";
        let of = |names: &Names| {
            let [name, doc] = names.secret;
            [
                Named { name, doc, required: true },
                Named { name: names.previous_secret, doc: previous, required: false },
            ]
        };
        let given = r.each::<Given>(&callers().flat_map(of).collect::<Vec<_>>())?;
        let mut secrets = Self::default();
        for names in callers() {
            for variable in [names.secret[0], names.previous_secret] {
                let Some(Given(secret)) = given.get(variable) else { continue };
                if secrets.is_of_another(names.name, secret) {
                    r.refuse(variable, "is the secret of another service; each has its own");
                }
                secrets = secrets.with(names.name, secret);
            }
        }
        Some(secrets)
    }
}

impl ServiceSecrets {
    /// With one more secret of `service`.
    #[must_use]
    pub fn with(mut self, service: &str, secret: &SecretString) -> Self {
        let digest = Sha256::digest(secret.expose_secret()).into();
        self.0.entry(service.to_owned()).or_default().push(digest);
        self
    }

    /// Errors: 401 `SERVICE_SECRET_INVALID`, whether the service is unknown or the secret another.
    pub(crate) fn check(&self, service: &str, secret: &str) -> Result<(), Error> {
        if self.fits(service, secret) {
            return Ok(());
        }
        Err(Error::unauthenticated(Reason::SERVICE_SECRET_INVALID, "the service or its secret is wrong"))
    }

    /// Compares digests, all of them and to their ends, so that neither content nor length of a secret shows in the time.
    fn fits(&self, service: &str, secret: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(secret).into();
        let known = self.0.get(service).map_or(&[][..], Vec::as_slice);
        known.iter().fold(Choice::from(0), |fits, known| fits | known.ct_eq(&given)).into()
    }

    fn is_of_another(&self, service: &str, secret: &SecretString) -> bool {
        self.0.keys().any(|other| other != service && self.fits(other, secret.expose_secret()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<ServiceSecrets, String> {
        let secret = |names: &Names| format!("secret of {} {}", names.name, "x".repeat(32));
        let mut given: BTreeMap<String, String> =
            callers().map(|names| (names.secret[0].to_owned(), secret(names))).collect();
        given.extend(changes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let given = given.iter().map(|(name, value)| (format!("GLOBCRM_IDENTITY_{name}"), value.clone()));
        let env: config::Env = given.collect();
        config::load::<ServiceSecrets>(&env, "IDENTITY").map_err(|problems| problems.to_string())
    }

    #[test]
    fn only_a_known_service_with_its_own_secret_fits_the_one_before_too() {
        let (now, before) = ("n".repeat(32), "b".repeat(32));
        let changes = [("SERVICE_SECRET_FIELDS", &*now), ("SERVICE_SECRET_FIELDS_PREVIOUS", &*before)];
        let secrets = read(&changes).unwrap();
        assert!(secrets.fits("fields", &now) && secrets.fits("fields", &before));
        assert!(!secrets.fits("fields", &now[1..]) && !secrets.fits("fields", ""));
        assert!(!secrets.fits("records", &now) && !secrets.fits("nobody", &now) && !secrets.fits("", ""));
        assert!(!format!("{secrets:?}").contains("nnn"));
    }

    #[test]
    fn weak_missing_and_lent_secrets_are_refused_and_not_told() {
        let long = "hunter2-".repeat(5);
        for (changes, wrong) in [
            (vec![("SERVICE_SECRET_FIELDS", "hunter2")], "SERVICE_SECRET_FIELDS"),
            (vec![("SERVICE_SECRET_RECORDS_PREVIOUS", "hunter2")], "SERVICE_SECRET_RECORDS_PREVIOUS"),
            (
                vec![("SERVICE_SECRET_GATEWAY", &*long), ("SERVICE_SECRET_RECORDS_PREVIOUS", &*long)],
                "SERVICE_SECRET_RECORDS_PREVIOUS",
            ),
        ] {
            let problems = read(&changes).unwrap_err();
            assert!(problems.contains(wrong) && !problems.contains("hunter2"), "{problems}");
        }
    }
}
