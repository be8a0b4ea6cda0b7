//! The names that roles and keys can use: those of the catalogue of objects ([`proto::OBJECTS`]). What no method asks for cannot be
//! granted; what is to come becomes a name with its first method.

use proto::{OBJECTS, Object};

/// Stands for every object or every action.
pub(crate) const ANY: &str = "*";

/// Whether a permission or scope can name this object.
pub(super) fn is_object(name: &str) -> bool {
    named(name).next().is_some()
}

/// Whether a permission or scope can name this action of this object; for `*`, of any object.
pub(super) fn is_action(object: &str, action: &str) -> bool {
    named(object).any(|object| action == ANY || object.actions.contains(&action))
}

/// The objects with permissions that a name stands for.
fn named(name: &str) -> impl Iterator<Item = &'static Object> {
    OBJECTS.iter().filter(move |object| !object.actions.is_empty() && (name == ANY || name == object.name))
}

/// The objects whose fields can be restricted.
pub(crate) fn restrictable() -> impl Iterator<Item = &'static str> {
    OBJECTS.iter().filter(|object| object.has_custom).map(|object| object.name)
}

/// Whether the object has a standard field of this name.
pub(super) fn is_field(object: &str, field: &str) -> bool {
    OBJECTS.iter().any(|known| known.name == object && known.fields.contains(&field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_method_asks_for_can_be_granted_and_nothing_else() {
        for (object, action) in [
            ("contact", "import"),
            ("company", "import"),
            ("company", "assign"),
            ("team", "update"),
            ("session", "read"),
            ("*", "import"),
            ("api_key", "*"),
            ("*", "*"),
        ] {
            assert!(is_object(object) && is_action(object, action), "{object}.{action}");
        }
        for (object, action) in [
            ("contact", "restore"),
            ("contact", "export"),
            ("note", "import"),
            ("field", "delete"),
            ("ticket", "read"),
            ("operation", "read"),
            ("operation", "*"),
            ("*", "restore"),
            ("*", ""),
            ("", "read"),
        ] {
            assert!(!is_action(object, action), "{object}.{action}");
        }
        assert!(!is_object("ticket") && !is_object("operation") && !is_object(""));
    }

    #[test]
    fn what_has_custom_fields_has_fields_to_restrict_and_nothing_else_has() {
        let custom = OBJECTS.iter().filter(|object| object.fields.contains(&"custom"));
        let found: Vec<_> = restrictable().collect();
        assert_eq!(found, custom.map(|object| object.name).collect::<Vec<_>>());
        assert!(found.contains(&"contact"), "{found:?}");
    }
}
