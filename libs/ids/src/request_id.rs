//! The id of a request, as clients may choose it.

/// Most characters of a request's id.
pub const MOST_REQUEST_ID: usize = 128;

/// The text, if it can be a request's id: 1 to 128 letters and digits of ASCII, `.`, `_`, `:` and `-`. Whatever else a client sends stays out
/// of answers, log lines and the audit log.
pub fn request_id(text: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    ((1..=MOST_REQUEST_ID).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_other_systems_are_taken_and_nothing_that_could_be_more_than_an_id() {
        let longest = "a".repeat(MOST_REQUEST_ID);
        for good in [
            "1",
            "01890a5d-ac96-774b-bcce-b302099a8057",
            "01890A5D-AC96-774B-BCCE-B302099A8057",
            "Root=1-67891233-abcdef012345678912345678".replace('=', ":").as_str(),
            "req_7Hk2.9f:3",
            longest.as_str(),
        ] {
            assert_eq!(request_id(good), Some(good));
        }
        let long = "a".repeat(MOST_REQUEST_ID + 1);
        for bad in [
            "",
            " ",
            "a b",
            "a\n",
            "a\"",
            "a=b",
            "a/b",
            "a,b",
            "ä",
            "\u{661}",
            "a\0",
            "<a>",
            "{a}",
            long.as_str(),
        ] {
            assert_eq!(request_id(bad), None, "{bad:?}");
        }
    }
}
