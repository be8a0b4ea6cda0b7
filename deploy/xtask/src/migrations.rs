//! The files of migrations as a whole: their phases, and what squawk, a linter of DDL for PostgreSQL, says about them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use ddl::{Header, Phase};
use serde::Deserialize;
use testkit::Progress;

use crate::cargo::run as run_command;
use crate::go_tools::on_path;

/// The package of Python that has the program, its version and the hashes of its files for Linux (x86-64, ARM64).
const SQUAWK: &str = "squawk-cli==2.70.0";
const HASHES: [&str; 2] = [
    "e67651bb984b01276752ca685f870b281cf493d5d7bd318607148b657c359b52",
    "1c352fd18443d808d8ce48f5d4efa43646e210fc951437f6c3c25e51394f4a8f",
];

/// What a template's `{{schema}}` stands for while it is looked at.
const SCHEMA: &str = "records";

/// The newest migration of each folder before the first release. Whoever installs a release runs them on an empty schema, so what is said about
/// locks on rows that are there does not concern them. A folder that is not listed has none of these.
const BEFORE_THE_FIRST_RELEASE: [(&str, &str); 9] = [
    ("base", "0023_mark_counted_lease"),
    ("record", "0057_create_peer_record"),
    ("operations", "0076_create_bulk_record"),
    ("identity", "0151_keep_calendar_feed"),
    ("fields", "0120_number_slot_assignments"),
    ("records", "0202_drop_dry_run"),
    ("pipeline", "0141_create_analyze_deals"),
    ("activities", "0205_tell_links_of_creations"),
    ("notifications", "0100_create_journal"),
];

/// Rules about tables with rows in them.
const OF_ROWS: [&str; 4] = [
    "require-concurrent-index-creation",
    "require-concurrent-index-deletion",
    "constraint-missing-not-valid",
    "adding-field-with-default",
];

/// Rules about what a contract is there for; `ddl::breaches` asks when it may.
const OF_CONTRACTS: [&str; 4] =
    ["ban-drop-table", "ban-drop-column", "ban-drop-constraint", "ban-drop-not-null"];

/// Rules that are off, each with its reason.
const OFF: [(&str, &str); 2] = [
    (
        "prefer-bigint-over-int",
        "ids are UUIDs and sequences bigint: an integer is a count of days, minutes or tries, bounded by its CHECK or by code",
    ),
    ("prefer-bigint-over-smallint", "a smallint is one of a few numbers: a lane, a partition"),
];

/// One migration's way up.
#[derive(Debug)]
struct File {
    /// `records/0100_create_contacts`
    folder: String,
    name: String,
    text: String,
}

/// All of them, by folder and number.
fn files(root: &Path) -> Result<Vec<File>> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(root.join("migrations"))? {
        let folder = folder?;
        for file in std::fs::read_dir(folder.path())? {
            let file = file?;
            let name = file.file_name().to_string_lossy().into_owned();
            if let Some(name) = name.strip_suffix(".up.sql") {
                let text = std::fs::read_to_string(file.path())?;
                let folder = folder.file_name().to_string_lossy().into_owned();
                found.push(File { folder, name: name.to_owned(), text });
            }
        }
    }
    found.sort_by(|a, b| (&a.folder, &a.name).cmp(&(&b.folder, &b.name)));
    Ok(found)
}

/// A finding of squawk's. Its lines are those of the file, from 0.
#[derive(Deserialize, Debug)]
struct Finding {
    file: String,
    line: usize,
    message: String,
    rule_name: String,
}

/// Step of `check`: no finding but those that a file, or a list above, gives a reason for; and no reason without a finding.
pub(crate) fn lint(progress: &Progress) -> Result<()> {
    let root = crate::root();
    let wrong =
        judged(&files(&root)?, |paths, in_transaction| ask(&squawk(progress)?, paths, in_transaction))?;
    if !wrong.is_empty() {
        bail!("{} finding(s):\n{}", wrong.len(), wrong.join("\n"));
    }
    Ok(())
}

