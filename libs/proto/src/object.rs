//! The catalogue of objects: the messages that say by their option that they are one.

/// An object, as the contract has it.
#[derive(Debug, PartialEq, Eq)]
pub struct Object {
    /// `contact`: in permissions, events, paths and references.
    pub name: &'static str,
    /// `globcrm.records.v1`: the package of its message, which is that of the service that keeps it.
    pub package: &'static str,
    /// Its records have custom fields, and roles can restrict its fields.
    pub has_custom: bool,
    /// The members of its message, and the names that are reserved for members to come.
    pub fields: &'static [&'static str],
    /// What can be granted: the actions of the permissions that methods name, and what operations ask for besides.
    pub actions: &'static [&'static str],
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;

    use crate::OBJECTS;
    use crate::descriptor::{FileDescriptorSet, MessageDescriptor};

    fn actions(name: &str) -> &'static [&'static str] {
        OBJECTS.iter().find(|object| object.name == name).unwrap().actions
    }

    #[test]
    fn what_can_be_granted_is_what_methods_ask_for_and_what_the_object_adds() {
        assert_eq!(actions("contact"), ["assign", "create", "delete", "import", "read", "update"]);
        assert_eq!(actions("company"), ["assign", "create", "delete", "import", "read", "update"]);
        assert_eq!(actions("session"), ["delete", "read"]);
        assert_eq!(actions("team"), ["create", "delete", "read", "update"]);
        assert!(actions("operation").is_empty());
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = OBJECTS.iter().map(|object| object.name).collect();
        assert_eq!(names.len(), OBJECTS.len());
    }

    #[test]
    fn every_reference_names_an_object_of_the_catalogue() {
        fn references(message: &MessageDescriptor, into: &mut BTreeSet<String>) {
            let policies = message.field.iter().filter_map(|field| field.options.as_ref()?.policy.as_ref());
            into.extend(policies.map(|policy| policy.references.clone()).filter(|name| !name.is_empty()));
            message.nested_type.iter().for_each(|nested| references(nested, into));
        }
        let set = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let mut named = BTreeSet::new();
        set.file.iter().flat_map(|file| &file.message_type).for_each(|m| references(m, &mut named));
        let unknown: Vec<_> =
            named.iter().filter(|name| OBJECTS.iter().all(|object| object.name != **name)).collect();
        assert!(named.len() > 5 && unknown.is_empty(), "{unknown:?} of {named:?}");
    }
}
