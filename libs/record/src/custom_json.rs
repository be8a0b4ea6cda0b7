//! Stored custom values on their way out, copied and not parsed into trees: they are most of a page.

use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Writes the members of a stored object that `shown` lets through and that are set, and `null` for each key of `asked`
/// that is not. Numbers keep their digits, also those that no binary fraction holds.
pub(crate) fn write(
    stored: &str,
    shown: impl Fn(&str) -> bool,
    asked: &[String],
) -> Result<Vec<u8>, serde_json::Error> {
    let mut out = Vec::with_capacity(stored.len());
    let copy = Copy { shown: &shown, asked, out: &mut out };
    serde_json::Deserializer::from_str(stored).deserialize_map(copy)?;
    Ok(out)
}

struct Copy<'a, F> {
    shown: &'a F,
    asked: &'a [String],
    out: &'a mut Vec<u8>,
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Copy<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let mut missing: Vec<&str> =
            self.asked.iter().map(String::as_str).filter(|key| (self.shown)(key)).collect();
        self.out.push(b'{');
        // Keys of custom fields are identifiers, so none is escaped and each can be borrowed.
        while let Some((key, value)) = members.next_entry::<&str, &RawValue>()? {
            if matches!(value.get(), "null" | "[]" | "{}") || !(self.shown)(key) {
                continue;
            }
            missing.retain(|asked| *asked != key);
            member(self.out, key);
            compact(self.out, value.get());
        }
        for key in missing {
            member(self.out, key);
            self.out.extend_from_slice(b"null");
        }
        self.out.push(b'}');
        Ok(())
    }
}

fn member(out: &mut Vec<u8>, key: &str) {
    if out.len() > 1 {
        out.push(b',');
    }
    out.push(b'"');
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Copies a value without the blanks that PostgreSQL writes between members and items.
fn compact(out: &mut Vec<u8>, value: &str) {
    if !value.starts_with(['{', '[']) {
        out.extend_from_slice(value.as_bytes());
        return;
    }
    let (mut inside, mut escaped) = (false, false);
    for byte in value.bytes() {
        let blank = !inside && byte == b' ';
        if byte == b'"' && !escaped {
            inside = !inside;
        }
        escaped = inside && byte == b'\\' && !escaped;
        if !blank {
            out.push(byte);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(stored: &str, asked: &[&str]) -> String {
        let asked: Vec<String> = asked.iter().map(|key| (*key).to_owned()).collect();
        String::from_utf8(write(stored, |key| key != "budget", &asked).unwrap()).unwrap()
    }

    #[test]
    fn what_is_hidden_or_unset_stays_behind() {
        let stored =
            r#"{"a": null, "b": [], "c": {}, "tier": "gold", "seats": 3, "budget": {"amount_minor": 1}}"#;
        assert_eq!(written(stored, &[]), r#"{"tier":"gold","seats":3}"#);
        assert_eq!(written(r#"{"budget": 1}"#, &[]), "{}");
    }

    #[test]
    fn what_was_asked_for_is_there_unless_hidden() {
        assert_eq!(written(r#"{"tier": "x"}"#, &["tier", "note", "budget"]), r#"{"tier":"x","note":null}"#);
        assert_eq!(written(r#"{"note": null}"#, &["note"]), r#"{"note":null}"#);
    }

    #[test]
    fn blanks_go_and_texts_and_digits_stay() {
        let stored = r#"{"m": {"currency": "EUR", "amount_minor": 1050}, "l": ["a, b", "say \"x: y\" \\", "z"], "d": 12345678901234567890.10}"#;
        let compact = r#"{"m":{"currency":"EUR","amount_minor":1050},"l":["a, b","say \"x: y\" \\","z"],"d":12345678901234567890.10}"#;
        assert_eq!(written(stored, &[]), compact);
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        assert!(write("[1]", |_| true, &[]).is_err());
    }
}