/// What is wrong, a line each.
fn judged(files: &[File], ask: impl Fn(&[PathBuf], bool) -> Result<Vec<Finding>>) -> Result<Vec<String>> {
    let place = crate::root().join(format!("target/tmp/squawk-{}", std::process::id()));
    let mut by_path = BTreeMap::new();
    for file in files {
        let path = place.join(&file.folder).join(format!("{}.up.sql", file.name));
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        // What the migrator sets for each file, on the first line, so that every line keeps its number.
        let limits = "SET lock_timeout = '2s'; SET statement_timeout = '10min'; ";
        std::fs::write(&path, format!("{limits}{}", file.text.replace("{{schema}}", SCHEMA)))?;
        let header = Header::of(&file.text).with_context(|| format!("{}/{}", file.folder, file.name))?;
        by_path.insert(path, (file, header));
    }
    let mut found = Vec::new();
    for in_transaction in [true, false] {
        let paths: Vec<PathBuf> = by_path
            .iter()
            .filter(|(_, (_, header))| header.is_alone != in_transaction)
            .map(|(path, _)| path.clone())
            .collect();
        if !paths.is_empty() {
            found.extend(ask(&paths, in_transaction)?);
        }
    }
    std::fs::remove_dir_all(&place)?;
    let mut wrong = Vec::new();
    for (path, (file, header)) in &by_path {
        let of_file = || found.iter().filter(|finding| Path::new(&finding.file) == path);
        for finding in of_file().filter(|finding| !is_meant(finding, file, header)) {
            let (folder, name, line) = (&file.folder, &file.name, finding.line + 1);
            wrong.push(format!(
                "migrations/{folder}/{name}.up.sql:{line}: {}: {}",
                finding.rule_name, finding.message
            ));
        }
        let stale =
            header.allowed.iter().filter(|(rule, _)| !of_file().any(|finding| finding.rule_name == *rule));
        wrong.extend(stale.map(|(rule, _)| {
            format!("migrations/{}/{}.up.sql: allows {rule}, which finds nothing", file.folder, file.name)
        }));
    }
    Ok(wrong)
}

fn is_meant(finding: &Finding, file: &File, header: &Header<'_>) -> bool {
    let rule = finding.rule_name.as_str();
    let on_empty_tables = is_before_the_first_release(file) && OF_ROWS.contains(&rule);
    let of_contract = header.phase == Phase::Contract && OF_CONTRACTS.contains(&rule);
    on_empty_tables
        || of_contract
        || OFF.iter().any(|(off, _)| *off == rule)
        || header.allowed.iter().any(|(allowed, _)| *allowed == rule)
}

fn is_before_the_first_release(file: &File) -> bool {
    let last = BEFORE_THE_FIRST_RELEASE.iter().find(|(folder, _)| *folder == file.folder);
    last.is_some_and(|(_, last)| file.name.as_str() <= *last)
}

