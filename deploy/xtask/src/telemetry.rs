//! What sources tell operators: every metric is in the list of docs/metrics.md or of libs/events, and an error in a log line has its causes.

use std::collections::BTreeSet;

use crate::raised::codes;

const PREFIXES: [&str; 5] = ["globcrm.", "db.client.", "http.server.", "rpc.server.", "rpc.client."];

/// The names in quotes (`"` in sources, a backtick in documents) that look like a metric's.
fn names(text: &str, quote: char) -> BTreeSet<&str> {
    let mut found = BTreeSet::new();
    let mut before = "";
    for part in text.split(quote) {
        let is_name = part.chars().all(|c| matches!(c, 'a'..='z' | '_' | '.'))
            && part.matches('.').count() > 1
            && PREFIXES.iter().any(|prefix| part.starts_with(prefix));
        // Not the name of a label.
        if is_name && !before.ends_with("KeyValue::new(") {
            found.insert(part);
        }
        before = part;
    }
    found
}

#[test]
fn the_metrics_of_the_sources_are_those_of_the_lists() {
    let codes = codes();
    let metered = codes.iter().filter(|(_, code)| code.contains("opentelemetry::"));
    let made: BTreeSet<&str> = metered.flat_map(|(_, code)| names(code, '"')).collect();
    let root = crate::root();
    let lists = ["docs/metrics.md", "libs/events/README.md"]
        .map(|path| std::fs::read_to_string(root.join(path)).unwrap());
    // A row begins with the name.
    let rows: Vec<&str> = lists
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .collect();
    let listed: BTreeSet<&str> = rows.iter().flat_map(|row| names(row, '`')).collect();
    assert!(made.len() > 25, "only {} metrics were found in the sources", made.len());
    let differing: Vec<_> = made.symmetric_difference(&listed).collect();
    assert!(differing.is_empty(), "in the sources or in the lists only: {differing:?}");
}

#[test]
fn an_error_in_a_log_line_has_its_causes() {
    let bare = ["%error,", "%error)", "?error", "%failure", "= %e,"];
    let mut found = Vec::new();
    for (name, code) in codes() {
        let lines = code.lines().filter(|line| bare.iter().any(|bare| line.contains(bare)));
        found.extend(lines.map(|line| format!("{name}: {}", line.trim())));
    }
    assert!(found.is_empty(), "log `error = %error::chain(&error)`: {found:#?}");
}
