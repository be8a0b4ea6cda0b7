//! What a caller may do with one record (`include=access`).

use auth::{Access as FieldAccess, Context, FieldMask, RowFacts};
use proto::common::v1::Access;

use super::Object;
use super::definitions::FieldSet;

/// The actions that the answer tells of.
const ACTIONS: [&str; 4] = ["update", "delete", "share", "export"];

/// The access block. Hidden fields are not listed: a hidden field answers as an unknown one, everywhere.
pub(crate) fn of(cx: &Context, object: &Object, set: &FieldSet, mask: &FieldMask, facts: RowFacts) -> Access {
    let can = ACTIONS.into_iter().filter(|action| cx.reaches(object.name, action, &facts));
    let exists = |name: &String| match name.strip_prefix("custom.") {
        Some(key) => set.usable(key).is_some(),
        None => object.writable().contains(&name.as_str()),
    };
    Access {
        can: can.map(str::to_owned).collect(),
        readonly_fields: mask.names(FieldAccess::Read).into_iter().filter(exists).collect(),
        hidden_fields: Vec::new(),
    }
}
