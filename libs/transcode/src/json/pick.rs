//! Copies selected members of a JSON object.

use crate::json::scan::{JsonError, JsonFault, Scanner};
use crate::json::write;

/// Copies the members named in `keys` from the object `text` (empty: no members); a member it does not have is `null`.
/// The order is that of the object, then that of `keys`. The text is a service's, so it is read no further than needed.
pub(crate) fn members(text: &[u8], keys: &[String], out: &mut Vec<u8>) -> Result<(), JsonError> {
    out.push(b'{');
    let begin = out.len();
    let separate = |out: &mut Vec<u8>| {
        if out.len() > begin {
            out.push(b',');
        }
    };
    // Bit i: the i-th key has been copied. Selections are far smaller than 128 keys; beyond that, keys are only
    // filled in when the object has none.
    let mut copied = 0_u128;
    if !text.is_empty() {
        let mut scan = Scanner::trusted(text)?;
        if scan.peek()? != b'{' {
            return scan.fail(JsonFault::Expected("an object"));
        }
        scan.open()?;
        let mut object = scan.members();
        let mut missing = keys.len();
        while missing > 0
            && let Some(name) = scan.member(&mut object)?
        {
            scan.peek()?;
            let start = scan.position();
            scan.skip_value()?;
            let decoded = name.decode();
            if let Some(at) = keys.iter().position(|key| *key == decoded) {
                missing -= 1;
                copied |= 1_u128.checked_shl(at as u32).unwrap_or(0);
                separate(out);
                write::string(out, &decoded);
                out.push(b':');
                out.extend_from_slice(scan.since(start).as_bytes());
            }
        }
    }
    for (at, key) in keys.iter().enumerate().take(128) {
        if copied & (1 << at) == 0 {
            separate(out);
            write::string(out, key);
            out.extend_from_slice(b":null");
        }
    }
    out.push(b'}');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picked(text: &str, keys: &[&str]) -> String {
        let keys: Vec<String> = keys.iter().map(|k| (*k).to_owned()).collect();
        let mut out = Vec::new();
        members(text.as_bytes(), &keys, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn selected_members_are_copied_and_missing_ones_are_null() {
        assert_eq!(picked(r#"{"a":1,"b":{"c":[2]},"d":3}"#, &["d", "b"]), r#"{"b":{"c":[2]},"d":3}"#);
        assert_eq!(picked(r#"{"a":1}"#, &["x", "a"]), r#"{"a":1,"x":null}"#);
        assert_eq!(picked("", &["x"]), r#"{"x":null}"#);
    }

    #[test]
    fn text_that_is_no_object_is_an_error() {
        for text in ["[]", "{", "nul", "{\"a\":1,\"b\"}"] {
            assert!(members(text.as_bytes(), &["x".to_owned()], &mut Vec::new()).is_err(), "{text}");
        }
    }
}
