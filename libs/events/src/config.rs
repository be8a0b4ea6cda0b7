//! The broker settings of a role.

use config::{ExposeSecret, Reader, SecretString, Section};

/// How a role reaches the broker.
#[derive(Clone, Debug)]
pub struct AmqpConfig {
    /// `amqp://user:password@host:port/vhost`.
    pub url: SecretString,
    /// Seconds between heartbeats; a silent peer is given up after two.
    pub heartbeat: u16,
    /// The topic exchange; tests use their own.
    pub exchange: String,
}

impl AmqpConfig {
    /// The usual settings for `url`.
    pub fn new(url: SecretString) -> Self {
        Self { url, heartbeat: 10, exchange: crate::EXCHANGE.to_owned() }
    }
}

impl Section for AmqpConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let url: Option<SecretString> =
            r.required("AMQP_URL", "RabbitMQ URL, amqp://user:password@host:5672/%2f");
        let heartbeat = r.with_default("AMQP_HEARTBEAT_SECONDS", "10", "Seconds between AMQP heartbeats");
        let url = url?;
        // Told at start-up, not at the first connection; the value stays unsaid.
        if !url.expose_secret().starts_with("amqp://") {
            r.refuse("AMQP_URL", "must begin with amqp://");
            return None;
        }
        Some(Self { heartbeat: heartbeat?, ..Self::new(url) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_scheme_is_refused_by_name_and_the_url_stays_secret() {
        let env: config::Env = [("GLOBCRM_X_AMQP_URL", "http://u:hunter2@h")].into_iter().collect();
        let problems = config::load::<AmqpConfig>(&env, "X").unwrap_err().to_string();
        assert!(problems.contains("GLOBCRM_X_AMQP_URL must begin with amqp://"), "{problems}");
        let env: config::Env = [("GLOBCRM_X_AMQP_URL", "amqp://u:hunter2@h")].into_iter().collect();
        let config = config::load::<AmqpConfig>(&env, "X").unwrap();
        assert_eq!(config.heartbeat, 10);
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
