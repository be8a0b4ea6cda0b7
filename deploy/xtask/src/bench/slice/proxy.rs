//! The byte-copying proxy that the gateway is set beside: an example of the gateway's crate, built with optimisation.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};

/// The running proxy; it ends with its standard input, so also when this process is killed.
pub(super) struct Proxy {
    child: Child,
    /// `host:port`
    pub(super) address: String,
}

impl Proxy {
    /// Starts `program` for one list of the records service at `url`.
    pub(super) fn start(program: &Path, url: &str, list: [&str; 3]) -> Result<Self> {
        let mut command = Command::new(program);
        command.env_clear().arg(url).args(list).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut proxy = Self { child: command.spawn()?, address: String::new() };
        let answers = proxy.child.stdout.take().context("standard output is piped")?;
        BufReader::new(answers).read_line(&mut proxy.address)?;
        proxy.address.truncate(proxy.address.trim_end().len());
        Ok(proxy)
    }

    pub(super) fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        if let Err(error) = self.child.kill().and_then(|()| self.child.wait()) {
            eprintln!("the proxy was not stopped: {error}");
        }
    }
}
