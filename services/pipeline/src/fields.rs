//! The fields of a deal that a stage or a transition can require.

/// Standard fields. What is always there is not among them.
pub(crate) const STANDARD: [&str; 10] = [
    "amount",
    "company_id",
    "contacts",
    "expected_close_date",
    "external_ids",
    "lost_reason",
    "next_step",
    "owner_id",
    "tags",
    "team_id",
];

/// Whether it is the name of a standard field that can be required.
pub(crate) fn is_standard(name: &str) -> bool {
    STANDARD.contains(&name)
}

/// Whether it can be the name of a field: of a custom one, only its form is looked at.
pub(crate) fn is_field(name: &str) -> bool {
    is_standard(name) || name.strip_prefix("custom.").is_some_and(|key| field_types::key::check(key).is_ok())
}
