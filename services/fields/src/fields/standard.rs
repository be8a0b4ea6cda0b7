//! The names that are taken by standard fields. A test holds the lists against the records' own contract.

/// Of a contact.
pub(super) const CONTACT: [&str; 34] = [
    "id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "deleted_at",
    "owner_id",
    "team_id",
    "source",
    "external_ids",
    "tags",
    "first_name",
    "last_name",
    "full_name",
    "job_title",
    "department",
    "emails",
    "phones",
    "addresses",
    "language",
    "timezone",
    "birthday",
    "lifecycle",
    "lead_source",
    "score",
    "do_not_call",
    "do_not_email",
    "consents",
    "last_activity_at",
    "merged_into_id",
    "custom",
    "access",
    "etag",
];

/// Of a company.
pub(super) const COMPANY: [&str; 28] = [
    "id",
    "version",
    "created_at",
    "created_by",
    "updated_at",
    "updated_by",
    "deleted_at",
    "owner_id",
    "team_id",
    "source",
    "external_ids",
    "tags",
    "name",
    "legal_name",
    "domains",
    "parent_id",
    "industry",
    "employee_count",
    "annual_revenue",
    "phones",
    "addresses",
    "tax_id",
    "description",
    "lifecycle",
    "merged_into_id",
    "custom",
    "access",
    "etag",
];

#[cfg(test)]
mod tests {
    use prost::Message;
    use proto::descriptor::FileDescriptorSet;

    use crate::fields::definition::Object;

    #[test]
    fn every_field_of_the_contract_is_listed() {
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let records: Vec<_> = set.file.iter().filter(|file| file.package == "globcrm.records.v1").collect();
        for (message, object) in [("Contact", Object::Contact), ("Company", Object::Company)] {
            let contract =
                records.iter().flat_map(|file| &file.message_type).find(|m| m.name == message).unwrap();
            let missing: Vec<_> = contract
                .field
                .iter()
                .filter(|field| !object.standard_fields().contains(&field.name.as_str()))
                .map(|field| &field.name)
                .collect();
            assert!(missing.is_empty(), "{message}: {missing:?}");
        }
    }
}
