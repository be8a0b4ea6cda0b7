//! The suite `upgrade`: the program of an earlier revision on the schema of this tree, this tree's program on the schema of that revision, and
//! every migration between them under load.

mod load;
mod revision;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use testkit::backing::{Backing, Lifetime};
use testkit::fleet::{self, Environments, Fleet, Launch, Places, Ports, Role};
use testkit::{Progress, Purpose, Workspace};

use super::{Count, End};
use crate::bench::database::Login;
use crate::up;
use load::Load;
use revision::Revision;

/// Of a service that starts, and of one whose schema has just come.
const READY: Duration = Duration::from_secs(60);
/// What a statement may be kept waiting by a migration: what people do not notice.
const GOAL: Duration = Duration::from_millis(200);

/// Runs the suite. A word that does not begin with `-` names the revision; without one it is that of the newest tag.
pub(super) fn run(words: &[String], count: &mut Count, progress: &Progress) -> Result<End> {
    let revision = Revision::find(words)?;
    let old = revision.program(progress)?;
    let new = up::build(&Workspace::here()?, false, progress)?;
    let ground = Ground::start(progress)?;
    let ended = ground.old_then_new(&old, &new).and_then(|()| {
        count.passed += 1;
        ground.new_then_old(&old, &new)?;
        count.passed += 1;
        Ok(())
    });
    ground.end()?;
    match ended {
        Ok(()) => Ok(End::Passed),
        Err(error) => {
            progress.check()?;
            progress.say(format!("{error:#}"));
            Ok(End::Failed)
        }
    }
}

/// Servers of this run's own, and what the processes of a fleet on them are told.
struct Ground<'a> {
    workspace: Workspace,
    backing: Backing,
    environments: Environments,
    sql: Login,
    progress: &'a Progress,
}

impl<'a> Ground<'a> {
    fn start(progress: &'a Progress) -> Result<Self> {
        let here = Workspace::here()?;
        let root = here.target().join("upgrade/ground");
        std::fs::create_dir_all(root.join("deploy/rabbitmq"))?;
        let definitions = "deploy/rabbitmq/definitions.json";
        std::fs::copy(here.root().join(definitions), root.join(definitions))?;
        let workspace = Workspace::at(&root)?;
        Backing::wipe(&workspace, Purpose::Test, progress)?;
        let backing = Backing::start(&workspace, Purpose::Test, progress)?;
        let places = Places::beside(&backing, Ports::fresh()?)?;
        let mut environments = fleet::environments(&backing, &places)?;
        if let Some(identity) = environments.roles.get_mut(&Role::Identity) {
            for window in ["HOUR", "DAY"] {
                identity.insert(format!("GLOBCRM_IDENTITY_SIGN_UPS_PER_{window}"), "100000".to_owned());
            }
        }
        let sql = Login::parse(backing.postgres_admin_url())?;
        Ok(Self { workspace, backing, environments, sql, progress })
    }

    fn end(self) -> Result<()> {
        self.backing.stop_started()?;
        Backing::wipe(&self.workspace, Purpose::Test, self.progress)
    }

    fn run(&self, program: &Path, command: &str) -> Result<String> {
        fleet::run_once(program, command, &self.environments.migrate, self.progress)
    }

    fn fleet(&self, program: &Path) -> Result<Fleet> {
        let logs = self.workspace.target().join("logs");
        let launch =
            Launch { program: program.to_owned(), arguments: Vec::new(), logs, lifetime: Lifetime::Parent };
        Fleet::start(launch, &self.environments, self.progress)
    }

    fn smoke(&self, program: &Path) -> Result<()> {
        self.run(program, &format!("smoke {}", self.environments.gateway_url)).map(drop)
    }

