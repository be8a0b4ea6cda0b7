//! The broker settings of a role.

use std::path::PathBuf;

use config::{ExposeSecret, FilePath, Reader, Secret, SecretString, Section, default};
use schemars::JsonSchema;
use serde::Deserialize;

/// How a role reaches the broker.
#[derive(Deserialize, JsonSchema, Clone, Debug)]
pub struct AmqpConfig {
    /// RabbitMQ URL, amqp://user:password@host:5672/%2f, or amqps:// and port 5671. The host may have several addresses, those of the nodes
    /// of a cluster: any that answers is taken.
    #[serde(rename = "amqp_url")]
    #[schemars(with = "Secret")]
    pub url: SecretString,
    /// For amqps://: certificates (PEM) that the broker's must go back to.
    #[serde(rename = "amqp_ca_file")]
    #[schemars(with = "Option<FilePath>")]
    pub ca_file: Option<PathBuf>,
    /// Seconds between AMQP heartbeats.
    // A silent peer is given up after two.
    #[serde(rename = "amqp_heartbeat_seconds", default = "default::u16::<10>")]
    pub heartbeat: u16,
    /// The topic exchange; tests use their own.
    #[serde(skip, default = "exchange")]
    pub exchange: String,
}

fn exchange() -> String {
    crate::EXCHANGE.to_owned()
}

impl AmqpConfig {
    /// The usual settings for `url`.
    pub fn new(url: SecretString) -> Self {
        Self { url, ca_file: None, heartbeat: 10, exchange: exchange() }
    }
}

impl Section for AmqpConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let config: Self = r.group()?;
        // Told at start-up, not at the first connection; the value stays unsaid.
        let refusal =
            match (config.url.expose_secret().split_once("://").map(|(scheme, _)| scheme), &config.ca_file) {
                (Some("amqp"), None) => None,
                (Some("amqp"), Some(_)) => {
                    Some(("AMQP_CA_FILE", "has no effect without amqps://".to_owned()))
                }
                (Some("amqps"), None) => {
                    Some(("AMQP_CA_FILE", "is missing, and amqps:// needs it".to_owned()))
                }
                (Some("amqps"), Some(file)) => tls::roots(file)
                    .err()
                    .map(|_| ("AMQP_CA_FILE", "names no file with certificates (PEM)".to_owned())),
                _ => Some(("AMQP_URL", "must begin with amqp:// or amqps://".to_owned())),
            };
        if let Some((name, text)) = refusal {
            r.refuse(name, text);
            return None;
        }
        Some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(pairs: &[(&str, &str)]) -> Result<AmqpConfig, String> {
        let env: config::Env = pairs.iter().copied().collect();
        config::load::<AmqpConfig>(&env, "X").map_err(|problems| problems.to_string())
    }

    #[test]
    fn a_wrong_scheme_is_refused_by_name_and_the_url_stays_secret() {
        let problems = load(&[("GLOBCRM_X_AMQP_URL", "http://u:hunter2@h")]).unwrap_err();
        assert!(problems.contains("GLOBCRM_X_AMQP_URL must begin with amqp:// or amqps://"), "{problems}");
        assert!(!problems.contains("hunter2"), "{problems}");
        let config = load(&[("GLOBCRM_X_AMQP_URL", "amqp://u:hunter2@h")]).unwrap();
        assert_eq!(config.heartbeat, 10);
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn tls_needs_certificates_and_certificates_need_tls() {
        let url = |url| ("GLOBCRM_X_AMQP_URL", url);
        let file = |file| ("GLOBCRM_FLEET_AMQP_CA_FILE", file);
        for (settings, text) in [
            (vec![url("amqps://h")], "AMQP_CA_FILE is missing"),
            (vec![url("amqps://h"), file("/nowhere")], "AMQP_CA_FILE names no file"),
            // A file, and no certificate in it.
            (
                vec![url("amqps://h"), file(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))],
                "AMQP_CA_FILE names no file",
            ),
            (vec![url("amqp://h"), file("/nowhere")], "AMQP_CA_FILE has no effect"),
        ] {
            let problems = load(&settings).unwrap_err();
            assert!(problems.contains(text), "{problems}");
        }
    }
}
