//! What goes on while migrations run: short statements on large tables, by pgbench, each one timed.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use testkit::Progress;

use crate::bench::database::Login;

/// One run of pgbench; another follows until the work beside it is done. A statement that is kept waiting is waited for.
const SECONDS: &str = "5";
const CLIENTS: &str = "4";

/// 100,000 contacts and 1,000,000 activities of ten tenants.
const SEED: [&str; 4] = [
    "CREATE FUNCTION public.upgrade_id(n bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
     $$ SELECT ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$",
    "INSERT INTO records.contacts (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, external_ids, tags,
         last_name, last_name_folded, full_name, full_name_folded, emails, phones, addresses, do_not_call, do_not_email, consents, custom)
     SELECT upgrade_id(n % 10), upgrade_id(n), 1, now(), upgrade_id(1), now(), upgrade_id(1), 'api', '{}', '{}',
         'Contact ' || n, 'contact ' || n, 'Contact ' || n, 'contact ' || n, '[]', '[]', '[]', false, false, '[]', '{}'
     FROM generate_series(1, 100000) AS n",
    "INSERT INTO activities.activities (tenant_id, id, version, created_at, created_by, updated_at, updated_by, source, external_ids, tags,
         kind, subject, subject_folded, state, priority, all_day, links, participants, reminders, custom)
     SELECT upgrade_id(n % 10), upgrade_id(n), 1, now(), upgrade_id(1), now(), upgrade_id(1), 'api', '{}', '{}',
         'task', 'Task ' || n, 'task ' || n, 'planned', 'normal', false, '[]', '[]', '[]', '{}'
     FROM generate_series(1, 1000000) AS n",
    "VACUUM ANALYZE",
];

/// What people do all day, a statement each.
const SCRIPTS: [(&str, &str); 4] = [
    (
        "read",
        "\\set n random(1, 100000)
SELECT full_name FROM records.contacts WHERE tenant_id = upgrade_id(:n % 10) AND id = upgrade_id(:n);\n",
    ),
    (
        "write",
        "\\set n random(1, 100000)
UPDATE records.contacts SET version = version + 1 WHERE tenant_id = upgrade_id(:n % 10) AND id = upgrade_id(:n);\n",
    ),
    (
        "complete",
        "\\set n random(1, 1000000)
UPDATE activities.activities SET version = version + 1 WHERE tenant_id = upgrade_id(:n % 10) AND id = upgrade_id(:n);\n",
    ),
    ("remember", "SELECT count(*) FROM records.idempotency WHERE tenant_id = upgrade_id(1);\n"),
];

/// Fills the database.
pub(super) fn seed(sql: &Login, progress: &Progress) -> Result<()> {
    progress.say("seeding 100,000 contacts and 1,000,000 activities");
    sql.query(&SEED).map(drop)
}

/// How many migrations have run within this time, in all schemas.
pub(super) fn ran_since(sql: &Login, time: Duration) -> Result<u64> {
    let schemas = sql.query(&["SELECT schemaname FROM pg_tables WHERE tablename = 'schema_migration'"])?;
    let mut ran = 0;
    for schema in schemas.lines() {
        let seconds = time.as_secs_f64();
        let query = format!(
            "SELECT count(*) FROM {schema}.schema_migration WHERE applied_at > clock_timestamp() - interval '{seconds} seconds'"
        );
        ran += sql.query(&[&query])?.trim().parse::<u64>()?;
    }
    Ok(ran)
}

pub(super) struct Load<'a> {
    sql: &'a Login,
    place: PathBuf,
}

/// What the statements took.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Measured {
    pub(super) longest: Duration,
    pub(super) statements: u64,
}

impl<'a> Load<'a> {
    pub(super) fn start(sql: &'a Login, below: &Path) -> Result<Self> {
        let place = below.join("load");
        if place.exists() {
            std::fs::remove_dir_all(&place)?;
        }
        std::fs::create_dir_all(&place)?;
        for (name, script) in SCRIPTS {
            std::fs::write(place.join(name), script)?;
        }
        Ok(Self { sql, place })
    }

    /// Loads the database for as long as the work takes, and some seconds more.
    pub(super) fn during(self, work: impl FnOnce() -> Result<()>) -> Result<Measured> {
        let (started, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let (loaded, worked) = std::thread::scope(|scope| {
            let load = scope.spawn(|| -> Result<()> {
                while !done.load(Ordering::Acquire) {
                    let mut pgbench = self.sql.command("pgbench")?;
                    pgbench.args([
                        "--no-vacuum",
                        "--client",
                        CLIENTS,
                        "--time",
                        SECONDS,
                        "--log",
                        "--log-prefix",
                        "statements",
                    ]);
                    for (name, _) in SCRIPTS {
                        pgbench.args(["--file", name]);
                    }
                    let run = pgbench.current_dir(&self.place).stdout(std::process::Stdio::null());
                    let run = run.stderr(std::process::Stdio::piped()).spawn();
                    started.store(true, Ordering::Release);
                    let ended = run?.wait_with_output()?;
                    if !ended.status.success() {
                        bail!("pgbench: {}", String::from_utf8_lossy(&ended.stderr).trim());
                    }
                }
                Ok(())
            });
            while !started.load(Ordering::Acquire) && !load.is_finished() {
                std::thread::sleep(Duration::from_millis(10));
            }
            let worked = work();
            done.store(true, Ordering::Release);
            (load.join().unwrap_or_else(|_| bail!("the load has panicked")), worked)
        });
        worked?;
        loaded?;
        self.measured()
    }

    fn measured(&self) -> Result<Measured> {
        let mut measured = Measured::default();
        for file in std::fs::read_dir(&self.place)? {
            let file = file?;
            if file.file_name().to_string_lossy().starts_with("statements") {
                measured.add(&std::fs::read_to_string(file.path())?)?;
            }
        }
        Ok(measured)
    }
}

impl Measured {
    /// Adds a log of pgbench: client, number, microseconds, and more.
    fn add(&mut self, log: &str) -> Result<()> {
        for line in log.lines() {
            let micros = line.split(' ').nth(2).context("a line of pgbench's log")?;
            self.longest = self.longest.max(Duration::from_micros(micros.parse().context("its third word")?));
            self.statements += 1;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_statement_is_read_from_the_logs_of_pgbench() {
        let mut measured = Measured::default();
        measured.add("0 199 2241 0 1175850568 995598\n1 3 210000 1 1175850569 608\n").unwrap();
        measured.add("0 1 12 0 1175850568 995598\n").unwrap();
        assert_eq!(measured, Measured { longest: Duration::from_millis(210), statements: 3 });
        assert!(measured.add("nothing").is_err());
    }
}
