//! Percent-encoding (RFC 3986), in paths and in queries.

use std::borrow::Cow;

/// Decodes a path segment; `None` when it is no text: a broken escape or bytes that are not UTF-8.
pub(crate) fn decode(text: &str) -> Option<Cow<'_, str>> {
    if memchr::memchr(b'%', text.as_bytes()).is_none() {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            out.push(byte);
            continue;
        }
        let high = char::from(bytes.next()?).to_digit(16)?;
        let low = char::from(bytes.next()?).to_digit(16)?;
        out.push((high * 16 + low) as u8);
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

/// Decodes a name or value of a query, where `+` is a space.
pub(crate) fn decode_query(text: &str) -> Option<Cow<'_, str>> {
    if !text.contains('+') {
        return decode(text);
    }
    decode(&text.replace('+', " ")).map(|decoded| Cow::Owned(decoded.into_owned()))
}

/// Appends a text so that it is one segment.
pub(crate) fn encode_segment(text: &str, out: &mut String) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(char::from(byte));
        } else {
            out.push('%');
            out.push(char::from(HEX[usize::from(byte >> 4)]));
            out.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes_to_itself() {
        let text = "a b/ü?#%:.~";
        let mut out = String::new();
        encode_segment(text, &mut out);
        assert_eq!(out, "a%20b%2F%C3%BC%3F%23%25%3A.~");
        assert_eq!(decode(&out).as_deref(), Some(text));
    }

    #[test]
    fn broken_escapes_and_bytes_that_are_no_text_are_refused() {
        for text in ["%", "%2", "%zz", "%+1", "%ff", "%c3"] {
            assert_eq!(decode(text), None, "{text}");
            assert_eq!(decode_query(text), None, "{text}");
        }
    }

    #[test]
    fn a_plus_is_a_space_in_queries_only() {
        assert_eq!(decode("a+b").as_deref(), Some("a+b"));
        assert_eq!(decode_query("a+b%2B").as_deref(), Some("a b+"));
    }
}
