//! A service on a schema that is not the one it was built for: older, newer, and contracted for newer programs.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;
use testkit::backing::{Backing, Service, Source};
use testkit::fleet::{Places, Ports, Role, environments, run_once};
use testkit::{Progress, Purpose, Workspace};

use crate::database::{Database, execute};
use crate::stage::program;
use crate::waiting;

const BOUND: Duration = Duration::from_secs(60);
const DATABASE: &str = "globcrm_test_schema";

/// Identity, which needs no other service to be ready. It ends with the test, however that ends.
struct Identity {
    process: Child,
    log: PathBuf,
    ready_url: String,
}

impl Drop for Identity {
    fn drop(&mut self) {
        // Fails where it has ended already.
        drop(self.process.kill());
        drop(self.process.wait());
    }
}

impl Identity {
    /// On [`DATABASE`], with its roles' passwords of the fleet.
    fn start(workspace: &Workspace) -> Result<Self> {
        let progress = Progress::silent();
        let backing = Backing::start(workspace, Purpose::Test, &progress)?;
        let places = Places::beside(&backing, Ports::fresh()?)?;
        let mut environments = environments(&backing, &places)?;
        let program = program(workspace);
        // The roles' passwords.
        run_once(&program, "migrate", &environments.migrate, &progress)?;
        let environment = environments.roles.get_mut(&Role::Identity).context("identity")?;
        for (name, value) in environment.iter_mut().filter(|(name, _)| name.ends_with("DATABASE_URL")) {
            // The user's name begins in the same way.
            let (server, database) = value.rsplit_once('/').context("a database")?;
            anyhow::ensure!(database == "globcrm", "{name} names another database");
            *value = format!("{server}/{DATABASE}");
        }
        let log = workspace.target().join(format!("tmp/identity-{}.log", std::process::id()));
        let mut command = Command::new(program);
        command.arg("identity").env_clear().envs(&*environment).stdin(Stdio::null());
        command.stdout(File::create(&log)?).stderr(Stdio::null());
        Ok(Self {
            process: command.spawn()?,
            log,
            ready_url: environments.ready_urls[&Role::Identity].clone(),
        })
    }

    /// Waits until `/readyz` has this status, and the component `database` a reason with these words.
    async fn becomes(&self, status: u16, reason: Option<&str>) {
        let what = format!("{status} {reason:?}");
        waiting::outcome(BOUND, &what, async || {
            let answer = reqwest::get(&self.ready_url).await.map_err(|error| error.to_string())?;
            let found = answer.status().as_u16();
            let body: Value = answer.json().await.map_err(|error| error.to_string())?;
            let told = body["components"]["database"]["reason"].as_str();
            let fits = match (told, reason) {
                (Some(told), Some(words)) => told.contains(words),
                (None, None) => true,
                _ => false,
            };
            if found == status && fits { Ok(()) } else { Err(format!("{found} {body}")) }
        })
        .await;
    }

    /// Whether its log says that the schema is not what it needs, with these words.
    async fn logs(&self, words: &str) {
        waiting::until(BOUND, &format!("a line with {words}"), async || {
            let text = std::fs::read_to_string(Path::new(&self.log)).unwrap_or_default();
            let mut lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.any(|line| {
                line["component"] == "database" && line["reason"].as_str().is_some_and(|r| r.contains(words))
            })
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_takes_calls_only_while_its_schema_has_what_it_needs_and_says_what_is_missing() -> Result<()>
{
    let (all, newest) = (identity::MIGRATIONS, identity::MIGRATIONS.newest());
    let (_, own) = all.own.split_last().context("migrations")?;
    let earlier = db::Migrations { own, ..all };
    let database = Database::fresh(DATABASE, &[]).await?;
    let workspace = Workspace::here()?;
    let identity = tokio::task::block_in_place(|| Identity::start(&workspace))?;
    identity.becomes(503, Some("schema identity has not been migrated; run `globcrm migrate`")).await;

    // A new program on the schema of the one before.
    Database::kept(DATABASE, &[earlier]).await?;
    let missing = format!("schema identity has no {newest}, which this program needs");
    identity.becomes(503, Some(&missing)).await;
    identity.logs(&missing).await;
    Database::kept(DATABASE, &[all]).await?;
    identity.becomes(200, None).await;

    // An old program on the schema of a newer one, which has added something.
    let mut sql = database.admin().await?;
    execute(&mut sql, "INSERT INTO identity.schema_migration (name, checksum) VALUES ('9000_add_more', '')")
        .await?;
    execute(
        &mut sql,
        "INSERT INTO identity.schema_migration (name, checksum, oldest_program) VALUES ('9001_drop_much', '', '99.0')",
    )
    .await?;
    let contracted = "for programs of release 99.0 and later, since 9001_drop_much has run";
    identity.becomes(503, Some(contracted)).await;
    identity.logs(contracted).await;
    execute(&mut sql, "DELETE FROM identity.schema_migration WHERE name = '9001_drop_much'").await?;
    // What a newer program has added is there all the time.
    identity.becomes(200, None).await;
    std::fs::remove_file(&identity.log)?;
    Ok(())
}

#[test]
fn a_plan_needs_neither_database_nor_roles_and_makes_none() -> Result<()> {
    let (workspace, root) = super::backing::apart("plan")?;
    let progress = Progress::silent();
    let backing = Backing::start(&workspace, Purpose::Test, &progress)?;
    if backing.source(Service::Postgres) == Some(Source::Environment) {
        // A server that others use has it all.
        return Ok(std::fs::remove_dir_all(root)?);
    }
    let places = Places::beside(&backing, Ports::fresh()?)?;
    let environments = environments(&backing, &places)?;
    let program = program(&Workspace::here()?);
    let ask = |command: &str| run_once(&program, command, &environments.migrate, &progress);
    let first = ask("migrate --plan")?;
    assert!(first.contains("The database globcrm is not there"), "{first}");
    assert!(first.contains("0100_create_contacts (expand)"), "{first}");
    assert_eq!(ask("migrate --plan")?, first, "the first one has made something");
    ask("migrate")?;
    let after = ask("migrate --plan")?;
    assert!(after.lines().all(|line| line.contains("nothing would run")), "{after}");
    backing.stop_started()?;
    Backing::wipe(&workspace, Purpose::Test, &progress)?;
    Ok(std::fs::remove_dir_all(root)?)
}
