//! Programs in Python that tests ask: what they need of other packages is installed once below `target`, each file of it known by its hash.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

const NEEDED: &str =
    "this test needs python3 with pip (Debian: python3-pip), and the index of packages the first time";

/// A program and its packages, by their files below `tests`.
#[derive(Debug)]
pub struct Python {
    pub script: &'static str,
    pub requirements: &'static str,
    /// Names the packages with their versions: others are installed beside them.
    pub packages: &'static str,
}

impl Python {
    /// What the program writes when it is given this to read; what it said if it failed.
    pub fn ask(&self, arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
        let mut program = Command::new("python3")
            .arg(here().join(self.script))
            .args(arguments)
            .env("PYTHONPATH", self.installed())
            .env("PYTHONUTF8", "1")
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{error}: {NEEDED}"));
        // It reads all before it writes anything.
        program.stdin.take().unwrap().write_all(input).unwrap();
        succeeded(&program.wait_with_output().unwrap())
    }

    /// Their directory comes into being whole, as several processes may want it at once.
    fn installed(&self) -> PathBuf {
        static ONE_AFTER_THE_OTHER: Mutex<()> = Mutex::new(());
        let _held = ONE_AFTER_THE_OTHER.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let tools = here().parent().unwrap().join("target/tools");
        let packages = tools.join(format!("python-{}", self.packages));
        if packages.exists() {
            return packages;
        }
        let new = tools.join(format!("python-{}-of-{}", self.packages, std::process::id()));
        std::fs::create_dir_all(&tools).unwrap();
        let install = Command::new("python3")
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
            .args(["--no-compile", "--only-binary", ":all:", "--require-hashes", "--target"])
            .arg(&new)
            .arg("-r")
            .arg(here().join(self.requirements))
            .output()
            .unwrap_or_else(|error| panic!("{error}: {NEEDED}"));
        succeeded(&install).unwrap_or_else(|said| panic!("{NEEDED}:\n{said}"));
        // Another process was quicker.
        if std::fs::rename(&new, &packages).is_err() {
            std::fs::remove_dir_all(&new).unwrap();
        }
        packages
    }
}

fn here() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn succeeded(output: &Output) -> Result<Vec<u8>, String> {
    let said = || String::from_utf8_lossy(&output.stderr).into_owned();
    output.status.success().then(|| output.stdout.clone()).ok_or_else(said)
}