    /// The old program serves while the new one migrates under load, afterwards, and when it is started again.
    fn old_then_new(&self, old: &Path, new: &Path) -> Result<()> {
        self.run(old, "migrate").context("the old program migrates")?;
        let fleet = self.fleet(old)?;
        self.smoke(old).context("the old program on its own schema")?;
        let database = self.sql.at_database("globcrm");
        load::seed(&database, self.progress)?;
        println!("{}", self.run(new, "migrate --plan")?.trim_end());
        let calm = Load::start(&database, self.workspace.target())?.during(|| {
            std::thread::sleep(Duration::from_secs(5));
            Ok(())
        })?;
        let begun = Instant::now();
        let measured = Load::start(&database, self.workspace.target())?
            .during(|| self.run(new, "migrate").map(drop).context("the new program migrates under load"))?;
        let took = begun.elapsed();
        println!(
            "upgrade under load: {:.1} s for {} migration(s), longest statement {:?} of {}, {:?} of {} without migrations, goal {GOAL:?}",
            took.as_secs_f64(),
            load::ran_since(&database, took)?,
            measured.longest,
            measured.statements,
            calm.longest,
            calm.statements,
        );
        // A machine that is slow by itself must not fail for that.
        let bound = GOAL.max(calm.longest * 2);
        if measured.longest > bound {
            bail!(
                "a migration kept a statement waiting for {:?}: at most {bound:?} may be",
                measured.longest
            );
        }
        self.smoke(old).context("the old program, still running, on the new schema")?;
        drop(fleet);
        let fleet = self.fleet(old).context("the old program, started on the new schema")?;
        self.smoke(old).context("the old program, started on the new schema")?;
        drop(fleet);
        Ok(())
    }

    /// The new program waits on the old schema, where it lacks something, and serves when it is migrated.
    fn new_then_old(&self, old: &Path, new: &Path) -> Result<()> {
        self.sql.query(&["DROP DATABASE globcrm WITH (FORCE)"])?;
        self.run(old, "migrate").context("the old program migrates")?;
        let plan = self.run(new, "migrate --plan")?;
        let lacks = |role: Role| {
            plan.lines().any(|line| {
                line.starts_with(&format!("{}: ", role.name())) && !line.contains("nothing would run")
            })
        };
        let services = Services::start(new, &self.environments)?;
        for role in Role::ALL {
            let wanted = if lacks(role) { "answered 503" } else { "" };
            self.until(new, role, wanted)?;
        }
        self.run(new, "migrate")?;
        for role in Role::ALL {
            self.until(new, role, "")?;
        }
        self.smoke(new).context("the new program on the migrated schema")?;
        drop(services);
        Ok(())
    }

    /// Waits until a service is ready, or says at its readiness what it should.
    fn until(&self, program: &Path, role: Role, wanted: &str) -> Result<()> {
        let url = self.environments.ready_urls.get(&role).context("every role has a readiness URL")?;
        self.progress.wait(role.name(), READY, || {
            let answer = Command::new(program).args(["healthcheck", url]).stdin(Stdio::null()).output()?;
            let said = String::from_utf8_lossy(&answer.stderr);
            Ok(if wanted.is_empty() { answer.status.success() } else { said.contains(wanted) })
        })
    }
}

/// Processes that may not be ready; they end with this value.
struct Services(BTreeMap<Role, Child>);

impl Services {
    fn start(program: &Path, environments: &Environments) -> Result<Self> {
        let mut services = Self(BTreeMap::new());
        for (role, environment) in &environments.roles {
            let mut command = Command::new(program);
            command.arg(role.name()).env_clear().envs(environment);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            services.0.insert(*role, command.spawn().with_context(|| role.name().to_owned())?);
        }
        Ok(services)
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        for child in self.0.values_mut() {
            // Fails where it has ended already.
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Where what this suite builds is kept.
fn place() -> Result<PathBuf> {
    let place = Workspace::here()?.target().join("upgrade");
    std::fs::create_dir_all(&place)?;
    Ok(place)
}

/// What a command prints, without the end of its last line.
fn ask(mut command: Command) -> Result<String> {
    let output = command.current_dir(crate::root()).stdin(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().to_owned())
}
