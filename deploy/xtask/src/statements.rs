//! Every statement names the tenant of every table that it touches (pitfall 1.1). Row-level security would hide a condition
//! that is missing; this reads the text.

use std::path::{Path, PathBuf};

use fleet::Role;

/// Files with statements that look across tenants, and how many: each a worker's, or the way to a tenant.
const ACROSS: [(&str, usize); 15] = [
    // What is due, as the worker role.
    ("libs/events/src/consumer/store.rs", 1),
    // What waits, as the worker role, for metrics.
    ("libs/events/src/metrics/store.rs", 3),
    // The outbox, as the worker role.
    ("libs/events/src/relay/store.rs", 7),
    // What is too old, as the worker role, whose policies know the ages.
    ("libs/events/src/retention/store.rs", 3),
    // The claim of work, the kinds that nobody works and what waits, as the worker role, and what is due.
    ("libs/operations/src/claim/store.rs", 3),
    ("libs/operations/src/purge/store.rs", 1),
    // What is due, as the worker role.
    ("libs/record/src/derived/store.rs", 1),
    ("libs/record/src/peer_records/store.rs", 2),
    ("libs/record/src/purge/store.rs", 1),
    // Whose keys are sealed by an earlier one, as the worker role.
    ("libs/seal/src/store.rs", 1),
    // The beginning of statements whose conditions stand where they are used.
    ("services/fields/src/fields/store.rs", 1),
    // From a slug to a tenant, and from tenant to tenant.
    ("services/identity/src/directory/store.rs", 2),
    // What is due, as the worker role.
    ("services/activities/src/activities/store.rs", 1),
    ("services/pipeline/src/deals/store.rs", 1),
    ("services/records/src/uploads/purge/store.rs", 1),
];

/// Tables that several schemas have, which statements name without one.
const BASE: [&str; 18] = [
    "authz_fence",
    "change",
    "custom_unique",
    "dead_event",
    "definitions_fence",
    "derived_check",
    "external_id",
    "idempotency",
    "inbox",
    "inbox_retry",
    "operation",
    "operation_error",
    "operation_turn",
    "outbox",
    "peer_record",
    "purge_due",
    "record_tag",
    "tenant_key",
];

/// The Rust sources below a directory, without those of tests and generated ones.
pub(crate) fn sources(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let path = entry.path();
        let name = entry.file_name().into_string().unwrap();
        if path.is_dir() && name != "generated" && name != "tests" {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") && !name.ends_with("tests.rs") {
            found.push(path);
        }
    }
}

/// The string literals of a source, comments and tests left out.
fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("'\"'", "' '").replace("\\\"", "");
    code.split('"')
        .skip(1)
        .step_by(2)
        .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn is_statement(text: &str) -> bool {
    ["SELECT ", "INSERT INTO ", "UPDATE ", "DELETE FROM ", "WITH "].iter().any(|verb| text.starts_with(verb))
}

/// Whether this is the name of a table with its schema.
fn in_a_schema(word: &str) -> bool {
    let schema = word.split_once('.').map(|(schema, _)| schema);
    schema.and_then(Role::named).is_some_and(|role| role.member().has_schema)
}

/// Places of tables, less the conditions that tie one to the tenant.
fn untied(statement: &str) -> usize {
    let words: Vec<&str> =
        statement.split([' ', '(', ')', ',', ';']).filter(|word| !word.is_empty()).collect();
    let is_table = |word: &str| BASE.contains(&word) || in_a_schema(word);
    let before = ["FROM", "JOIN", "UPDATE", "INTO", "USING"];
    let tables = words.windows(2).filter(|pair| before.contains(&pair[0]) && is_table(pair[1])).count();
    let equal = statement.match_indices("tenant_id = ").filter(|(at, text)| {
        let other = statement[at + text.len()..].split([' ', ')']).next().unwrap_or_default();
        other == "$1" || other.ends_with(".tenant_id")
    });
    let ways = ["VALUES ($1", "VALUES ($2, $1", "SELECT $1,", "WHERE (tenant_id, "];
    let other: usize = ways.iter().map(|way| statement.matches(way).count()).sum();
    tables.saturating_sub(equal.count() + other)
}

#[test]
fn every_statement_names_the_tenant_of_its_tables() {
    let root = crate::root();
    let mut files = Vec::new();
    sources(&root.join("libs"), &mut files);
    sources(&root.join("services"), &mut files);
    let (mut seen, mut wrong) = (0, Vec::new());
    for path in files {
        let name = path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
        let literals = literals(&std::fs::read_to_string(&path).unwrap());
        let statements: Vec<&String> = literals.iter().filter(|text| is_statement(text)).collect();
        seen += statements.len();
        let untied: Vec<&&String> = statements.iter().filter(|text| untied(text) > 0).collect();
        let allowed = ACROSS.iter().find(|(file, _)| *file == name).map_or(0, |(_, count)| *count);
        if untied.len() != allowed {
            wrong.push(format!("{name}: {} instead of {allowed}: {untied:#?}", untied.len()));
        }
    }
    assert!(seen > 100, "only {seen} statements were found");
    assert!(wrong.is_empty(), "statements without a tenant:\n{}", wrong.join("\n"));
}

#[test]
fn statements_that_are_built_of_fields_name_the_tenant_of_their_tables() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for entry in std::fs::read_dir(crate::root().join("tests/golden/statements")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for statement in text.split(";\n").filter(|statement| !statement.trim().is_empty()) {
            let sql: Vec<&str> = statement.lines().filter(|line| !line.starts_with("--")).collect();
            let sql = sql.join(" ").split_whitespace().collect::<Vec<_>>().join(" ");
            seen += 1;
            if untied(&sql) > 0 {
                wrong.push(sql);
            }
        }
    }
    assert!(seen >= 12, "only {seen} statements were found");
    assert!(wrong.is_empty(), "statements without a tenant:\n{}", wrong.join("\n"));
}

#[test]
fn a_table_without_its_tenant_is_noticed() {
    let tied = "SELECT 1 FROM records.a AS a JOIN records.b AS b ON b.tenant_id = $1 WHERE a.tenant_id = $1";
    assert_eq!(untied(tied), 0);
    assert_eq!(untied(&tied.replacen("b.tenant_id = $1", "b.id = a.id", 1)), 1);
    assert_eq!(untied("DELETE FROM idempotency WHERE key = $1"), 1);
    assert_eq!(untied("UPDATE records.a SET x = $2 WHERE tenant_id = $10"), 1);
}
