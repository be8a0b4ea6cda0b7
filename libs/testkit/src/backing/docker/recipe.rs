//! What runs in the container of each service, whoever starts it.

use crate::backing::{Service, local};

/// The user that both brokers of ours know.
pub(super) const BROKER_USER: &str = "globcrm";

/// A container's inside.
#[derive(Debug)]
pub(super) struct Recipe {
    pub(super) image: &'static str,
    /// The port inside.
    pub(super) port: u16,
    /// Where its data lie.
    pub(super) data: &'static str,
    /// The variable that takes the password.
    pub(super) password: &'static str,
    /// Further variables.
    pub(super) variables: &'static [(&'static str, &'static str)],
    /// The container's own name for itself, where the data depend on it.
    pub(super) hostname: Option<&'static str>,
    pub(super) arguments: Vec<String>,
}

pub(super) fn image(service: Service) -> &'static str {
    match service {
        Service::Postgres => "postgres:15",
        Service::Rabbitmq => "rabbitmq:3-management",
        Service::Redis => "redis:7",
    }
}

/// The container of `service`; one for a test gives up what only a crash of the machine needs.
pub(super) fn recipe(service: Service, test: bool) -> Recipe {
    let image = image(service);
    match service {
        Service::Postgres => Recipe {
            image,
            port: 5432,
            data: "/var/lib/postgresql/data",
            password: "POSTGRES_PASSWORD",
            variables: &[],
            hostname: None,
            arguments: postgres_arguments(test),
        },
        Service::Rabbitmq => Recipe {
            image,
            port: 5672,
            data: "/var/lib/rabbitmq",
            password: "RABBITMQ_DEFAULT_PASS",
            variables: &[("RABBITMQ_DEFAULT_USER", BROKER_USER)],
            // The node's name holds the host's name, and its data are filed under it.
            hostname: Some("globcrm"),
            arguments: Vec::new(),
        },
        Service::Redis => Recipe {
            image,
            port: 6379,
            data: "/data",
            password: "REDIS_PASSWORD",
            variables: &[],
            hostname: None,
            arguments: redis_arguments(test),
        },
    }
}

/// The URL of `service` at `place`, which is `host:port`.
pub(super) fn url(service: Service, password: &str, place: &str) -> String {
    match service {
        Service::Postgres => format!("postgres://postgres:{password}@{place}/postgres"),
        Service::Rabbitmq => format!("amqp://{BROKER_USER}:{password}@{place}/%2f"),
        Service::Redis => format!("redis://:{password}@{place}/0"),
    }
}

fn postgres_arguments(test: bool) -> Vec<String> {
    let settings = local::postgres_settings(test);
    settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting.to_owned()]).collect()
}

/// Redis takes no password from a variable, and its command line can be read by everybody: a file it is.
fn redis_arguments(test: bool) -> Vec<String> {
    let keep = if test { "save \"\"" } else { "appendonly yes" };
    let script = format!(
        "umask 077; printf '%s\\n' \"requirepass $REDIS_PASSWORD\" '{keep}' 'dir /data' >/tmp/redis.conf; exec redis-server /tmp/redis.conf"
    );
    vec!["sh".to_owned(), "-c".to_owned(), script]
}
