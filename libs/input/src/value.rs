//! One value as it was sent.

use error::Reason;
use field_types::{FieldError, text};
use uuid::Uuid;

/// One line of text, cleaned; `None` when nothing is left.
///
/// What a reader does not see is taken out and not refused (see [`text::clean`]): it comes with copies from elsewhere, and nobody can
/// mend what they do not see; what is stored is what is shown.
pub fn line(sent: &str, max_chars: usize) -> Result<Option<String>, FieldError> {
    text::line(sent, max_chars)
}

/// As [`line()`], where something must be left.
pub fn required_line(sent: &str, max_chars: usize) -> Result<String, FieldError> {
    line(sent, max_chars)?.ok_or_else(empty)
}

/// An id in its canonical form of 36 characters. Whether it names something is decided later.
pub fn id(sent: &str) -> Result<Uuid, FieldError> {
    match Uuid::try_parse(sent) {
        Ok(id) if sent.len() == 36 => Ok(id),
        _ => Err(FieldError::new(Reason::UUID_INVALID, "an id (UUID) is expected")),
    }
}

/// A value of an enum that this build knows.
pub fn choice<E: TryFrom<i32>>(sent: i32) -> Result<E, FieldError> {
    E::try_from(sent).map_err(|_| FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "not one of the values"))
}

pub(crate) fn empty() -> FieldError {
    FieldError::new(Reason::REQUIRED, "must not be empty")
}

/// Adds an element to those that are there, unless it is there.
pub(crate) fn once<T: PartialEq>(kept: &mut Vec<T>, value: T) -> Result<(), FieldError> {
    if kept.contains(&value) {
        return Err(FieldError::new(Reason::REPEATED, "is repeated"));
    }
    kept.push(value);
    Ok(())
}

impl crate::Violations {
    /// Reads the ids of a list, each once. What is wrong with one is noted at its index below the pointer.
    pub fn ids(&mut self, pointer: &str, sent: &[String]) -> Vec<Uuid> {
        let mut kept = Vec::with_capacity(sent.len());
        for (index, text) in sent.iter().enumerate() {
            self.take(format!("{pointer}/{index}"), id(text).and_then(|id| once(&mut kept, id)));
        }
        kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Violations;

    #[test]
    fn a_required_line_is_one_line_and_not_empty() {
        for (text, reason) in [
            ("", "REQUIRED"),
            ("  ", "REQUIRED"),
            ("a\nb", "TEXT_CONTROL_CHARACTER"),
            ("a\tb", "TEXT_CONTROL_CHARACTER"),
            ("a\0", "NUL_CHARACTER"),
            ("elevenchars", "TOO_LONG"),
        ] {
            assert_eq!(required_line(text, 10).unwrap_err().reason, reason, "{text:?}");
        }
        assert_eq!(required_line(" Zoë  ", 10).unwrap(), "Zoë");
        assert_eq!(line("  ", 10).unwrap(), None);
    }

    #[test]
    fn an_id_has_one_form() {
        let text = "01890a5d-ac96-774b-bcce-b302099a8057";
        assert_eq!(id(text).unwrap().to_string(), text);
        for bad in ["", "nonsense", "01890a5dac96774bbcceb302099a8057", &format!("{{{text}}}")] {
            assert_eq!(id(bad).unwrap_err().reason, "UUID_INVALID", "{bad}");
        }
    }

    #[test]
    fn ids_of_a_list_are_ids_and_each_is_there_once() {
        let id = Uuid::from_u128(1);
        let mut violations = Violations::default();
        let sent = [id.to_string(), "nonsense".to_owned(), id.to_string()];
        assert_eq!(violations.ids("/role_ids", &sent), [id]);
        let found: Vec<_> = violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(found, [("/role_ids/1", "UUID_INVALID"), ("/role_ids/2", "REPEATED")]);
    }
}
