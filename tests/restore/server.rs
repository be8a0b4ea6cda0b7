//! A PostgreSQL that nobody else uses, with its files at hand.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, PgConnection};
use testkit::backing::{Backing, Service, Source};
use testkit::{Progress, Purpose, Workspace};

use super::commands::Shell;
use crate::faults::backing::apart;
use crate::waiting;

const BOUND: Duration = Duration::from_secs(60);

pub(super) struct Server {
    pub(super) workspace: Workspace,
    root: PathBuf,
    pub(super) backing: Backing,
    /// Of the server; `data` is in it.
    directory: PathBuf,
    owner: (u32, u32),
}

impl Server {
    pub(super) fn start() -> Result<Self> {
        let (workspace, root) = apart("restore")?;
        let backing = Backing::start(&workspace, Purpose::Test, &Progress::silent())?;
        let local = backing.source(Service::Postgres) == Some(Source::Local);
        ensure!(local, "the drill destroys a server's files: run it by `cargo xtask test restore`");
        let log = backing.log(Service::Postgres)?.context("a local server has a log")?;
        let directory = log.parent().context("a directory")?.to_owned();
        let data = std::fs::metadata(directory.join("data"))?;
        Ok(Self { workspace, root, backing, directory, owner: (data.uid(), data.gid()) })
    }

    /// A directory next to the server's, for backups.
    pub(super) fn backups(&self) -> Result<PathBuf> {
        let backups = self.directory.join("backups");
        for dir in [backups.clone(), backups.join("wal")] {
            std::fs::create_dir_all(&dir)?;
            std::os::unix::fs::chown(&dir, Some(self.owner.0), Some(self.owner.1))?;
        }
        Ok(backups)
    }

    /// What the commands of the document are told.
    pub(super) fn shell(&self) -> Result<Shell> {
        let admin = self.backing.postgres_admin_url();
        let (_, server) = admin.rsplit_once('@').context("a URL with a user")?;
        let server = server.split('/').next().unwrap_or_default();
        let password = "only-for-tests";
        let variables = [
            ("ADMIN_URL", admin.to_owned()),
            ("DATABASE_URL", format!("{}/globcrm", admin.strip_suffix("/postgres").unwrap_or(admin))),
            ("BACKUP_PASSWORD", password.to_owned()),
            ("BACKUP_URL", format!("postgres://globcrm_backup:{password}@{server}/postgres")),
            ("BACKUPS", self.backups()?.display().to_string()),
            ("PGDATA", self.directory.join("data").display().to_string()),
        ];
        Ok(Shell { owner: self.owner, directory: self.directory.clone(), variables: variables.into() })
    }

    /// An administrator's connection to this database.
    pub(super) async fn sql(&self, database: &str) -> Result<PgConnection> {
        let options: PgConnectOptions = self.backing.postgres_admin_url().parse()?;
        Ok(options.database(database).application_name("globcrm-tests").connect().await?)
    }

    /// As a machine that burns down: nothing is written to its end, and its files are gone.
    pub(super) fn destroy(&self) -> Result<()> {
        self.backing.postgres().kill9()?;
        Ok(std::fs::remove_dir_all(self.directory.join("data"))?)
    }

    /// The place of its files is there and empty, as the mount of a new disk is.
    pub(super) fn mount(&self) -> Result<()> {
        let data = self.directory.join("data");
        std::fs::create_dir(&data)?;
        Ok(std::os::unix::fs::chown(&data, Some(self.owner.0), Some(self.owner.1))?)
    }

    /// Starts it on the files that are there, and waits until it takes writes.
    pub(super) async fn start_again(&self) -> Result<()> {
        tokio::task::block_in_place(|| self.backing.postgres().start_again())?;
        waiting::outcome(BOUND, "the server takes writes", async || {
            let mut sql = self.sql("postgres").await.map_err(|error| format!("{error:#}"))?;
            let recovers = sqlx::query_scalar("SELECT pg_is_in_recovery()").fetch_one(&mut sql).await;
            let recovers = recovers.map_err(|error| error.to_string())?;
            if recovers { Err("it recovers".to_owned()) } else { Ok(()) }
        })
        .await;
        Ok(())
    }

    pub(super) fn end(self) -> Result<()> {
        self.backing.stop_started()?;
        Backing::wipe(&self.workspace, Purpose::Test, &Progress::silent())?;
        Ok(std::fs::remove_dir_all(self.root)?)
    }
}
