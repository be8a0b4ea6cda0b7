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
    "import",
    "export",
    "pipeline",
    "tag",
    "view",
    "upload",
    "operation",
    "email_account",
    "email_message",
    "notification",
    "webhook",
    "report",
    "audit_log",
    "limit",
    "setting",
];

const ACTIONS: &[&str] = &[
    "create", "read", "update", "delete", "import", "export", "share", "merge", "restore", "assign", "send",
    "explain",
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

    #[test]
    fn every_permission_that_a_method_asks_for_can_be_granted() {
        use proto::descriptor::FileDescriptorSet;
        let set = <FileDescriptorSet as prost::Message>::decode(proto::DESCRIPTORS).unwrap();
        let mut seen = 0;
        for method in set.file.iter().flat_map(|f| &f.service).flat_map(|s| &s.method) {
            let Some(policy) = method.options.as_ref().and_then(|o| o.policy.as_ref()) else { continue };
            if let Some((object, action)) = policy.permission.split_once('.') {
                assert!(is_object(object) && is_action(action), "{}", policy.permission);
                seen += 1;
            }
        }
        assert!(seen > 20, "only {seen} permissions were found in the descriptors");
    }
}
