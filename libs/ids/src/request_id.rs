//! The id of a request, as clients may choose it.

/// Most characters of a request's id.
pub const MOST_REQUEST_ID: usize = 128;

/// The text, if it can be a request's id: 1 to 128 letters and digits of ASCII, `.`, `_`, `:` and `-`. Whatever else a client sends stays out
/// of answers, log lines and the audit log.
pub fn request_id(text: &str) -> Option<&str> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._:-".contains(&b);
    ((1..=MOST_REQUEST_ID).contains(&text.len()) && text.bytes().all(fits)).then_some(text)
}
