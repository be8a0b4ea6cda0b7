//! The settings of all roles, as `globcrm config settings` prints them.

use anyhow::{Context, Result};
use fleet::{FLEET, Role};
use serde::Deserialize;

/// Secrets that are the same for every role that reads them, as `globcrm secrets` names them; all others are of one role.
const SHARED_SECRETS: [&str; 3] = ["AMQP_URL", "CURSOR_KEY", "REDIS_URL"];
/// Settings that the chart itself gives: addresses, those of a bucket from `blobs.s3`, certificates from `tls`.
const OWNED: [&str; 15] = [
    "LISTEN",
    "GRPC_LISTEN",
    "ADMIN_LISTEN",
    "BLOB_DIR",
    "S3_BUCKET",
    "S3_ENDPOINT",
    "S3_REGION",
    "S3_VIRTUAL_HOSTED",
    "S3_ALLOW_HTTP",
    "TLS_CERT_FILE",
    "TLS_KEY_FILE",
    "TLS_CA_FILE",
    "TLS_ALSO_PLAIN",
    "PUBLIC_TLS_CERT_FILE",
    "PUBLIC_TLS_KEY_FILE",
];
/// Secrets that are given with a bucket, and not otherwise.
const OF_A_BUCKET: [&str; 2] = ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"];
/// What `migrate` reads of every role with a schema.
const OF_MIGRATIONS: [&str; 2] = ["DATABASE_URL", "WORKER_DATABASE_URL"];

/// One setting.
#[derive(Deserialize, Clone, Debug)]
pub(super) struct Setting {
    pub(super) role: String,
    pub(super) name: String,
    pub(super) variable: String,
    pub(super) kind: String,
    pub(super) secret: bool,
    pub(super) required: bool,
    pub(super) doc: String,
}

impl Setting {
    /// Its key in the Secret.
    pub(super) fn key(&self) -> String {
        if SHARED_SECRETS.contains(&self.name.as_str()) {
            format!("GLOBCRM_FLEET_{}", self.name)
        } else {
            self.variable.clone()
        }
    }

    /// Whether the Secret has it when there is a bucket, and not otherwise.
    pub(super) fn is_of_a_bucket(&self) -> bool {
        OF_A_BUCKET.contains(&self.name.as_str())
    }

    /// Whether values of the chart can give it.
    fn is_given_by_values(&self) -> bool {
        let peer = FLEET.iter().any(|member| member.names.url[0] == self.name);
        !self.secret && !peer && !OWNED.contains(&self.name.as_str())
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Settings(Vec<Setting>);

impl Settings {
    pub(super) fn read(json: &str) -> Result<Self> {
        serde_json::from_str(json).map(Self).context("what `globcrm config settings` printed")
    }

    /// Those of a role.
    pub(super) fn of(&self, role: Role) -> impl Iterator<Item = &Setting> {
        self.0.iter().filter(move |setting| setting.role == role.name())
    }

    /// Whether a role has a setting with this name.
    pub(super) fn has(&self, role: Role, name: &str) -> bool {
        self.of(role).any(|setting| setting.name == name)
    }

    /// Those that the values give to one role.
    pub(super) fn given(&self, role: Role) -> Vec<&Setting> {
        self.of(role).filter(|setting| setting.is_given_by_values()).collect()
    }

    /// Those that the values give to all roles that have them, each once.
    pub(super) fn given_to_all(&self) -> Vec<&Setting> {
        let mut all: Vec<&Setting> = Vec::new();
        for setting in Role::ALL.into_iter().flat_map(|role| self.given(role)) {
            if all.iter().all(|one| one.name != setting.name) {
                all.push(setting);
            }
        }
        all
    }

    /// The secrets of a role.
    pub(super) fn secrets(&self, role: Role) -> Vec<&Setting> {
        self.of(role).filter(|setting| setting.secret).collect()
    }

    /// The secrets of `migrate`: its own, and the URLs that name the users it makes.
    pub(super) fn secrets_of_migrations(&self) -> Vec<&Setting> {
        let has_schema =
            |setting: &Setting| Role::named(&setting.role).is_some_and(|role| role.member().has_schema);
        let is_read = |setting: &&Setting| {
            setting.role == "migrate"
                || (OF_MIGRATIONS.contains(&setting.name.as_str()) && has_schema(setting))
        };
        self.0.iter().filter(|setting| setting.secret).filter(is_read).collect()
    }

    /// The keys of secrets that need not be there, and that no other value decides on.
    pub(super) fn optional_keys(&self) -> Vec<String> {
        let secrets = self.0.iter().filter(|setting| setting.secret && !setting.is_of_a_bucket());
        let optional = secrets.filter(|setting| !setting.required);
        let mut keys: Vec<String> = optional.map(|setting| setting.key()).collect();
        keys.sort();
        keys.dedup();
        keys
    }
}
