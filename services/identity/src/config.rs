//! The settings of the role.

use auth::Signer;
use config::{ExposeSecret, Hot, Reader, Secret, SecretString, Section, checked};
use ids::Clock;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use crate::changes::{AuditKey, AuditKeyTooShort};
use crate::service_secrets::ServiceSecrets;

/// The settings of `GLOBCRM_IDENTITY_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// What it signs with.
    pub keys: KeyConfig,
    /// The secrets of the services.
    pub service_secrets: ServiceSecrets,
    /// Password hashing.
    pub passwords: PasswordConfig,
    /// The brake on sign-ups.
    pub sign_ups: SignUpConfig,
    /// The database.
    pub database: Hot<db::DatabaseConfig>,
    /// The broker.
    pub broker: events::AmqpConfig,
}

/// What identity signs with.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
pub struct KeyConfig {
    /// Ed25519 private key (PKCS#8 PEM) that signs access tokens.
    #[serde(rename = "signing_key", deserialize_with = "signing_key")]
    #[schemars(with = "Secret", extend("errorMessage" = "must be an Ed25519 private key in PKCS#8 PEM"))]
    pub signing: SecretString,
    /// Secret of at least 32 bytes that the audit log is chained and sealed with; the same in every instance, and kept as long as the log:
    /// with another one nothing that is there already can be verified.
    #[serde(rename = "audit_key")]
    #[schemars(with = "Secret", extend("errorMessage" = AuditKeyTooShort.to_string()))]
    pub audit: AuditKey,
}

fn signing_key<'de, D: Deserializer<'de>>(d: D) -> Result<SecretString, D::Error> {
    checked(d, |key: &SecretString| Signer::from_pem(key.expose_secret(), Clock::system()).is_ok())
}

/// How passwords are hashed (argon2id, RFC 9106).
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(default)]
pub struct PasswordConfig {
    /// Memory of one password hash, in KiB.
    #[serde(rename = "password_memory_kib")]
    pub memory_kib: u32,
    /// Passes of one password hash.
    #[serde(rename = "password_iterations")]
    pub iterations: u32,
    /// Lanes of one password hash.
    #[serde(rename = "password_parallelism")]
    pub parallelism: u32,
    /// Password hashes computed at once.
    // Each holds a thread and its memory.
    #[serde(rename = "password_permits")]
    pub permits: usize,
}

impl Default for PasswordConfig {
    /// The OWASP minimum for argon2id.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, permits: 2 }
    }
}

impl Section for PasswordConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let config: Self = r.group()?;
        if crate::passwords::hasher(config).is_none() {
            r.refuse(
                "PASSWORD_MEMORY_KIB",
                "and its siblings are no parameters of argon2id, or PERMITS is 0",
            );
        }
        Some(config)
    }
}

/// How many organisations one network (an IPv4 address, an IPv6 /64) may make; eight times as many one wide network (/24, /48).
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(default)]
pub struct SignUpConfig {
    /// Organizations that one network (an IPv4 address or an IPv6 /64) may create in an hour; an IPv4 /24 or IPv6 /48 as a whole may create
    /// eight times as many.
    #[serde(rename = "sign_ups_per_hour")]
    pub per_hour: u32,
    /// Organizations that one network (an IPv4 address or an IPv6 /64) may create in a day; an IPv4 /24 or IPv6 /48 as a whole may create
    /// eight times as many.
    #[serde(rename = "sign_ups_per_day")]
    pub per_day: u32,
}

impl Default for SignUpConfig {
    fn default() -> Self {
        Self { per_hour: 100, per_day: 300 }
    }
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (keys, service_secrets) = (r.group(), ServiceSecrets::read(r));
        let (passwords, sign_ups) = (PasswordConfig::read(r), r.group());
        let (database, broker) = (r.hot_secrets(), events::AmqpConfig::read(r));
        Some(Self {
            keys: keys?,
            service_secrets: service_secrets?,
            passwords: passwords?,
            sign_ups: sign_ups?,
            database: database?,
            broker: broker?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_wrong_setting_is_told_at_once_and_no_secret_with_it() {
        let env: config::Env = [
            ("GLOBCRM_IDENTITY_SIGNING_KEY", "hunter2"),
            ("GLOBCRM_IDENTITY_AUDIT_KEY", "hunter2"),
            ("GLOBCRM_IDENTITY_SERVICE_SECRET_GATEWAY", "hunter2"),
            ("GLOBCRM_IDENTITY_PASSWORD_MEMORY_KIB", "1"),
        ]
        .into_iter()
        .collect();
        let problems = config::load::<Config>(&env, "IDENTITY").unwrap_err().to_string();
        for name in [
            "SIGNING_KEY",
            "AUDIT_KEY",
            "SERVICE_SECRET_GATEWAY",
            "SERVICE_SECRET_RECORDS",
            "PASSWORD_MEMORY_KIB",
            "DATABASE_URL",
            "AMQP_URL",
        ] {
            assert!(problems.contains(&format!("GLOBCRM_IDENTITY_{name}")), "{name}: {problems}");
        }
        assert!(!problems.contains("hunter2"), "{problems}");
    }
}
