//! Every listed reason is raised somewhere, and by its constant. That every raised reason is listed is the compiler's business: a
//! `Reason` can only come from the list (libs/reasons).

use std::collections::BTreeSet;
use std::path::PathBuf;

use reasons::Reason;

use crate::statements::sources;

/// Files that have words of the list as text: names of gRPC codes, and a REST client.
const AS_TEXT: [&str; 4] = [
    "libs/error/src/code.rs",
    "libs/host/src/grpc/call.rs",
    // A word of RFC 5545.
    "services/activities/src/calendar/entry.rs",
    "services/globcrm/src/demo.rs",
];

/// A source without its comments and tests.
fn code(source: &str) -> String {
    // A test module that is a file of its own ends nothing here.
    let begins =
        |(at, _): &(usize, &str)| source[*at..].lines().nth(1).is_some_and(|line| line.contains('{'));
    let end = source.match_indices("#[cfg(test)]\nmod ").find(begins).map_or(source.len(), |(at, _)| at);
    source[..end]
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .fold(String::new(), |code, line| code + line + "\n")
}

/// The words that stand behind `before` in a source.
fn words<'a>(code: &'a str, before: &str) -> BTreeSet<&'a str> {
    code.split(before)
        .skip(1)
        .map(|rest| {
            let end = rest.find(|c: char| !matches!(c, 'A'..='Z' | '0'..='9' | '_')).unwrap_or(rest.len());
            &rest[..end]
        })
        .filter(|word| word.len() > 1)
        .collect()
}

/// Name and code of every source that can raise a reason.
pub(crate) fn codes() -> Vec<(String, String)> {
    let root = crate::root();
    let mut files: Vec<PathBuf> = Vec::new();
    for dir in ["libs", "services"] {
        sources(&root.join(dir), &mut files);
    }
    let relative = |path: &PathBuf| path.strip_prefix(&root).unwrap().to_string_lossy().into_owned();
    files
        .iter()
        .map(|path| (relative(path), code(&std::fs::read_to_string(path).unwrap())))
        .filter(|(name, _)| !name.starts_with("libs/reasons/") && !name.starts_with("libs/testkit/"))
        .collect()
}

#[test]
fn every_listed_reason_is_raised() {
    let codes = codes();
    let raised: BTreeSet<&str> = codes.iter().flat_map(|(_, code)| words(code, "Reason::")).collect();
    assert!(raised.len() > 100, "only {} reasons were found in the sources", raised.len());
    let idle: Vec<Reason> = Reason::all().filter(|reason| !raised.contains(reason.as_str())).collect();
    assert!(idle.is_empty(), "listed, but raised by nothing; take them out of libs/reasons: {idle:?}");
}

#[test]
fn no_source_has_a_reason_as_text() {
    let mut found = Vec::new();
    for (name, code) in codes() {
        let texts = words(&code, "\"").into_iter().filter(|word| code.contains(&format!("\"{word}\"")));
        let listed: Vec<&str> = texts.filter(|word| Reason::find(word).is_some()).collect();
        if !listed.is_empty() && !AS_TEXT.contains(&name.as_str()) {
            found.push(format!("{name}: {listed:?}"));
        }
    }
    assert!(found.is_empty(), "use the constants of `Reason`:\n{}", found.join("\n"));
}

#[test]
fn words_are_read_whole_and_not_from_comments_or_tests() {
    let source = "#[cfg(test)]\nmod tests;\n// Reason::A_COMMENT\nlet x = f(Reason::TOO_LONG, Reason::TOO_LONG_BY_FAR);\n#[cfg(test)]\nmod tests { Reason::IN_A_TEST }";
    let code = code(source);
    assert_eq!(words(&code, "Reason::"), BTreeSet::from(["TOO_LONG", "TOO_LONG_BY_FAR"]));
}
