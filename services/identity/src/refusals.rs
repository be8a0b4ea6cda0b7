//! Answers that several operations give in the same bytes.

use auth::{Call, Context, PrincipalKind};
use error::{Code, Error, Reason, Violation};
use uuid::Uuid;

/// Refuses `Idempotency-Key` on a call whose answer holds a secret: it must not be stored. Errors: 400.
pub(crate) fn refuse_idempotency_key(call: &Call) -> Result<(), Error> {
    match call.idempotency_key {
        None => Ok(()),
        Some(_) => Err(Error::malformed(
            Reason::IDEMPOTENCY_KEY_NOT_SUPPORTED,
            "the answer holds a secret, so it cannot be repeated",
        )),
    }
}

/// Refuses an API key where its owner must have signed in: a key that leaked makes nothing that outlives it, and ends nothing
/// of its owner's. Errors: 403 `SESSION_REQUIRED`.
pub(crate) fn refuse_key(cx: &Context) -> Result<(), Error> {
    match cx.principal.kind {
        PrincipalKind::ApiKey => {
            let text = "an API key cannot do this; its owner must log in";
            Err(Error::new(Code::PermissionDenied, Reason::SESSION_REQUIRED, text))
        }
        PrincipalKind::User | PrincipalKind::Service => Ok(()),
    }
}

/// The violation of a text that is not an id.
fn uuid_invalid(pointer: impl Into<String>) -> Violation {
    Violation::new(pointer, Reason::UUID_INVALID, "an id (UUID) is expected")
}

/// Reads the ids of a repeated field.
pub(crate) fn read_ids(texts: &[String], pointer: &str, violations: &mut Vec<Violation>) -> Vec<Uuid> {
    let mut ids = Vec::with_capacity(texts.len());
    for (i, text) in texts.iter().enumerate() {
        match ids::UserId::parse(text) {
            Some(id) if ids.contains(&id.uuid()) => {
                violations.push(Violation::new(format!("{pointer}/{i}"), Reason::REPEATED, "is repeated"));
            }
            Some(id) => ids.push(id.uuid()),
            None => violations.push(uuid_invalid(format!("{pointer}/{i}"))),
        }
    }
    ids
}

/// Reads one id of a body.
pub(crate) fn read_id(text: Option<&str>, pointer: &str, violations: &mut Vec<Violation>) -> Option<Uuid> {
    let id = ids::UserId::parse(text?).map(|id| id.uuid());
    if id.is_none() {
        violations.push(uuid_invalid(pointer));
    }
    id
}

/// The violations of ids that were looked for and not found.
pub(crate) fn missing(wanted: &[Uuid], found: &[Uuid], pointer: &str, violations: &mut Vec<Violation>) {
    for (i, _) in wanted.iter().enumerate().filter(|(_, id)| !found.contains(id)) {
        violations.push(Violation::reference_not_found(format!("{pointer}/{i}")));
    }
}

/// Cleans a required text of a person or thing, by the rule of every text: what nobody sees is taken out and not refused. It comes
/// with copies from elsewhere, and nobody can mend what they do not see; what is stored is what is shown.
pub(crate) fn read_name(text: &str, max: usize, pointer: &str, violations: &mut Vec<Violation>) -> String {
    let refused = match field_types::text::clean(text, max) {
        Ok(Some(clean)) if clean.contains('\n') => {
            (Reason::TEXT_CONTROL_CHARACTER, "one line only".to_owned())
        }
        Ok(Some(clean)) => return clean,
        Ok(None) => (Reason::REQUIRED, "must not be empty".to_owned()),
        Err(error) => (error.reason, error.detail),
    };
    violations.push(Violation::new(pointer, refused.0, refused.1));
    String::new()
}

/// Reads an e-mail address to its canonical form.
pub(crate) fn read_email(text: &str, pointer: &str, violations: &mut Vec<Violation>) -> String {
    field_types::email::parse(text).unwrap_or_else(|error| {
        violations.push(Violation::new(pointer, error.reason, error.detail));
        String::new()
    })
}

/// The paths of an update mask that are fields of `allowed`; others are violations. Without a mask: those in `given`.
pub(crate) fn read_mask(
    mask: Option<prost_types::FieldMask>,
    allowed: &[&'static str],
    immutable: &[&str],
    given: Vec<&'static str>,
    violations: &mut Vec<Violation>,
) -> Vec<&'static str> {
    let Some(mask) = mask else { return given };
    let mut paths = Vec::new();
    for path in &mask.paths {
        let pointer = format!("/{}", path.replace('.', "/"));
        if let Some(known) = allowed.iter().find(|name| *name == path) {
            paths.push(*known);
        } else if immutable.contains(&path.as_str()) {
            violations.push(Violation::new(pointer, Reason::FIELD_IMMUTABLE, "cannot be changed"));
        } else {
            violations.push(Violation::new(pointer, Reason::UNKNOWN_FIELD, "no such field"));
        }
    }
    paths
}

/// A time on the wire.
pub(crate) fn timestamp(at: time::OffsetDateTime) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: at.unix_timestamp(), nanos: at.nanosecond() as i32 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_list_are_ids_and_each_is_there_once() {
        let id = Uuid::from_u128(1);
        let mut violations = Vec::new();
        let sent = [id.to_string(), "nonsense".to_owned(), id.to_string()];
        assert_eq!(read_ids(&sent, "/role_ids", &mut violations), [id]);
        missing(&[id], &[], "/role_ids", &mut violations);
        let found: Vec<_> = violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        let invalid = ("/role_ids/1", "UUID_INVALID");
        assert_eq!(found, [invalid, ("/role_ids/2", "REPEATED"), ("/role_ids/0", "REFERENCE_NOT_FOUND")]);
    }

    #[test]
    fn a_mask_names_what_may_change_and_refuses_the_rest() {
        let mut violations = Vec::new();
        let mask =
            prost_types::FieldMask { paths: ["name", "email", "shoe_size"].map(str::to_owned).to_vec() };
        let paths = read_mask(Some(mask), &["name"], &["email"], vec![], &mut violations);
        assert_eq!(paths, ["name"]);
        let found: Vec<_> = violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(found, [("/email", "FIELD_IMMUTABLE"), ("/shoe_size", "UNKNOWN_FIELD")]);
    }

    #[test]
    fn names_are_one_line_and_not_empty() {
        for (text, reason) in [
            ("", "REQUIRED"),
            ("  ", "REQUIRED"),
            ("a\nb", "TEXT_CONTROL_CHARACTER"),
            ("a\0", "NUL_CHARACTER"),
        ] {
            let mut violations = Vec::new();
            read_name(text, 10, "/name", &mut violations);
            assert_eq!(violations[0].reason, reason, "{text:?}");
        }
        let mut violations = Vec::new();
        assert_eq!(read_name(" Zoë  ", 10, "/name", &mut violations), "Zoë");
        assert!(violations.is_empty());
    }
}
