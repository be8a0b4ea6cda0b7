//! Which secrets a fleet needs, and who reads each: from the settings and the list of services.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::bail;
use config::{Kind, PREFIX, Setting};
use fleet::{FLEET, Role};

/// The reader of the administrator's URL and of the URLs of the users that it makes.
const MIGRATE: &str = "migrate";
/// Settings that have one value for the whole fleet.
const SHARED: [&str; 3] = ["AMQP_URL", "CURSOR_KEY", "REDIS_URL"];
/// Settings that are given although a service runs without them.
const WANTED: [&str; 1] = ["REDIS_URL"];

pub(super) const ADMIN_URL: &str = "GLOBCRM_MIGRATE_ADMIN_URL";
pub(super) const AMQP_URL: &str = "GLOBCRM_FLEET_AMQP_URL";
pub(super) const REDIS_URL: &str = "GLOBCRM_FLEET_REDIS_URL";

/// A secret of the fleet, or of a server that comes with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Need {
    /// Name of its file and its key in a Secret. Of what the fleet reads, it is the variable: `GLOBCRM_RECORDS_DATABASE_URL`.
    pub(crate) name: String,
    /// Who reads it: services, `migrate`, servers.
    pub(crate) readers: BTreeSet<String>,
    /// How it is made.
    pub(super) source: Source,
}

/// How a secret is made where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// 64 hex digits.
    Random,
    /// A private key that signs tokens.
    SigningKey,
    /// The value of the secret with this name: the same on both sides.
    Same(String),
    /// URL of PostgreSQL's administrator.
    Administrator,
    /// URL of this user of that server.
    Database(String),
    /// URL of RabbitMQ.
    Broker,
    /// URL of Redis.
    Cache,
    /// What a server must be given so that the URL with this name is true.
    Server { url: &'static str, file: ServerFile },
}

/// What a server reads its password from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ServerFile {
    /// The password alone.
    Postgres,
    /// Definitions: the user and our policies.
    Rabbitmq,
    /// The beginning of a configuration.
    Redis,
}

/// Files of the servers that come with a fleet for trying: file, reader, URL.
const SERVERS: [(&str, &str, &str, ServerFile); 3] = [
    ("postgres-password", "postgres", ADMIN_URL, ServerFile::Postgres),
    ("rabbitmq-definitions.json", "rabbitmq", AMQP_URL, ServerFile::Rabbitmq),
    ("redis.conf", "redis", REDIS_URL, ServerFile::Redis),
];

/// Every secret, by name. A required one that nobody has thought of is random, if its name allows.
pub(crate) fn needs(settings: &[Setting]) -> anyhow::Result<Vec<Need>> {
    let mut all = BTreeMap::<String, Need>::new();
    for setting in settings.iter().filter(|setting| setting.kind == Kind::Secret) {
        if !setting.required && !WANTED.contains(&setting.name) {
            continue;
        }
        let shared = SHARED.contains(&setting.name);
        let name = format!("{PREFIX}{}_{}", if shared { "FLEET" } else { setting.role }, setting.name);
        let source = source(setting)?;
        let need = all.entry(name.clone()).or_insert(Need { name, readers: BTreeSet::new(), source });
        need.readers.insert(setting.role.to_ascii_lowercase());
        if matches!(need.source, Source::Database(_)) {
            need.readers.insert(MIGRATE.to_owned());
        }
    }
    for (file, reader, url, shape) in SERVERS {
        let source = Source::Server { url, file: shape };
        let readers = BTreeSet::from([reader.to_owned()]);
        all.insert(file.to_owned(), Need { name: file.to_owned(), readers, source });
    }
    Ok(all.into_values().collect())
}

fn source(setting: &Setting) -> anyhow::Result<Source> {
    let role = setting.role.to_ascii_lowercase();
    let peer = FLEET.iter().find(|member| member.names.secret[0] == setting.name);
    Ok(match setting.name {
        "SIGNING_KEY" => Source::SigningKey,
        "DATABASE_URL" => Source::Database(format!("globcrm_{role}_app")),
        "WORKER_DATABASE_URL" => Source::Database(format!("globcrm_{role}_worker")),
        "AMQP_URL" => Source::Broker,
        "REDIS_URL" => Source::Cache,
        "ADMIN_URL" => Source::Administrator,
        _ if peer.is_some() => {
            Source::Same(format!("{PREFIX}{}_SERVICE_SECRET", peer.map_or("", |member| member.names.upper)))
        }
        name if name.ends_with("_URL") => {
            bail!("no value can be made for GLOBCRM_{}_{name}: add it to secrets/needs.rs", setting.role)
        }
        _ => Source::Random,
    })
}

/// The variables by which `reader` is given its secrets as files below `dir`.
pub(crate) fn file_variables(needs: &[Need], reader: &str, dir: &str) -> BTreeMap<String, String> {
    let is_read = |need: &&Need| need.readers.contains(reader) && need.name.starts_with(PREFIX);
    let pair = |need: &Need| (format!("{}_FILE", need.name), format!("{dir}/{}", need.name));
    needs.iter().filter(is_read).map(pair).collect()
}

/// Every reader, services first, in their order.
pub(crate) fn readers(needs: &[Need]) -> Vec<String> {
    let services = Role::ALL.into_iter().map(|role| role.name().to_owned());
    let mut all: Vec<String> = services.collect();
    for reader in needs.iter().flat_map(|need| &need.readers) {
        if !all.contains(reader) {
            all.push(reader.clone());
        }
    }
    all
}
