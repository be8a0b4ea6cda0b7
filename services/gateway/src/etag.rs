//! Entity tags: what a write names, and what a read gives.
//!
//! A write works on a record: its tag is the version, `"3"`. What a read answers depends on more than the record: on what the
//! caller may see by now, on who it is, and on the query. So its tag is weak and names those too, `W/"3-17-5f3a…"`: version,
//! permission version, and a hash of caller and query. `If-Match` takes both forms and compares the version.

use auth::IfMatch;
use axum::http::{HeaderMap, header};
use error::Error;
use uuid::Uuid;

/// Longest `If-Match` that is looked at, in bytes.
const MOST_CONDITION: usize = 4_096;

/// The tag of a write's answer.
pub(crate) fn of_write(version: &str) -> String {
    format!("\"{version}\"")
}

/// The tag of a read's answer.
pub(crate) fn of_read(version: &str, permissions: &str, principal: Uuid, query: &str) -> String {
    // FNV-1a: it tells views apart and hides nothing.
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in principal.as_bytes().iter().chain(query.as_bytes()) {
        hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    }
    format!("W/\"{version}-{permissions}-{hash:016x}\"")
}

/// The tag of bytes, which their service has named.
pub(crate) fn of_bytes(name: &str) -> String {
    format!("\"{name}\"")
}

/// Whether the client holds what this tag names (RFC 9110, 13.1.2; weak comparison).
pub(crate) fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| auth::uncoded(tag.trim().trim_start_matches("W/").trim_matches('"')).to_owned();
    let wanted = bare(tag);
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|held| held.split(','))
        .any(|held| held.trim() == "*" || bare(held) == wanted)
}

/// `If-Match` as services take it: all its lines are one list (RFC 9110, 5.3), and of each tag the version remains. `None` without one.
/// Errors: 400 `IF_MATCH_MALFORMED`. Dropped silently it would turn a conditional write into an unconditional one.
pub(crate) fn condition(headers: &HeaderMap) -> Result<Option<String>, Error> {
    let lines: Vec<_> = headers.get_all(header::IF_MATCH).iter().map(|line| line.to_str()).collect();
    if lines.is_empty() {
        return Ok(None);
    }
    let lines: Result<Vec<&str>, _> = lines.into_iter().collect();
    // What cannot be read, or is longer than any condition, is no condition.
    let text = lines.map(|lines| lines.join(", ")).unwrap_or_default();
    let text = if text.len() > MOST_CONDITION { "" } else { &text };
    IfMatch::read(text).map(|condition| Some(condition.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_differ_by_all_that_their_answer_depends_on() {
        let (ann, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let tag = of_read("3", "17", ann, "");
        for other in [
            of_read("4", "17", ann, ""),
            of_read("3", "18", ann, ""),
            of_read("3", "17", bob, ""),
            of_read("3", "17", ann, "fields=id"),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, other.parse().unwrap());
            assert!(!is_held(&headers, &tag), "{other}");
            headers.append(header::IF_NONE_MATCH, format!("\"x\", {tag}").parse().unwrap());
            assert!(is_held(&headers, &tag), "a second line counts too");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, tag.trim_start_matches("W/").parse().unwrap());
        assert!(is_held(&headers, &tag));
    }

    #[test]
    fn a_condition_is_what_all_lines_say_by_their_versions() {
        let read = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(header::IF_MATCH, line.parse().unwrap());
            }
            condition(&headers).map_err(|error| error.reason().to_owned())
        };
        let tag = of_read("3", "17", Uuid::nil(), "");
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["*"]), Ok(Some("*".to_owned())));
        for (lines, wanted) in [
            (&[tag.as_str()][..], "\"3\""),
            (&[tag.trim_start_matches("W/")], "\"3\""),
            (&["\"4\"", "W/\"2\""], "\"2\", \"4\""),
        ] {
            assert_eq!(read(lines), Ok(Some(wanted.to_owned())), "{lines:?}");
        }
        let long = vec!["\"3\""; 2_000].join(",");
        for bad in [&[""][..], &["", ""], &["4"], &["\"4\"", "*"], &["\"4\"", "x"], &[long.as_str()]] {
            assert_eq!(read(bad), Err("IF_MATCH_MALFORMED".to_owned()), "{bad:?}");
        }
    }

    #[test]
    fn a_tag_that_a_cache_has_marked_is_still_held() {
        let tag = of_read("3", "17", Uuid::nil(), "");
        let bare = tag.trim_start_matches("W/").trim_matches('"');
        for held in [format!("\"{bare}-gzip\""), format!("W/\"{bare}--br\""), format!("\"{bare};gzip\"")] {
            let mut headers = HeaderMap::new();
            headers.insert(header::IF_NONE_MATCH, held.parse().unwrap());
            assert!(is_held(&headers, &tag), "{held}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::IF_NONE_MATCH, format!("\"{bare}-other\"").parse().unwrap());
        assert!(!is_held(&headers, &tag));
    }
}
