//! The one table of variables that every role, `migrate` and `demo` get.
//!
//! `GLOBCRM_FLEET_<NAME>` holds for every role; `GLOBCRM_<ROLE>_<NAME>` for one, and wins.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use base64::Engine as _;

use super::{Env, Role};
use crate::backing::Backing;
use crate::http;
use crate::ports;
use crate::secrets::random_bytes;
use crate::state::{StateDir, write_private};

/// Ports of the fleet on loopback.
#[derive(Clone, Debug)]
pub struct Ports {
    /// gRPC, for every role that serves it.
    pub grpc: BTreeMap<Role, u16>,
    /// Health, readiness, metrics.
    pub admin: BTreeMap<Role, u16>,
    /// The public API.
    pub public: u16,
}

impl Ports {
    /// Ports that are free now, without a wish.
    pub fn fresh() -> Result<Self> {
        Self::choose(&BTreeMap::new())
    }

    /// The ports of the last start where they are free; 8080 for the first public one.
    pub fn remembered(backing: &Backing) -> Result<Self> {
        Self::remember(backing.dir())
    }

    fn remember(dir: &StateDir) -> Result<Self> {
        let _lock = dir.lock()?;
        let mut known = dir.load()?.ports;
        known.entry("gateway.public".to_owned()).or_insert(8080);
        let chosen = Self::choose(&known)?;
        dir.change(|state| state.ports.extend(chosen.named()))?;
        Ok(chosen)
    }

    fn choose(known: &BTreeMap<String, u16>) -> Result<Self> {
        let names = Self::names();
        let wanted: Vec<_> = names.iter().map(|name| (name.as_str(), known.get(name).copied())).collect();
        let chosen = ports::choose(&wanted)?;
        let of = |role: Role, kind: &str| {
            let port = chosen.get(&format!("{}.{kind}", role.name())).copied();
            port.map(|port| (role, port))
        };
        Ok(Self {
            grpc: Role::ALL.into_iter().filter_map(|role| of(role, "grpc")).collect(),
            admin: Role::ALL.into_iter().filter_map(|role| of(role, "admin")).collect(),
            public: chosen.get("gateway.public").copied().context("a public port was chosen")?,
        })
    }

    fn names() -> Vec<String> {
        let mut names = vec!["gateway.public".to_owned()];
        for role in Role::ALL {
            names.push(format!("{}.admin", role.name()));
            if role.member().service.is_some() {
                names.push(format!("{}.grpc", role.name()));
            }
        }
        names
    }

    fn named(&self) -> BTreeMap<String, u16> {
        let grpc = self.grpc.iter().map(|(role, port)| (format!("{}.grpc", role.name()), *port));
        let admin = self.admin.iter().map(|(role, port)| (format!("{}.admin", role.name()), *port));
        let public = std::iter::once(("gateway.public".to_owned(), self.public));
        grpc.chain(admin).chain(public).collect()
    }
}

/// Ports and files of one fleet.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where each role listens.
    pub ports: Ports,
    /// Directory of content-addressed objects.
    pub blobs: PathBuf,
    /// Ed25519 key (PKCS#8 PEM) that signs access tokens.
    pub signing_key: PathBuf,
}

impl Places {
    /// Files in the state directory of `backing`, made when missing.
    pub fn beside(backing: &Backing, ports: Ports) -> Result<Self> {
        let dir = backing.dir().path();
        let places = Self { ports, blobs: dir.join("blobs"), signing_key: dir.join("signing-key.pem") };
        std::fs::create_dir_all(&places.blobs)?;
        let _lock = backing.dir().lock()?;
        if !places.signing_key.exists() {
            write_private(&places.signing_key, signing_key()?.as_bytes())?;
        }
        Ok(places)
    }
}

