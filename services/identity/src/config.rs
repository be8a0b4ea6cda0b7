//! The settings of the role.

use auth::Signer;
use config::{ExposeSecret, Reader, SecretString, Section};
use ids::Clock;

use crate::changes::AuditKey;
use crate::service_secrets::ServiceSecrets;

/// How passwords are hashed (argon2id, RFC 9106).
#[derive(Clone, Copy, Debug)]
pub struct PasswordConfig {
    /// Memory of one hash, in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub parallelism: u32,
    /// Hashes computed at once; each holds a thread and its memory.
    pub permits: usize,
}

impl Default for PasswordConfig {
    /// The OWASP minimum for argon2id.
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, parallelism: 1, permits: 2 }
    }
}

/// How many organisations one network (an IPv4 address, an IPv6 /64) may make; eight times as many one wide network (/24, /48).
#[derive(Clone, Copy, Debug)]
pub struct SignUpConfig {
    /// In an hour.
    pub per_hour: u32,
    /// In a day.
    pub per_day: u32,
}

/// The settings of `GLOBCRM_IDENTITY_…`.
#[derive(Clone, Debug)]
pub struct Config {
    /// Ed25519 private key, PKCS#8 PEM: signs access tokens.
    pub signing_key: SecretString,
    /// Chains and seals the audit log.
    pub audit_key: AuditKey,
    /// The secrets of the services.
    pub service_secrets: ServiceSecrets,
    /// Password hashing.
    pub passwords: PasswordConfig,
    /// The brake on sign-ups.
    pub sign_ups: SignUpConfig,
    /// The database.
    pub database: db::DatabaseConfig,
    /// The broker.
    pub broker: events::AmqpConfig,
}

impl Section for Config {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let signing_key: Option<SecretString> =
            r.required("SIGNING_KEY", "Ed25519 private key (PKCS#8 PEM) that signs access tokens");
        let audit_key = AuditKey::read(r);
        let service_secrets = ServiceSecrets::read(r);
        let memory = r.with_default("PASSWORD_MEMORY_KIB", "19456", "Memory of one password hash, in KiB");
        let iterations = r.with_default("PASSWORD_ITERATIONS", "2", "Passes of one password hash");
        let parallelism = r.with_default("PASSWORD_PARALLELISM", "1", "Lanes of one password hash");
        let permits = r.with_default("PASSWORD_PERMITS", "2", "Password hashes computed at once");
        let per_hour =
            r.with_default("SIGN_UPS_PER_HOUR", "100", "Organizations that one network (an IPv4 address or an IPv6 /64) may create in an hour; an IPv4 /24 or IPv6 /48 as a whole may create eight times as many");
        let per_day = r.with_default(
            "SIGN_UPS_PER_DAY",
            "300",
            "Organizations that one network (an IPv4 address or an IPv6 /64) may create in a day; an IPv4 /24 or IPv6 /48 as a whole may create eight times as many",
        );
        let database = db::DatabaseConfig::read(r);
        let broker = events::AmqpConfig::read(r);

        if let Some(key) = &signing_key
            && Signer::from_pem(key.expose_secret(), Clock::system()).is_err()
        {
            r.refuse("SIGNING_KEY", "must be an Ed25519 private key in PKCS#8 PEM");
        }
        let passwords = PasswordConfig {
            memory_kib: memory?,
            iterations: iterations?,
            parallelism: parallelism?,
            permits: permits?,
        };
        if crate::passwords::hasher(passwords).is_none() {
            r.refuse(
                "PASSWORD_MEMORY_KIB",
                "and its siblings are no parameters of argon2id, or PERMITS is 0",
            );
        }
        Some(Self {
            signing_key: signing_key?,
            audit_key: audit_key?,
            service_secrets: service_secrets?,
            passwords,
            sign_ups: SignUpConfig { per_hour: per_hour?, per_day: per_day? },
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
