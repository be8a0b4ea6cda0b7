//! helm, for the suite of the chart: the one on the path, or one that Go builds below target/.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use testkit::{Progress, Unavailable, Workspace};

use crate::cargo;

const MODULE: &str = "helm.sh/helm/v3/cmd/helm@v3.21.4";

/// Where helm is. [`Unavailable`] where there is none and nothing to build it with.
pub(crate) fn find(progress: &Progress) -> Result<PathBuf> {
    if let Some(found) = on_path("helm") {
        return Ok(found);
    }
    let tools = Workspace::here()?.target().join("tools");
    let own = tools.join("helm");
    if own.exists() {
        return Ok(own);
    }
    let Some(go) = on_path("go") else {
        return Err(Unavailable::new("helm is missing, and Go to build it with: install one of them").into());
    };
    progress.say("building helm below target/tools (once, two minutes)");
    std::fs::create_dir_all(&tools)?;
    let mut install = Command::new(go);
    install.args(["install", MODULE]).env("GOBIN", &tools);
    cargo::run(install, progress)?;
    Ok(own)
}

/// A program on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|candidate| candidate.is_file())
}