/// A new Ed25519 private key as PKCS#8 version 1 in PEM (RFC 8410, section 7): a fixed header and 32 random bytes.
pub fn signing_key() -> Result<String> {
    const HEADER: [u8; 16] =
        [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    let mut key = HEADER.to_vec();
    key.extend(random_bytes::<32>()?);
    let text = base64::engine::general_purpose::STANDARD.encode(key);
    Ok(format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n"))
}

/// Everything the processes of one fleet are given. Values hold passwords, so it is not `Debug`.
#[derive(Clone)]
pub struct Environments {
    /// By role.
    pub roles: BTreeMap<Role, Env>,
    /// For `globcrm migrate`: an administrator's URL and every URL whose role it creates.
    pub migrate: Env,
    /// Answers 200 when the role is ready.
    pub ready_urls: BTreeMap<Role, String>,
    /// `http://host:port` of the public API.
    pub gateway_url: String,
}

impl Environments {
    /// For `globcrm demo` and `globcrm all`: the variables of every role side by side; those of the fleet are the same in each.
    pub fn all(&self) -> Env {
        self.roles.values().flatten().map(|(name, value)| (name.clone(), value.clone())).collect()
    }
}

impl std::fmt::Debug for Environments {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environments").field("gateway_url", &self.gateway_url).finish_non_exhaustive()
    }
}

/// The database every service has its schema in.
const DATABASE: &str = "globcrm";

/// The table. Secrets are made on first use and kept beside the backing services.
pub fn environments(backing: &Backing, places: &Places) -> Result<Environments> {
    let _lock = backing.dir().lock()?;
    let mut secrets = backing.secrets()?;
    let local = |port: u16| format!("127.0.0.1:{port}");
    let gateway_url = format!("http://{}", local(places.ports.public));

    let mut fleet = Env::new();
    fleet.insert("GLOBCRM_FLEET_AMQP_URL".into(), backing.amqp_url().into());
    fleet.insert("GLOBCRM_FLEET_REDIS_URL".into(), backing.redis_url().into());
    fleet.insert("GLOBCRM_FLEET_CURSOR_KEY".into(), secrets.get("fleet.cursor_key")?);
    for (role, port) in &places.ports.grpc {
        fleet.insert(format!("GLOBCRM_FLEET_{}", role.names().url[0]), format!("http://{}", local(*port)));
    }

    let mut roles = BTreeMap::new();
    let mut migrate = Env::new();
    let mut service_secrets = Vec::new();
    let mut ready_urls = BTreeMap::new();
    for role in Role::ALL {
        let (name, upper) = (role.name(), role.upper());
        let mut own = fleet.clone();
        let admin = places.ports.admin.get(&role).copied().context("every role has an admin port")?;
        own.insert(format!("GLOBCRM_{upper}_ADMIN_LISTEN"), local(admin));
        ready_urls.insert(role, format!("http://{}/readyz", local(admin)));
        if let Some(port) = places.ports.grpc.get(&role) {
            own.insert(format!("GLOBCRM_{upper}_GRPC_LISTEN"), local(*port));
        }
        if role.member().has_schema {
            for (variable, kind) in [("DATABASE_URL", "app"), ("WORKER_DATABASE_URL", "worker")] {
                let user = format!("globcrm_{name}_{kind}");
                let url = database_url(backing.postgres_admin_url(), &user, &secrets.get(&user)?)?;
                own.insert(format!("GLOBCRM_{upper}_{variable}"), url.clone());
                migrate.insert(format!("GLOBCRM_{upper}_{variable}"), url);
            }
        }
        if role.member().proves_itself() {
            let secret = secrets.get(&format!("{name}.service_secret"))?;
            service_secrets.push((format!("GLOBCRM_IDENTITY_{}", role.names().secret[0]), secret.clone()));
            own.insert(format!("GLOBCRM_{upper}_SERVICE_SECRET"), secret);
        }
        roles.insert(role, own);
    }
    let mut add = |role: Role, name: &str, value: String| {
        if let Some(own) = roles.get_mut(&role) {
            own.insert(name.to_owned(), value);
        }
    };
    for (variable, secret) in service_secrets {
        add(Role::Identity, &variable, secret);
    }
    let signing_key = places.signing_key.display().to_string();
    add(Role::Identity, "GLOBCRM_IDENTITY_SIGNING_KEY_FILE", signing_key);
    add(Role::Identity, "GLOBCRM_IDENTITY_AUDIT_KEY", secrets.get("identity.audit_key")?);
    add(Role::Records, "GLOBCRM_RECORDS_BLOB_DIR", places.blobs.display().to_string());
    add(Role::Gateway, "GLOBCRM_GATEWAY_LISTEN", local(places.ports.public));
    migrate.insert("GLOBCRM_MIGRATE_ADMIN_URL".into(), backing.postgres_admin_url().into());
    Ok(Environments { roles, migrate, ready_urls, gateway_url })
}

/// The administrator's server with another user and our database; what follows the database (TLS options) stays.
fn database_url(admin: &str, user: &str, password: &str) -> Result<String> {
    let parts = http::parse(admin)?;
    let options = parts.path.split_once('?').map(|(_, options)| format!("?{options}")).unwrap_or_default();
    Ok(format!("postgres://{user}:{password}@{}/{DATABASE}{options}", parts.authority))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_database_url_keeps_server_and_options_of_the_administrator() {
        let url = database_url("postgres://root:pw@db:5433/postgres?sslmode=require", "app", "s").unwrap();
        assert_eq!(url, "postgres://app:s@db:5433/globcrm?sslmode=require");
        assert_eq!(database_url("postgres://root:pw@db", "app", "s").unwrap(), "postgres://app:s@db/globcrm");
    }

    #[test]
    fn remembered_ports_stay_while_they_are_free() {
        let dir = StateDir::open(crate::state::scratch("fleet-ports")).unwrap();
        let first = Ports::remember(&dir).unwrap();
        assert!(first.grpc.keys().eq(Role::ALL.iter().filter(|role| role.member().service.is_some())));
        assert!(first.admin.keys().eq(Role::ALL.iter()));
        assert_eq!(Ports::remember(&dir).unwrap().admin, first.admin);
        std::fs::remove_dir_all(dir.path()).unwrap();
    }

    #[test]
    fn a_signing_key_is_48_bytes_of_der_and_different_each_time() {
        let make = || {
            let pem = signing_key().unwrap();
            base64::engine::general_purpose::STANDARD.decode(pem.lines().nth(1).unwrap()).unwrap()
        };
        let (one, other) = (make(), make());
        assert_eq!(one.len(), 48);
        assert_eq!(one[..16], other[..16]);
        assert_ne!(one, other);
    }
}
