//! Which column feeds which field, checked against what the caller may write.

use record::definitions::FieldSet;
use std::collections::BTreeSet;

use auth::{Access, FieldMask};
use error::Reason;
use input::Violations;
use proto::records::v1::ColumnMapping;

/// Standard fields that a column can feed.
pub(crate) const STANDARD: [&str; 14] = [
    "first_name",
    "last_name",
    "job_title",
    "department",
    "emails.address",
    "phones.number",
    "language",
    "timezone",
    "birthday",
    "lifecycle",
    "lead_source",
    "score",
    "do_not_call",
    "do_not_email",
];

/// A column that feeds a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Column {
    /// The column's header.
    pub(crate) header: String,
    /// One of [`STANDARD`] or `custom.<key>`.
    pub(crate) field: String,
}

/// Checks a mapping. A hidden field answers as an unknown one, an archived one too.
pub(crate) fn check(
    mapping: &[ColumnMapping],
    set: &FieldSet,
    mask: &FieldMask,
) -> (Vec<Column>, Violations) {
    let (mut columns, mut violations) = (Vec::new(), Violations::default());
    let (mut headers, mut fields) = (BTreeSet::new(), BTreeSet::new());
    for (at, entry) in mapping.iter().enumerate() {
        let mut refuse = |member: &str, reason: Reason, detail: &'static str| {
            violations.note(format!("/mapping/{at}/{member}"), reason, detail);
        };
        let (header, field) = (entry.column.trim(), entry.field.as_str());
        if !headers.insert(header) {
            refuse("column", Reason::REPEATED, "is repeated: a column is mapped once");
        }
        if !fields.insert(field) {
            refuse("field", Reason::REPEATED, "is repeated: a field takes one column");
        }
        let root = field.split('.').next().unwrap_or_default();
        let name = if root == "custom" { field } else { root };
        let exists = match field.strip_prefix("custom.") {
            Some(key) => set.usable(key).is_some(),
            None => STANDARD.contains(&field),
        };
        match mask.access(name) {
            Access::Edit if exists => {
                columns.push(Column { header: header.to_owned(), field: field.to_owned() });
            }
            Access::Read if exists => {
                refuse("field", Reason::FIELD_READ_ONLY, "you may read, but not change this field");
            }
            _ => refuse("field", Reason::UNKNOWN_FIELD, "no such field"),
        }
    }
    (columns, violations)
}

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::descriptor::FileDescriptorSet;
    use proto::records::v1::Contact;
    use proto::{Member, Resource};

    use super::STANDARD;

    /// The members of a message of this service by the descriptors.
    fn members(name: &str) -> Vec<String> {
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let files = set.file.into_iter().filter(|file| file.package == "globcrm.records.v1");
        let message = files.flat_map(|file| file.message_type).find(|m| m.name == name).unwrap();
        message.field.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn a_column_feeds_what_a_caller_may_write_of_a_contact() {
        let writable =
            |name: &str| Contact::MEMBERS.iter().any(|m: &Member| m.name == name && !m.output_only);
        for field in STANDARD {
            let (member, part) = field.split_once('.').unwrap_or((field, ""));
            let parts = match member {
                "emails" => members("EmailAddress"),
                "phones" => members("PhoneNumber"),
                _ => vec![String::new()],
            };
            assert!(writable(member) && parts.iter().any(|known| known == part), "{field}");
        }
    }
}
