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

/// What a log line may show by `Display` or `Debug`, by the last name of its path: none of them is an error. Another one is added here by
/// whoever has made sure of that.
const SHOWN: [&str; 18] = [
    "address",
    "event_id",
    "first",
    "format",
    "id",
    "kind",
    "kinds",
    "method",
    "objects",
    "operation_id",
    "pause",
    "peer",
    "pipeline_id",
    "record_id",
    "request_id",
    "tenant",
    "tenant_id",
    "url",
];

/// The same at one place: names that are an error's elsewhere.
const SHOWN_THERE: [(&str, &str); 3] = [
    // Whether a call failed before or after it was seen; the error is next to it.
    ("libs/rpc/src/channel.rs", "failure"),
    // Of `tracing_opentelemetry`, without causes.
    ("libs/events/src/trace.rs", "reason"),
    // A chain that was made where the error was.
    ("services/gateway/src/limits/mod.rs", "failed"),
];

/// The arguments of the macros that write a log line or make a span.
fn lines(code: &str) -> Vec<&str> {
    let macros = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "event!(", "_span!("];
    let starts = macros.iter().flat_map(|name| code.match_indices(name).map(move |(at, _)| at + name.len()));
    starts
        .map(|from| {
            let mut depth = 1;
            let end = code[from..].find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            &code[from..end.map_or(code.len(), |end| from + end)]
        })
        .collect()
}

/// What a log line says of an error without its causes.
fn bare(line: &str) -> Vec<&str> {
    let is_path = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':');
    let ends = |c: char| matches!(c, ',' | '\n') || c.is_whitespace();
    // `%value` and `?value`, not the `?` behind a call.
    let shown = line.match_indices(['%', '?']).filter_map(|(at, _)| {
        let begins = line[..at].chars().next_back().is_none_or(|c| c.is_whitespace() || c == '=');
        let value = line[at + 1..].split(|c| !is_path(c)).next().unwrap_or_default();
        let last = value.rsplit(['.', ':']).next().unwrap_or_default();
        (begins && !value.is_empty() && value != "error::chain" && value != "chain" && !SHOWN.contains(&last))
            .then_some(value)
    });
    // A field that is an error's by its name, whatever is done to it before.
    let named = ["error = ", "error.cause = "].into_iter().flat_map(|field| {
        line.match_indices(field).filter_map(move |(at, _)| {
            let value = &line[at + field.len()..];
            let kept = value.starts_with("%error::chain(")
                || value.starts_with("%chain(")
                || value.starts_with("&error as &dyn");
            (!kept).then(|| value.split(ends).next().unwrap_or_default())
        })
    });
    // `{error}` in the message.
    let message = line.match_indices("{e").map(|(at, _)| line[at..].split('}').next().unwrap_or_default());
    shown.chain(named).chain(message).collect()
}

#[test]
fn an_error_in_a_log_line_has_its_causes() {
    let (mut seen, mut found) = (0, Vec::new());
    for (name, code) in codes() {
        for line in lines(&code) {
            seen += 1;
            let lost = bare(line).into_iter().filter(|value| !SHOWN_THERE.contains(&(name.as_str(), value)));
            found.extend(lost.map(|value| format!("{name}: {value}")));
        }
    }
    assert!(seen > 100, "only {seen} log lines were found in the sources");
    assert!(
        found.is_empty(),
        "log `error = %error::chain(&error)`; what is no error is added to `SHOWN`: {found:#?}"
    );
}

#[test]
fn every_way_to_lose_causes_is_found() {
    let lost = [
        "%error, \"x\"",
        "job,\n    %error\n",
        "?e",
        "why = %source, \"x\"",
        "error = error.to_string(), \"x\"",
        "error = %self.last.error, \"x\"",
        "\"not sent: {error}\"",
    ];
    for line in lost {
        let code = format!("tracing::warn!({line});");
        assert_eq!(lines(&code), [line]);
        assert!(!bare(line).is_empty(), "{line}");
    }
    for line in
        ["error = %error::chain(&error), ?pause, \"x?\"", "tenant_id = %tx.tenant_id(), \"100 % of it\""]
    {
        assert!(bare(line).is_empty(), "{line}: {:?}", bare(line));
    }
}
