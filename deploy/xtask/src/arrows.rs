//! Who may depend on whom, checked over `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Libraries in the order of the arrows: each may use those before it.
const LIBS: [&str; 27] = [
    "reasons",
    "proto",
    "ids",
    "error",
    "config",
    "tls",
    "fleet",
    "cache",
    "egress",
    "field-types",
    "input",
    "auth",
    "transcode",
    "host",
    "ddl",
    "db",
    "seal",
    "query",
    "events",
    "rpc",
    "service",
    "record",
    "operations",
    "imports",
    "bulk",
    "blobs",
    "testkit",
];

const BINARY: &str = "globcrm";
const XTASK: &str = "globcrm-xtask";
const TESTS: &str = "globcrm-tests";
const TESTKIT: &str = "globcrm-testkit";

/// Words that name no thing.
const NO_NAMES: [&str; 6] = ["common", "util", "utils", "helper", "shared", "core"];

/// A crate of ours with its dependencies on other crates of ours.
#[derive(Clone, Debug, Default)]
struct Member {
    /// Directory below the root, such as `libs`.
    folder: String,
    /// Used by the crate itself or its build script.
    normal: BTreeSet<String>,
    /// Used by its tests only.
    dev: BTreeSet<String>,
}

type Members = BTreeMap<String, Member>;

fn lib_rank(package: &str) -> Option<usize> {
    LIBS.iter().position(|lib| package.strip_prefix("globcrm-") == Some(lib))
}

/// Every broken rule, in words.
fn violations(members: &Members) -> Vec<String> {
    let mut found = Vec::new();
    for (name, member) in members {
        let short = name.strip_prefix("globcrm-").unwrap_or(name);
        if short.split('-').any(|word| NO_NAMES.contains(&word)) {
            found.push(format!("{name}: a name that names nothing"));
        }
        if member.folder == "libs" && lib_rank(name).is_none() {
            found.push(format!("{name}: has no place in the order of libraries"));
        }
        for used in &member.normal {
            if used == TESTKIT && name != XTASK {
                found.push(format!("{name} -> {used}: testkit is for tests and xtask"));
            } else if !allowed(name, member, used, members) {
                found.push(format!("{name} -> {used}: against the arrows"));
            }
        }
        for used in member.dev.iter().filter(|used| *used != TESTKIT) {
            if !allowed(name, member, used, members) {
                found.push(format!("{name} -> {used} (dev): against the arrows"));
            }
        }
    }
    found
}

fn allowed(name: &str, member: &Member, used: &str, members: &Members) -> bool {
    match (lib_rank(name), lib_rank(used)) {
        (Some(user), Some(used)) => used < user,
        (Some(_), None) => false,
        (None, Some(_)) => true,
        // Only the binary wires services together; the tests may call one below its socket.
        (None, None) => {
            let wires = (member.folder == "services" && name == BINARY) || name == TESTS;
            wires && used != BINARY && members.get(used).is_some_and(|used| used.folder == "services")
        }
    }
}

