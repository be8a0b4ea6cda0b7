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
