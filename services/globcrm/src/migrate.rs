//! `globcrm migrate`: from one administrator's URL to migrated schemas with their roles.

use std::time::Duration;

use anyhow::Context;
use clap::Args;
use config::{Env, Reader, Secret, SecretString, Section};
use db::migrate::{Administrator, LoginRole, PATIENCE, Plan, Release, Schema};
use fleet::Role;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::programs;

/// The database every schema lives in.
pub(crate) const DATABASE: &str = "globcrm";

/// What `migrate` reads for itself.
#[derive(Deserialize, JsonSchema, Debug)]
pub(crate) struct MigrateConfig {
    /// PostgreSQL URL of a user that may make roles and databases; for `migrate` only. TLS as in DATABASE_URL.
    #[serde(deserialize_with = "db::postgres_url")]
    #[schemars(with = "Secret", extend("errorMessage" = db::POSTGRES_URL))]
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

/// What to do, and how patiently.
#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Take everything back instead; data are lost
    #[arg(long, conflicts_with = "plan")]
    down: bool,
    /// Change nothing: print what would run, its phase, and which tables it would hold up
    #[arg(long)]
    plan: bool,
    /// Seconds to wait for another migrator, and for the locks of each file
    #[arg(long, value_name = "SECONDS", default_value_t = PATIENCE.as_secs())]
    wait: u64,
}

/// Prepares and migrates every schema, takes everything back, or says what it would do.
pub(crate) async fn run(options: &Options) -> anyhow::Result<()> {
    let env = Env::process();
    let own: MigrateConfig = config::load(&env, "MIGRATE")?;
    if options.plan {
        return plan(&own.admin_url).await;
    }
    let patience = Duration::from_secs(options.wait);
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
        let prepared = administrator.prepare_within(&schema, patience).await;
        prepared.with_context(|| format!("preparing schema {}", schema.name))?;
        let conn = administrator.conn();
        let ran = if options.down {
            migrations.down_within(conn, patience).await?
        } else {
            migrations.up_within(conn, patience).await?
        };
        println!(
            "{}: {} migration(s) ran, at {}",
            schema.name,
            ran.len(),
            if options.down { "nothing" } else { migrations.newest() }
        );
    }
    Ok(())
}

/// Prints what a run would do.
async fn plan(admin_url: &SecretString) -> anyhow::Result<()> {
    let mut conn = Administrator::reader(admin_url, DATABASE).await.context("connecting as administrator")?;
    if conn.is_none() {
        println!("The database {DATABASE} is not there: it would be made.");
    }
    for migrations in Role::ALL.into_iter().filter_map(|role| programs::of(role).migrations) {
        let plan = migrations.plan(conn.as_mut()).await?;
        print!("{}", shown(&plan));
    }
    Ok(())
}

/// A schema's plan for people: a line for each file, and one for each lock below it.
fn shown(plan: &Plan) -> String {
    let mut lines = vec![match (plan.is_there, plan.steps.len()) {
        (false, n) => format!("{}: not there yet; with its roles, {n} migration(s) would run", plan.schema),
        (true, 0) => format!("{}: nothing would run; {} have", plan.schema, plan.ran),
        (true, n) => format!("{}: {n} migration(s) would run; {} have", plan.schema, plan.ran),
    }];
    if !plan.unknown.is_empty() {
        lines.push(format!(
            "  {} more are of a newer program: {}",
            plan.unknown.len(),
            plan.unknown.join(", ")
        ));
    }
    for step in &plan.steps {
        let mark = if step.is_long() { "  LONG LOCK" } else { "" };
        // What no release has used, no program misses.
        let stops = match step.after.filter(|release| Some(*release) != Release::parse("0.0")) {
            Some(release) => format!(": programs before {release} stop taking calls"),
            None => String::new(),
        };
        lines.push(format!("  {} ({}{stops}){mark}", step.name, step.phase.word()));
        // A table that is not there has nobody who waits.
        for (lock, size) in step.locks.iter().filter_map(|(lock, size)| Some((lock, size.as_ref()?))) {
            lines.push(format!("      {lock}: about {} rows, {}", size.rows, size.pretty));
        }
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use db::migrate::{Blocks, Lasts, Lock, Phase, Size, Step};

    use super::*;

    #[test]
    fn the_administrators_url_is_secured_if_it_looks_so() {
        let read = |options: &str| {
            let url = format!("postgres://root:s3cret@db/postgres{options}");
            let env: Env = [("GLOBCRM_MIGRATE_ADMIN_URL", url)].into_iter().collect();
            config::load::<MigrateConfig>(&env, "MIGRATE").map(drop).map_err(|problems| problems.to_string())
        };
        read("").unwrap();
        read("?sslmode=verify-full&sslrootcert=/ca.pem").unwrap();
        for bad in ["?sslmode=verify-ca&sslrootcert=/ca.pem", "?sslrootcert=/ca.pem"] {
            let problems = read(bad).unwrap_err();
            assert!(problems.contains("GLOBCRM_MIGRATE_ADMIN_URL must be a URL of PostgreSQL"), "{problems}");
            assert!(!problems.contains("s3cret"), "{problems}");
        }
    }

    #[test]
    fn a_plan_says_what_would_run_and_which_tables_wait_for_it() {
        let size = Size { rows: 1_000_000, pretty: "310 MB".to_owned() };
        let locks = |blocks, lasts| {
            vec![(Lock { of: "records.contacts".to_owned(), blocks, lasts }, Some(size.clone()))]
        };
        let step = |name, phase, locks| Step { name, phase, after: None, locks };
        let contract = |name, after| Step { after, ..step(name, Phase::Contract, Vec::new()) };
        let plan = Plan {
            schema: "records",
            is_there: true,
            ran: 40,
            steps: vec![
                step("0300_index_city", Phase::Expand, locks(Blocks::Writes, Lasts::Reading)),
                step("0301_add_city", Phase::Expand, locks(Blocks::Everything, Lasts::Moment)),
                contract("0302_drop_town", Release::parse("0.3")),
                contract("0303_drop_never", Release::parse("0.0")),
            ],
            unknown: vec!["0400_of_a_newer_one".to_owned()],
        };
        assert_eq!(
            shown(&plan),
            "records: 4 migration(s) would run; 40 have
  1 more are of a newer program: 0400_of_a_newer_one
  0300_index_city (expand)  LONG LOCK
      holds up writes of records.contacts while every row is read: about 1000000 rows, 310 MB
  0301_add_city (expand)
      holds up reads and writes of records.contacts for a moment: about 1000000 rows, 310 MB
  0302_drop_town (contract: programs before 0.3 stop taking calls)
  0303_drop_never (contract)
"
        );
        let fresh = Plan { is_there: false, ran: 0, steps: Vec::new(), unknown: Vec::new(), ..plan };
        assert_eq!(shown(&fresh), "records: not there yet; with its roles, 0 migration(s) would run\n");
    }
}