fn ask(program: &Path, paths: &[PathBuf], in_transaction: bool) -> Result<Vec<Finding>> {
    let mut command = Command::new(program);
    command.args(["--pg-version", "15", "--reporter", "json"]);
    if in_transaction {
        command.arg("--assume-in-transaction");
    }
    // Not one that is above this tree.
    command.args(["--config", "/dev/null"]).args(paths).stdin(Stdio::null());
    let output = command.output().with_context(|| program.display().to_string())?;
    // It exits with 1 when it has findings.
    serde_json::from_slice(&output.stdout).with_context(|| {
        format!("squawk {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim())
    })
}

/// The program, installed below target/tools where it is missing. The path is not asked: another version has other rules.
fn squawk(progress: &Progress) -> Result<PathBuf> {
    let tools = crate::root().join("target/tools");
    let place = tools.join(SQUAWK.replace("==", "-"));
    let program = place.join("bin/squawk");
    if program.exists() {
        return Ok(program);
    }
    progress.say(format!("installing {SQUAWK} below target/tools (once)"));
    let python = on_path("python3").context("squawk needs python3 with pip (Debian: python3-pip)")?;
    let new = tools.join(format!("squawk-{}", std::process::id()));
    std::fs::create_dir_all(&new)?;
    let requirements = new.join("requirements.txt");
    let hashes = HASHES.map(|hash| format!(" --hash=sha256:{hash}")).concat();
    std::fs::write(&requirements, format!("{SQUAWK}{hashes}\n"))?;
    let mut install = Command::new(python);
    install.args([
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--no-compile",
    ]);
    install
        .args(["--only-binary", ":all:", "--require-hashes", "--target"])
        .arg(&new)
        .arg("-r")
        .arg(&requirements);
    run_command(install, progress)?;
    std::fs::rename(&new, &place)?;
    Ok(program)
}

#[cfg(test)]
mod tests {
    use ddl::Release;

    use super::*;

    #[test]
    fn every_migration_keeps_to_its_phase() {
        let files = files(&crate::root()).unwrap();
        assert!(files.len() > 80, "only {} migrations were found", files.len());
        let wrong: Vec<String> = files.iter().flat_map(phase_broken).collect();
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    /// How a file breaks the rules of its phase.
    fn phase_broken(file: &File) -> Vec<String> {
        let File { folder, name, text } = file;
        let place = format!("migrations/{folder}/{name}.up.sql");
        let found = ddl::breaches(text, Release::current());
        let mut wrong: Vec<String> =
            found.iter().map(|breach| format!("{place}:{}: {}", breach.line, breach.what)).collect();
        let never = Release::parse("0.0");
        if Header::of(text).is_ok_and(|header| header.after == never) && !is_before_the_first_release(file) {
            wrong.push(format!("{place}:1: `-- after: 0.0` is for what no release has used, so for files before the first release"));
        }
        wrong
    }

    #[test]
    fn what_a_release_may_have_used_names_the_release_that_does_without() {
        let contract = "-- phase: contract\n-- after: 0.0";
        assert_eq!(phase_broken(&file("records", "0202_drop_dry_run", contract)), [""; 0]);
        let found = phase_broken(&file("records", "9000_drop_x", contract));
        assert!(found.len() == 1 && found[0].contains("no release has used"), "{found:?}");
        assert_eq!(phase_broken(&file("newcomer", "0100_drop_x", contract)).len(), 1);
    }

    #[test]
    fn the_migrations_before_the_first_release_are_files() {
        let files = files(&crate::root()).unwrap();
        for (folder, last) in BEFORE_THE_FIRST_RELEASE {
            assert!(files.iter().any(|file| file.folder == folder && file.name == last), "{folder}/{last}");
        }
    }

    fn file(folder: &str, name: &str, header: &str) -> File {
        File {
            folder: folder.to_owned(),
            name: name.to_owned(),
            text: format!("{header}\nDROP TABLE records.x;\n"),
        }
    }

    /// As if the linter had found this in every file.
    fn with(rule: &'static str, file: &File) -> Vec<String> {
        let found = |paths: &[PathBuf], _: bool| {
            let one = |path: &PathBuf| Finding {
                file: path.display().to_string(),
                line: 1,
                message: "dangerous".to_owned(),
                rule_name: rule.to_owned(),
            };
            Ok(paths.iter().map(one).collect())
        };
        judged(std::slice::from_ref(file), found).unwrap()
    }

    #[test]
    fn a_finding_counts_unless_there_is_a_reason_and_a_reason_needs_a_finding() {
        let (new, old) = ("9000_drop_x", "0100_create_contacts");
        let index = "require-concurrent-index-creation";
        let expand = "-- phase: expand";
        let found = with(index, &file("records", new, expand));
        assert_eq!(
            found,
            ["migrations/records/9000_drop_x.up.sql:2: require-concurrent-index-creation: dangerous"]
        );
        assert_eq!(with(index, &file("records", old, expand)), [""; 0]);
        assert_eq!(with("ban-drop-table", &file("records", old, expand)).len(), 1);
        assert_eq!(with(index, &file("newcomer", old, expand)).len(), 1);
        assert_eq!(
            with("ban-drop-table", &file("records", new, "-- phase: contract\n-- after: 0.0")),
            [""; 0]
        );
        let allowed = format!("-- phase: expand\n-- allow: {index}: the table has ten rows");
        assert_eq!(with(index, &file("records", new, &allowed)), [""; 0]);
        let found = with("prefer-bigint-over-int", &file("records", new, &allowed));
        assert!(found.len() == 1 && found[0].contains("which finds nothing"), "{found:?}");
    }
}
