//! `If-Match`: the versions on which a conditional write may work (RFC 9110, 13.1.1; ADR 0010).

use std::fmt;

use error::{Error, Reason};

/// Most tags of one condition.
const MOST_TAGS: usize = 32;
/// What caches and proxies append to the tag of an answer that they have compressed.
const CODINGS: [&str; 4] = ["gzip", "br", "zstd", "deflate"];

/// The condition of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// One of these versions; in order, at least one.
    Versions(Vec<i64>),
    /// Any version, as long as the record exists.
    Any,
}

impl IfMatch {
    /// Reads `*`, or a list of entity tags as answers gave them, strong or weak. Errors: 400 `IF_MATCH_MALFORMED`.
    pub fn read(text: &str) -> Result<Self, Error> {
        let malformed = || {
            let text = "If-Match must be * or ETags as they were given, like \"3\" or \"3\", W/\"4\"";
            Error::malformed(Reason::IF_MATCH_MALFORMED, text)
        };
        let blank = [' ', '\t'];
        if text.trim_matches(blank) == "*" {
            return Ok(Self::Any);
        }
        // Members of a list may be empty (RFC 9110, 5.6.1), but not all of them.
        let tags = text.split(',').map(|tag| tag.trim_matches(blank)).filter(|tag| !tag.is_empty());
        let mut versions = tags.map(version_of).collect::<Option<Vec<i64>>>().ok_or_else(malformed)?;
        versions.sort_unstable();
        versions.dedup();
        if versions.is_empty() || versions.len() > MOST_TAGS {
            return Err(malformed());
        }
        Ok(Self::Versions(versions))
    }
}

/// The tags of writes, as [`IfMatch::read`] takes them.
impl fmt::Display for IfMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("*"),
            Self::Versions(versions) => {
                let tags: Vec<String> = versions.iter().map(|version| format!("\"{version}\"")).collect();
                f.write_str(&tags.join(", "))
            }
        }
    }
}

/// The version that the entity tag of a record names: that of a write, `"3"`, or of a read, `W/"3-17-5f3a91c20b7e4d68"`, made weak or strong by
/// whoever stands between.
pub fn version_of(tag: &str) -> Option<i64> {
    let tag = tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')?;
    let mut parts = uncoded(tag).split('-');
    let version = parts.next()?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hexadecimal = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let whole = match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => true,
        (Some(permissions), Some(view), None) => digits(permissions) && hexadecimal(view),
        _ => false,
    };
    version.parse().ok().filter(|number| *number > 0 && whole && digits(version))
}

/// A tag without the coding that a cache has appended to it: `3-gzip`, `3--gzip` and `3;gzip` are `3`.
pub fn uncoded(tag: &str) -> &str {
    let front = CODINGS.iter().find_map(|coding| tag.strip_suffix(coding));
    front.and_then(|tag| ["--", "-", ";"].iter().find_map(|dash| tag.strip_suffix(dash))).unwrap_or(tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(of: &[i64]) -> IfMatch {
        IfMatch::Versions(of.to_vec())
    }

    #[test]
    fn tags_of_versions_are_taken_weak_ones_and_lists_too() {
        for (given, wanted) in [
            ("*", IfMatch::Any),
            (" * ", IfMatch::Any),
            ("\"3\"", versions(&[3])),
            ("W/\"3\"", versions(&[3])),
            ("\"4\", \"3\"", versions(&[3, 4])),
            ("W/\"4\",\"3\" ,\tW/\"3\"", versions(&[3, 4])),
            (", \"3\",, ", versions(&[3])),
            ("W/\"3-17-0123456789abcdef\", \"12\"", versions(&[3, 12])),
            ("\"3-17-0123456789abcdef\"", versions(&[3])),
            ("\"3-gzip\", W/\"4--br\", \"5;gzip\", W/\"6-1-0123456789abcdef-gzip\"", versions(&[3, 4, 5, 6])),
        ] {
            let read = IfMatch::read(given).unwrap();
            assert_eq!(read, wanted, "{given}");
            assert_eq!(IfMatch::read(&read.to_string()).unwrap(), wanted, "{read}");
        }
    }

    #[test]
    fn what_names_no_version_is_refused() {
        let many: Vec<String> = (1..=33).map(|n| format!("\"{n}\"")).collect();
        for bad in [
            "",
            "3",
            "w/\"3\"",
            "W/3",
            "W/ \"3\"",
            "\"\"",
            "\"-1\"",
            "\"+1\"",
            "\"0\"",
            "\"x\"",
            "\"3",
            "\"3\" \"4\"",
            "\"3\", x",
            "\"3\", *",
            "\"3, 4\"",
            "\"99999999999999999999\"",
            "\"3-17\"",
            "\"-17-0123456789abcdef\"",
            "\"3-17-x\"",
            "\"3-x-0123456789abcdef\"",
            "\"3-17-0123456789abcdef-1\"",
            "\"gzip\"",
            "\"-gzip\"",
            "\"3gzip\"",
            ",",
            &many.join(","),
        ] {
            assert_eq!(IfMatch::read(bad).unwrap_err().reason(), "IF_MATCH_MALFORMED", "{bad}");
        }
    }
}
