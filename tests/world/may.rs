//! What a principal may do, as a test says it.

use proto::identity::v1::{
    FieldAccess, FieldRule, PermissionSnapshot, Scope, SnapshotAction, SnapshotObject,
};
use uuid::Uuid;

/// What a principal may do.
pub struct May<'a> {
    /// Object, action, and whose rows.
    pub actions: &'a [(&'a str, &'a str, Scope)],
    /// Object, field, and how much of it where that is less than the whole.
    pub fields: &'a [(&'a str, &'a str, FieldAccess)],
}

/// Everything.
pub const ALL: May<'static> = May { actions: &[("*", "*", Scope::All)], fields: &[] };

/// Nothing.
pub const NOTHING: May<'static> = May { actions: &[], fields: &[] };

impl May<'_> {
    /// What identity would answer of the principal `id`.
    pub(super) fn snapshot(&self, id: Uuid, version: i64) -> PermissionSnapshot {
        let objects = self.actions.iter().map(|(object, action, scope)| SnapshotObject {
            object: (*object).to_owned(),
            actions: vec![SnapshotAction { action: (*action).to_owned(), scopes: vec![(*scope).into()] }],
        });
        let rules = self.fields.iter().map(|(object, field, access)| FieldRule {
            object: (*object).to_owned(),
            field: (*field).to_owned(),
            access: (*access).into(),
        });
        PermissionSnapshot {
            version,
            owner_id: id.to_string(),
            objects: objects.collect(),
            field_rules: rules.collect(),
            ..Default::default()
        }
    }
}
