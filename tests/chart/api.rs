//! The schemas of the Kubernetes API, which a package of Python has. It is installed once below `target`, each file of it known by its hash.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// The oldest that the chart takes, that of the cluster it is tried on, and the newest whose schemas the package has.
pub const VERSIONS: [&str; 3] = ["1.30.0", "1.34.0", "1.37.0"];

const NEEDED: &str =
    "this test needs python3 with pip (Debian: python3-pip), and the index of packages the first time";

/// What is wrong with objects.
#[derive(Debug)]
pub struct Report {
    /// `Kind/name: what`.
    pub errors: Vec<String>,
    /// `group/version/Kind` that the version has no schema for.
    pub unknown: Vec<String>,
}

/// Holds objects against the schemas of a version.
pub fn validate(version: &str, objects: &[Value]) -> Report {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("chart/api/validate.py");
    let mut program = Command::new("python3")
        .arg(script)
        .arg(version)
        .env("PYTHONPATH", installed())
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: {NEEDED}"));
    let input = serde_json::to_vec(objects).unwrap();
    // It reads all before it writes anything.
    program.stdin.take().unwrap().write_all(&input).unwrap();
    let answer: Value = serde_json::from_slice(&succeeded(program.wait_with_output())).unwrap();
    let texts = |name: &str| {
        let items = answer[name].as_array().unwrap();
        items.iter().map(|one| one.as_str().unwrap().to_owned()).collect()
    };
    Report { errors: texts("errors"), unknown: texts("unknown") }
}

/// The packages, installed. Their directory comes into being whole, as several processes may want it at once.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = here.parent().unwrap().join("target/tools");
        let (package, new) = (
            tools.join("python-kubernetes-schemas-1.37.0"),
            tools.join(format!("python-kubernetes-schemas-{}", std::process::id())),
        );
        if !package.exists() {
            std::fs::create_dir_all(&tools).unwrap();
            let install = Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
                .args(["--no-compile", "--only-binary", ":all:", "--require-hashes", "--target"])
                .arg(&new)
                .arg("-r")
                .arg(here.join("chart/api/requirements.txt"))
                .output();
            succeeded(install);
            // Another one was quicker.
            if std::fs::rename(&new, &package).is_err() {
                std::fs::remove_dir_all(&new).unwrap();
            }
        }
        package
    })
}

fn succeeded(ended: std::io::Result<Output>) -> Vec<u8> {
    let output = ended.unwrap_or_else(|error| panic!("{error}: {NEEDED}"));
    assert!(output.status.success(), "{NEEDED}:\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
