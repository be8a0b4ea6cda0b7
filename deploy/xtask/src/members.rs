//! The fleet's list and the workspace agree: whoever adds a service and forgets a part of it is told which.

use std::collections::BTreeSet;

use fleet::{FLEET, Member};

/// Folders below `dir` of the workspace, but for `other`.
fn folders(dir: &str, other: &[&str]) -> BTreeSet<String> {
    let entries = std::fs::read_dir(crate::root().join(dir)).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.path().is_dir());
    let names = folders.map(|entry| entry.file_name().into_string().unwrap());
    names.filter(|name| !other.contains(&name.as_str())).collect()
}

/// The names of those in the list that `pick` says yes to.
fn listed(pick: impl Fn(&Member) -> bool) -> BTreeSet<String> {
    FLEET.iter().filter(|member| pick(member)).map(|member| member.names.name.to_owned()).collect()
}

fn text(file: &str) -> String {
    std::fs::read_to_string(crate::root().join(file)).unwrap()
}

#[test]
fn every_member_has_its_folder_and_every_folder_its_member() {
    assert_eq!(folders("services", &["globcrm"]), listed(|_| true));
}

#[test]
fn every_schema_has_its_migrations_and_its_suite() {
    let schemas = listed(|member| member.has_schema);
    assert_eq!(folders("migrations", &["base", "record", "operations", "seal"]), schemas);
    let suites = folders("tests", &[]);
    assert!(schemas.is_subset(&suites), "{schemas:?} are not all among {suites:?}");
}

#[test]
fn every_service_has_its_rows_and_its_dropped_calls() {
    for name in listed(|member| member.service.is_some()) {
        let matrix =
            [format!("tests/isolation/matrix/{name}.rs"), format!("tests/isolation/matrix/{name}/mod.rs")];
        assert!(matrix.iter().any(|file| crate::root().join(file).exists()), "{name} has no {}", matrix[0]);
        let dropped = format!("tests/cancellation/{name}.rs");
        assert!(crate::root().join(&dropped).exists(), "{name} has no {dropped}");
    }
}

#[test]
fn every_package_that_is_served_is_of_a_member() {
    let other = ["common", "events"];
    assert_eq!(folders("proto/globcrm", &other), listed(|member| member.service.is_some()));
}

#[test]
fn the_documents_name_every_member() {
    let (readme, architecture) = (text("README.md"), text("docs/architecture.md"));
    for name in listed(|_| true) {
        for part in [format!("| [services/{name}](services/{name}) |"), format!("`globcrm {name}`")] {
            let one_line = readme.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(one_line.contains(&part), "README.md has no {part}");
        }
        let houses = architecture.lines().find(|line| line.starts_with("services/ ")).unwrap();
        assert!(houses.contains(&name), "docs/architecture.md: the house has no {name}");
    }
}

/// `records -> fields, identity`: the callees nearest first, and all of them for whoever calls every service.
fn calls(member: &Member) -> String {
    let serve = FLEET.iter().filter(|member| member.service.is_some()).count();
    let mut called: Vec<&str> = member.calls.iter().rev().map(|role| role.name()).collect();
    if called.len() == serve {
        called = vec!["all"];
    }
    format!("{} -> {}", member.names.name, called.join(", "))
}

#[test]
fn the_architecture_says_who_calls_whom_as_the_list_does() {
    let architecture = text("docs/architecture.md");
    let callers = FLEET.iter().rev().filter(|member| member.proves_itself());
    let line = format!("**Who calls whom.** {}.", callers.map(calls).collect::<Vec<_>>().join("; "));
    assert!(architecture.contains(&line), "docs/architecture.md has no line {line}");
}
