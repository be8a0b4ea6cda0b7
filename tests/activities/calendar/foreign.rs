//! A reader of calendars in another language: the package `icalendar` of Python. It is installed once below `target`, each file of it known by its
//! hash.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

const NEEDED: &str =
    "this test needs python3 with pip (Debian: python3-pip), and the index of packages the first time";

/// The package, installed. Its directory comes into being whole, as several processes may want it at once.
fn installed() -> &'static Path {
    static INSTALLED: OnceLock<PathBuf> = OnceLock::new();
    INSTALLED.get_or_init(|| {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let tools = here.parent().unwrap().join("target/tools");
        let (package, new) = (
            tools.join("python-icalendar-7.3.2"),
            tools.join(format!("python-icalendar-{}", std::process::id())),
        );
        if !package.exists() {
            std::fs::create_dir_all(&tools).unwrap();
            let install = Command::new("python3")
                .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"])
                .args(["--only-binary", ":all:", "--require-hashes", "--target"])
                .arg(&new)
                .arg("-r")
                .arg(here.join("activities/calendar/requirements.txt"))
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

/// What the program reads of a calendar: `entries` with what each component says, `errors` that it found, and the `zones` that the calendar
/// describes.
pub(super) fn read(calendar: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("activities/calendar/read.py");
    let mut program = Command::new("python3")
        .arg(script)
        .env("PYTHONPATH", installed())
        .env("PYTHONUTF8", "1")
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{error}: {NEEDED}"));
    // It reads all before it writes anything.
    program.stdin.take().unwrap().write_all(calendar.as_bytes()).unwrap();
    let output = program.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "the program read no calendar:\n{said}\n{calendar}");
    serde_json::from_slice(&output.stdout).unwrap()
}
