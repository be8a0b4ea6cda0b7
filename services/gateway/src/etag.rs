//! Entity tags: what a write names, and what a read gives.
//!
//! A write works on a record: its tag is the version, `"3"`. What a read answers depends on more than the record: on what the
//! caller may see by now, on who it is, and on the query. So its tag is weak and names those too, `W/"3-17-5f3a…"`: version,
//! permission version, and a hash of caller and query. `If-Match` takes both forms and compares the version.

use axum::http::{HeaderMap, header};
use uuid::Uuid;

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

/// Whether the client holds what this tag names (RFC 9110, 13.1.2; weak comparison).
pub(crate) fn is_held(headers: &HeaderMap, tag: &str) -> bool {
    let bare = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    let wanted = bare(tag);
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|v| v.to_str().ok())
        .flat_map(|held| held.split(','))
        .any(|held| held.trim() == "*" || bare(held) == wanted)
}

/// `If-Match` as services take it: a read's tag becomes that of the version it names, everything else stays.
pub(crate) fn condition(given: &str) -> String {
    let version = given
        .strip_prefix("W/")
        .unwrap_or(given)
        .strip_prefix('"')
        .and_then(|tag| tag.strip_suffix('"'))
        .and_then(|tag| {
            let mut parts = tag.split('-');
            let (version, permissions, hash) = (parts.next()?, parts.next()?, parts.next()?);
            let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let hexadecimal = hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
            (digits(version) && digits(permissions) && hexadecimal && parts.next().is_none())
                .then_some(version)
        });
    version.map_or_else(|| given.to_owned(), of_write)
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
    fn a_condition_may_be_the_tag_of_a_read() {
        let tag = of_read("3", "17", Uuid::nil(), "");
        assert_eq!(condition(&tag), "\"3\"");
        assert_eq!(condition(tag.trim_start_matches("W/")), "\"3\"");
        for kept in [
            "\"3\"",
            "*",
            "W/\"4\"",
            "4",
            "\"3-17\"",
            "\"-17-0123456789abcdef\"",
            "\"3-17-x\"",
            "\"3\", \"4\"",
        ] {
            assert_eq!(condition(kept), kept);
        }
    }
}
