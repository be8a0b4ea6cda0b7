//! Programs that tests need and that Go builds: the ones on the path, or else below target/tools.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use testkit::{Progress, Unavailable, Workspace};

use crate::cargo;

/// A program, and the Go module with it.
pub(crate) struct GoTool {
    name: &'static str,
    module: &'static str,
}

/// For the suite of the chart.
pub(crate) const HELM: GoTool = GoTool { name: "helm", module: "helm.sh/helm/v3/cmd/helm@v3.21.4" };
/// An S3 server on a directory, for the suite `blobs`.
pub(crate) const VERSITYGW: GoTool =
    GoTool { name: "versitygw", module: "github.com/versity/versitygw/cmd/versitygw@v1.8.0" };

impl GoTool {
    /// Where it is. [`Unavailable`] where there is none and nothing to build it with.
    pub(crate) fn find(&self, progress: &Progress) -> Result<PathBuf> {
        let Self { name, module } = self;
        if let Some(found) = on_path(name) {
            return Ok(found);
        }
        let tools = Workspace::here()?.target().join("tools");
        let own = tools.join(name);
        if own.exists() {
            return Ok(own);
        }
        let Some(go) = on_path("go") else {
            let reason = format!("{name} is missing, and Go to build it with: install one of them");
            return Err(Unavailable::new(reason).into());
        };
        progress.say(format!("building {name} below target/tools (once, some minutes)"));
        std::fs::create_dir_all(&tools)?;
        let mut install = Command::new(go);
        install.args(["install", module]).env("GOBIN", &tools);
        cargo::run(install, progress)?;
        Ok(own)
    }
}

/// A program on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}
