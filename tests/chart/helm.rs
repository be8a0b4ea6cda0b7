//! The chart as helm renders it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

use super::cases::Case;

/// The name of the release in every rendering.
pub const RELEASE: &str = "crm";

/// helm, which `cargo xtask test chart` has found.
pub fn helm() -> Command {
    let program = std::env::var_os("GLOBCRM_TEST_HELM").unwrap_or_else(|| "helm".into());
    let mut command = Command::new(program);
    command.stdin(std::process::Stdio::null());
    command
}

/// What it printed, or what it complained about.
pub fn output(command: &mut Command) -> Result<String, String> {
    let shown = format!("{command:?}");
    let Output { status, stdout, stderr } =
        command.output().unwrap_or_else(|error| panic!("{shown}: {error}: run `cargo xtask test chart`"));
    if status.success() {
        return Ok(String::from_utf8(stdout).unwrap());
    }
    Err(String::from_utf8_lossy(&stderr).into_owned())
}

/// A directory with a chart in it.
#[derive(Debug)]
pub struct Chart(PathBuf);

impl Chart {
    /// The one of this tree.
    pub fn ours() -> Self {
        Self(Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("helm/globcrm"))
    }

    /// A copy of it that may be broken; it is removed at the end.
    pub fn copy(name: &str) -> Draft {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("target/tmp/charts");
        let dir = root.join(format!("{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&dir));
        copy_all(&Self::ours().0, &dir);
        Draft(Self(dir))
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.0
    }

    /// The options that choose the values of a case.
    pub fn values(&self, case: &Case<'_>) -> Vec<String> {
        let preset = case.preset.map(|name| self.0.join(format!("values-{name}.yaml")).display().to_string());
        let files = preset.into_iter().flat_map(|file| ["--values".to_owned(), file]);
        let sets = case.sets.iter().flat_map(|set| ["--set-json".to_owned(), (*set).to_owned()]);
        files.chain(sets).collect()
    }

    /// The manifests of a case, or why there are none.
    pub fn render(&self, case: &Case<'_>) -> Result<String, String> {
        let mut command = helm();
        command.args(["template", RELEASE, "--namespace", "crm", "--kube-version", "1.34.0"]);
        command.args(self.values(case)).arg(&self.0);
        output(&mut command)
    }

    /// The same, read.
    pub fn objects(&self, case: &Case<'_>) -> Vec<Value> {
        let text = self.render(case).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        let read: Vec<Value> =
            serde_saphyr::from_multiple(&text).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        read.into_iter().filter(|object| !object.is_null()).collect()
    }
}

/// A copy of the chart.
#[derive(Debug)]
pub struct Draft(Chart);

impl Draft {
    /// The chart in it.
    pub fn chart(&self) -> &Chart {
        &self.0
    }

    /// Writes `to` for each `from` in a file of it, which must have one.
    pub fn change(&self, file: &str, from: &str, to: &str) {
        let path = self.0.0.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file} has no {from:?} any more");
        std::fs::write(&path, text.replace(from, to)).unwrap();
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0.0));
    }
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_all(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