fn metadata() -> Metadata {
    let manifest = crate::root().join("Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).other_options(["--locked".to_owned()]).exec().unwrap()
}

fn members(metadata: &Metadata) -> Members {
    let ours = metadata.workspace_packages();
    let names: BTreeSet<&str> = ours.iter().map(|package| package.name.as_str()).collect();
    let member = |package: &cargo_metadata::Package| {
        let relative = package.manifest_path.strip_prefix(&metadata.workspace_root).unwrap();
        let mut member =
            Member { folder: relative.components().next().unwrap().as_str().to_owned(), ..Member::default() };
        for used in package.dependencies.iter().filter(|used| names.contains(used.name.as_str())) {
            let set =
                if used.kind == DependencyKind::Development { &mut member.dev } else { &mut member.normal };
            set.insert(used.name.clone());
        }
        (package.name.as_str().to_owned(), member)
    };
    ours.iter().map(|package| member(package)).collect()
}

/// Names of everything `package` is built with at run time, directly or not.
fn normal_closure(metadata: &Metadata, package: &str) -> BTreeSet<String> {
    let nodes: BTreeMap<_, _> =
        metadata.resolve.as_ref().unwrap().nodes.iter().map(|node| (&node.id, node)).collect();
    let names: BTreeMap<_, _> =
        metadata.packages.iter().map(|package| (&package.id, package.name.as_str())).collect();
    let start = metadata.packages.iter().find(|found| found.name.as_str() == package).unwrap();
    let (mut seen, mut open) = (BTreeSet::new(), vec![&start.id]);
    while let Some(id) = open.pop() {
        if seen.insert(id) {
            let normal = |dep: &&cargo_metadata::NodeDep| {
                dep.dep_kinds.iter().any(|kind| kind.kind == DependencyKind::Normal)
            };
            open.extend(nodes[id].deps.iter().filter(normal).map(|dep| &dep.pkg));
        }
    }
    seen.into_iter().map(|id| names[id].to_owned()).collect()
}

#[test]
fn the_arrows_of_the_house_hold() {
    let members = members(&metadata());
    assert!(members.len() > LIBS.len());
    assert_eq!(violations(&members), Vec::<String>::new());
}

/// What counts texts as they are stored (field-types) has a JSON tree for other things, so only the transcoder's own use is looked at.
#[test]
fn the_transcoder_uses_no_json_tree_and_is_built_without_reflection() {
    let metadata = metadata();
    let transcode =
        metadata.workspace_packages().into_iter().find(|p| p.name == "globcrm-transcode").unwrap();
    let uses = |name: &str| {
        let normal = |used: &&cargo_metadata::Dependency| used.kind == DependencyKind::Normal;
        transcode.dependencies.iter().filter(normal).any(|used| used.name == name)
    };
    assert!(uses("prost"));
    assert!(!uses("serde_json"), "globcrm-transcode uses serde_json");
    let closure = normal_closure(&metadata, "globcrm-transcode");
    assert!(closure.contains("prost"), "the closure is empty or wrong: {closure:?}");
    assert!(!closure.contains("prost-reflect"), "globcrm-transcode needs prost-reflect");
}

/// A house that keeps every rule, with one dependency added.
fn house_with(user: &str, used: &str, dev: bool) -> Vec<String> {
    let mut members = Members::new();
    for lib in LIBS {
        members.insert(format!("globcrm-{lib}"), Member { folder: "libs".to_owned(), ..Member::default() });
    }
    for service in fleet::FLEET {
        let name = format!("globcrm-{}", service.names.name);
        members.insert(name, Member { folder: "services".to_owned(), ..Member::default() });
    }
    for (name, folder) in [(BINARY, "services"), (XTASK, "deploy"), (TESTS, "tests")] {
        members.insert(name.to_owned(), Member { folder: folder.to_owned(), ..Member::default() });
    }
    let member = members.get_mut(user).unwrap();
    let set = if dev { &mut member.dev } else { &mut member.normal };
    set.insert(used.to_owned());
    violations(&members)
}

#[test]
fn each_wrong_arrow_is_found_and_each_right_one_is_not() {
    for (user, used, dev) in [
        ("globcrm-records", "globcrm-fields", false),
        ("globcrm-records", "globcrm-fields", true),
        ("globcrm-records", BINARY, false),
        ("globcrm-ids", "globcrm-db", false),
        ("globcrm-db", "globcrm-records", false),
        ("globcrm-records", TESTKIT, false),
        (TESTS, BINARY, true),
        (XTASK, "globcrm-records", false),
    ] {
        assert_eq!(house_with(user, used, dev).len(), 1, "{user} -> {used}");
    }
    for (user, used, dev) in [
        ("globcrm-records", "globcrm-db", false),
        ("globcrm-db", "globcrm-ids", false),
        ("globcrm-db", TESTKIT, true),
        (BINARY, "globcrm-records", false),
        (XTASK, TESTKIT, false),
        (TESTS, TESTKIT, true),
        (TESTS, "globcrm-records", true),
    ] {
        assert_eq!(house_with(user, used, dev), Vec::<String>::new(), "{user} -> {used}");
    }
}

#[test]
fn a_crate_that_is_named_after_nothing_is_found() {
    let member = Member { folder: "services".to_owned(), ..Member::default() };
    let members = Members::from([("globcrm-test-utils".to_owned(), member)]);
    assert_eq!(violations(&members).len(), 1);
}
