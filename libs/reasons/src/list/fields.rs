//! Definitions of custom fields, and values of them.

use crate::entries::reasons;

reasons! {
    /// No such custom field, or you may not see it.
    FIELD_NOT_FOUND [404, operation] "Field not found",
        "Look at `GET /objects/{object}/fields`.";
    /// The path names an object that has no custom fields.
    OBJECT_NOT_FOUND [404] "Object not found",
        "Use `contact` or `company`.";
    /// The member names an object that does not exist or cannot be used here.
    UNKNOWN_OBJECT [violation] "Unknown object",
        "Send one of the objects that `detail` or `/docs` names.";
    /// A field of the object has this key; archived fields keep theirs.
    FIELD_KEY_TAKEN [409] "Field key taken",
        "Choose another key.";
    /// The key is the name of a standard field.
    FIELD_KEY_RESERVED [violation] "Field key reserved",
        "Choose another key.";
    /// The text is not a key: a-z, 0-9 and _, beginning with a letter.
    KEY_INVALID [violation] "Key invalid",
        "Send a key like `renewal_date`.";
    /// The organization has as many fields, options, or indexed or unique fields of this type as it may have.
    FIELD_LIMIT_REACHED [422, violation, operation] "Field limit reached",
        "See `GET /limits`. Archive a field that is not needed; its slot serves the next field with an index.";
    /// The field's state does not allow this; `meta.state` names it.
    FIELD_STATE_INVALID [409, operation] "Field state invalid",
        "Restore the field first, or leave it as it is.";
    /// The member cannot be changed once it is set.
    FIELD_IMMUTABLE [violation] "Field immutable",
        "Leave the member out, or create a new resource.";
    /// Fields of this type cannot be indexed.
    FIELD_NOT_INDEXABLE [422, violation, operation] "Field not indexable",
        "Leave `indexed` out.";
    /// Fields of this object get an index when they are created, and not later.
    INDEX_NOT_SUPPORTED [422] "Index not supported",
        "Create the field with `indexed`; a field that has values already cannot get an index.";
    /// The field has an index already.
    FIELD_INDEXED [409] "Field indexed",
        "Nothing needs to be done.";
    /// Values of fields of this type cannot be unique.
    FIELD_NOT_UNIQUABLE [violation] "Field cannot be unique",
        "Leave `unique` out.";
    /// Only a lookup names an object that it points to.
    LOOKUP_OBJECT_NOT_SUPPORTED [violation] "Lookup object not supported",
        "Leave `lookup_object` out.";
    /// Only picklists have options.
    OPTIONS_NOT_SUPPORTED [violation] "Options not supported",
        "Leave `options` out.";
    /// A picklist has at least one option.
    OPTIONS_REQUIRED [violation] "Options required",
        "Send `options`.";
    /// An option that records use cannot be taken out.
    OPTION_IN_USE [violation] "Option in use",
        "Retire the option instead: records keep it, and nobody can choose it any more.";
    /// The value is not one of the field's options.
    OPTION_UNKNOWN [violation] "Option unknown",
        "Send the key of one of the options in the field's definition.";
    /// The option is retired: records that have it keep it, others cannot get it.
    OPTION_RETIRED [violation] "Option retired",
        "Choose another option.";
    /// Several options have this label.
    OPTION_AMBIGUOUS [violation] "Option ambiguous",
        "Send the option's key.";
    /// A field of this kind cannot have a default.
    DEFAULT_NOT_SUPPORTED [violation] "Default not supported",
        "Leave `default` out.";
    /// All custom values of a record are together larger than they may be. The pointer names the longest value that was sent.
    CUSTOM_TOO_LARGE [violation] "Custom values too large",
        "Shorten long values; `detail` says how many bytes all may have.";
    /// Definitions of fields kept changing while the request ran. Nothing was written.
    DEFINITIONS_CHANGED [409] "Definitions changed",
        "Send the request again.";
}
