//! The objects and actions that a role can name.

/// Objects that hold records; only these have field rules.
pub(super) const RECORDS: &[&str] = &["contact", "company", "deal", "activity", "note"];

/// Every other object.
const OTHERS: &[&str] = &[
    "field",
    "user",
    "team",
    "role",
    "grant",
    "api_key",
    "session",
    "export",
    "pipeline",
    "tag",
    "view",
    "email_account",
    "email_message",
    "notification",
    "webhook",
    "report",
    "audit_log",
    "limit",
    "setting",
];

/// Who may delete may restore. Uploads and imports are asked for as the action `import` of an object, and operations belong to
/// whoever began them.
const ACTIONS: &[&str] = &[
    "create", "read", "update", "delete", "import", "export", "share", "merge", "assign", "send", "explain",
];

/// Stands for every object or every action.
pub(crate) const ANY: &str = "*";

/// Whether a permission or scope can name this object.
pub(super) fn is_object(name: &str) -> bool {
    name == ANY || RECORDS.contains(&name) || OTHERS.contains(&name)
}

/// Whether a permission or scope can name this action.
pub(super) fn is_action(name: &str) -> bool {
    name == ANY || ACTIONS.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of features to come. The first method that asks for one takes it from here.
    const OBJECTS_TO_COME: [&str; 17] = [
        "deal",
        "activity",
        "note",
        "grant",
        "session",
        "export",
        "pipeline",
        "tag",
        "view",
        "email_account",
        "email_message",
        "notification",
        "webhook",
        "report",
        "audit_log",
        "limit",
        "setting",
    ];
    const ACTIONS_TO_COME: [&str; 6] = ["export", "share", "merge", "assign", "send", "explain"];

    /// Objects and actions that methods ask for.
    fn asked() -> Vec<(String, String)> {
        use proto::descriptor::FileDescriptorSet;
        let set = <FileDescriptorSet as prost::Message>::decode(proto::DESCRIPTORS).unwrap();
        let methods = set.file.iter().flat_map(|f| &f.service).flat_map(|s| &s.method);
        let policies = methods.filter_map(|method| method.options.as_ref()?.policy.as_ref());
        let pairs = policies.filter_map(|policy| policy.permission.split_once('.'));
        pairs.map(|(object, action)| (object.to_owned(), action.to_owned())).collect()
    }

    #[test]
    fn every_permission_that_a_method_asks_for_can_be_granted() {
        let asked = asked();
        for (object, action) in &asked {
            assert!(is_object(object) && is_action(action), "{object}.{action}");
        }
        assert!(asked.len() > 20, "only {} permissions were found in the descriptors", asked.len());
    }

    #[test]
    fn every_name_that_can_be_granted_is_asked_for_or_to_come() {
        let asked = asked();
        for object in RECORDS.iter().chain(OTHERS) {
            let is_asked = asked.iter().any(|(name, _)| name == object);
            assert!(is_asked != OBJECTS_TO_COME.contains(object), "{object}");
        }
        for action in ACTIONS {
            let is_asked = asked.iter().any(|(_, name)| name == action);
            assert!(is_asked != ACTIONS_TO_COME.contains(action), "{action}");
        }
    }
}
