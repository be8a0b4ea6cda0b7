//! `globcrm migrate`: from one administrator's URL to migrated schemas with their roles.

use anyhow::Context;
use config::{Env, Reader, Secret, SecretString, Section};
use db::migrate::{Administrator, LoginRole, Schema};
use fleet::Role;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::programs;

/// The database every schema lives in.
pub(crate) const DATABASE: &str = "globcrm";

/// What `migrate` reads for itself.
#[derive(Deserialize, JsonSchema, Debug)]
pub(crate) struct MigrateConfig {
    /// PostgreSQL URL of a user that may make roles and databases; for `migrate` only.
    #[schemars(with = "Secret")]
    admin_url: SecretString,
}

impl Section for MigrateConfig {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// The URLs that name a role's users and passwords.
#[derive(Deserialize, JsonSchema, Debug)]
pub(crate) struct Urls {
    #[serde(rename = "database_url")]
    #[schemars(with = "Secret")]
    app: SecretString,
    #[serde(rename = "worker_database_url")]
    #[schemars(with = "Secret")]
    pub(crate) worker: SecretString,
}

impl Section for Urls {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

/// Prepares and migrates every schema, or takes everything back.
pub(crate) async fn run(down: bool) -> anyhow::Result<()> {
    let env = Env::process();
    let own: MigrateConfig = config::load(&env, "MIGRATE")?;
    let mut administrator =
        Administrator::connect(&own.admin_url, DATABASE).await.context("connecting as administrator")?;
    for role in Role::ALL {
        let Some(migrations) = programs::of(role).migrations else { continue };
        let role = role.upper();
        let urls: Urls = config::load(&env, role)?;
        let login = |url: &SecretString, name: &str| {
            LoginRole::from_url(url)
                .with_context(|| format!("GLOBCRM_{role}_{name} names no user and password"))
        };
        let schema = Schema {
            name: migrations.schema,
            app: login(&urls.app, "DATABASE_URL")?,
            worker: login(&urls.worker, "WORKER_DATABASE_URL")?,
        };
        administrator.prepare(&schema).await.with_context(|| format!("preparing schema {}", schema.name))?;
        let conn = administrator.conn();
        let ran = if down { migrations.down(conn).await? } else { migrations.up(conn).await? };
        println!(
            "{}: {} migration(s) ran, at {}",
            schema.name,
            ran.len(),
            if down { "nothing" } else { migrations.newest() }
        );
    }
    Ok(())
}
