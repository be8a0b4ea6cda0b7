//! Contacts, companies and what ties them.

use crate::entries::reasons;

reasons! {
    /// No such contact: unknown, deleted, of another organization, or not yours to see; all answer the same.
    CONTACT_NOT_FOUND [404] "Contact not found",
        "Check the id; a deleted contact is in the trash (`show_deleted=only`).";
    /// No such company: unknown, deleted, of another organization, or not yours to see; all answer the same.
    COMPANY_NOT_FOUND [404] "Company not found",
        "Check the id; a deleted company is in the trash (`show_deleted=only`).";
    /// There is no such note: it does not exist, is deleted, belongs to another organization, or you may not read it. All four answer the same.
    NOTE_NOT_FOUND [404] "Note not found",
        "Check the id. If the note was deleted, find it with `show_deleted=only` and restore it.";
    /// There is no such deal: it does not exist, is deleted, belongs to another organization, or you may not read it. All four answer the same.
    DEAL_NOT_FOUND [404] "Deal not found",
        "Check the id. If the deal was deleted, find it with `show_deleted=only` and restore it.";
    /// The contact to restore is not in the trash.
    CONTACT_NOT_DELETED [409] "Contact not deleted",
        "Nothing needs to be done; read the contact.";
    /// The company to restore is not in the trash.
    COMPANY_NOT_DELETED [409] "Company not deleted",
        "Nothing needs to be done; read the company.";
    /// The note to restore is not in the trash.
    NOTE_NOT_DELETED [409] "Note not deleted",
        "Nothing needs to be done; read the note.";
    /// The deal to restore is not in the trash.
    DEAL_NOT_DELETED [409] "Deal not deleted",
        "Nothing needs to be done; read the deal.";
    /// `If-Match` names a version that is no longer the current one, which `meta.version` gives. `conflicts` shows, where it is
    /// known, what changed on both sides.
    VERSION_STALE [412] "Version stale",
        "Read the record, apply your change to what it is now, and send it with the new version.";
    /// Someone else changed the same fields since the version in `etag`. `conflicts` shows both sides.
    EDIT_CONFLICT [409] "Edit conflict",
        "Decide between the values in `conflicts` and send the change with the current version as `etag`.";
    /// `etag` is not a version of this record.
    ETAG_INVALID [violation] "ETag invalid",
        "Send the `ETag` of the record as it was given, like `\"3\"`.";
    /// Someone else changed the same thing at the same moment. Nothing was written.
    CONCURRENT_CHANGE [409] "Concurrent change",
        "Send the request again.";
    /// Another record has a value that must be unique. `meta.fields` names the field, `candidates` the records that you may see.
    DUPLICATE_VALUE [409, violation] "Duplicate value",
        "Use the record that exists, or send another value.";
    /// More records match than the bulk operation may change. `meta.max_affected` says how many it may.
    TOO_MANY_AFFECTED [409] "Too many records",
        "Look at what matches with `dry_run`, and narrow the filter or raise `max_affected`.";
    /// The changes were valid when the operation was asked for, and are not any more: a field has changed, or what you may do with it.
    CHANGES_INVALID [operation] "Changes invalid",
        "Ask for a new operation with changes that are valid now.";
    /// A record was changed after the operation that is being undone, so it was left as it is.
    CHANGED_SINCE [violation] "Changed since",
        "Read the record, and change it by hand if it should be as it was.";
    /// An operation can be undone only when it is over.
    OPERATION_NOT_OVER [409] "Operation not over",
        "Cancel the operation, or wait until it is over.";
    /// The operation is of a kind that cannot be undone.
    OPERATION_NOT_UNDOABLE [409] "Operation cannot be undone",
        "Undo a change of many records, or change the records one by one.";
    /// The operation has been undone already. `meta.undone_by` names the operation that did it.
    OPERATION_UNDONE [409] "Operation undone",
        "Look at the operation that `meta.undone_by` names.";
    /// A contact with one of these e-mail addresses exists. `candidates` lists those that you may see. In an import: its
    /// `duplicate_policy` is `fail`.
    DUPLICATE [409, violation] "Duplicate",
        "Use the contact that exists, or send the request with `allow_duplicates=true`; take the row out of an import, or import with the policy `skip` or `update`.";
    /// A contact needs a first name, a last name or an e-mail address.
    NAME_OR_EMAIL_REQUIRED [violation] "Name or e-mail address required",
        "Send at least one of the three.";
    /// More than one e-mail address or phone number is marked as the primary one.
    PRIMARY_REPEATED [violation] "More than one primary entry",
        "Set `is_primary` on one entry.";
    /// No record with this id exists that you may refer to: unknown, deleted, of another organization, or not yours to see; all answer
    /// the same.
    REFERENCE_NOT_FOUND [violation] "Reference not found",
        "Check the id.";
    /// The record, or a user's manager, would be above itself.
    REFERENCE_CYCLE [violation] "Reference cycle",
        "Choose a record that is not the same and not below this one.";
    /// The record cannot be placed there.
    REFERENCE_NOT_POSSIBLE [violation] "Reference not possible",
        "Choose another record.";
    /// The tree would have more levels than it may.
    REFERENCE_TOO_DEEP [violation] "Reference too deep",
        "Choose a record on a higher level.";
    /// The contact is linked to as many companies as it may be.
    LINK_LIMIT_REACHED [409, violation] "Link limit reached",
        "Remove a link before you add one.";
}
