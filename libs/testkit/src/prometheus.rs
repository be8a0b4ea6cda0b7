//! Prometheus, for tests of what operators look at.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use rustix::process::Signal;

use crate::backing::provide_prometheus;
use crate::ports;
use crate::process::ProcessId;
use crate::progress::Progress;
use crate::spawner::Daemon;

/// The two programs.
#[derive(Clone, Debug)]
pub struct Programs {
    /// The server.
    pub server: PathBuf,
    /// Checks and tries rules.
    pub promtool: PathBuf,
}

impl Programs {
    /// Those of this machine, installed if need be. [`crate::Unavailable`] where they can be had in no way.
    pub fn provide(progress: &Progress) -> Result<Self> {
        let [server, promtool] = provide_prometheus(progress)?;
        Ok(Self { server, promtool })
    }
}

/// A server that ends with this value, and with this process.
#[derive(Debug)]
pub struct Prometheus {
    process: ProcessId,
    url: String,
}

impl Prometheus {
    /// Starts one with its data, its log and this configuration in `dir`, on a port of its own. It may need a moment before it answers.
    pub fn start(programs: &Programs, dir: &Path, configuration: &str) -> Result<Self> {
        std::fs::create_dir_all(dir).with_context(|| format!("making {}", dir.display()))?;
        let file = dir.join("prometheus.yml");
        std::fs::write(&file, configuration).with_context(|| format!("writing {}", file.display()))?;
        let chosen = ports::choose(&[("prometheus", None)])?;
        let port = chosen.get("prometheus").ok_or_else(|| anyhow!("no port was chosen"))?;
        let daemon = Daemon {
            program: &programs.server,
            arguments: vec![
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}", dir.join("data").display()),
                format!("--web.listen-address=127.0.0.1:{port}"),
            ],
            environment: Vec::new(),
            directory: dir,
            log: &dir.join("prometheus.log"),
            account: None,
            tied: Some("TERM"),
        };
        Ok(Self { process: daemon.start()?, url: format!("http://127.0.0.1:{port}") })
    }

    /// Where it answers.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        self.process.signal_group(Signal::TERM);
    }
}
