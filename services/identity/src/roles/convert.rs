//! Roles on the wire and in the audit log.

use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};

use super::Role;
use crate::permissions::compile::{wire_access, wire_scope};

pub(crate) fn to_proto(role: &Role) -> pb::Role {
    let permissions = role.body.permissions.iter().map(|p| pb::ObjectPermission {
        object: p.object.clone(),
        actions: p.actions.iter().cloned().collect(),
        scopes: p.scopes.iter().map(|s| wire_scope(*s) as i32).collect(),
    });
    let fields = role.body.fields.iter().map(|f| pb::FieldRule {
        object: f.object.clone(),
        field: f.field.clone(),
        access: wire_access(f.access) as i32,
    });
    pb::Role {
        id: role.id.to_string(),
        version: role.version,
        name: role.name.clone(),
        permissions: permissions.collect(),
        fields: fields.collect(),
        system: role.system,
        created_at: Some(timestamp(role.created_at)),
        updated_at: Some(timestamp(role.updated_at)),
    }
}

pub(crate) fn to_json(role: &Role) -> Value {
    json!({
        "name": role.name,
        "system": role.system,
        "permissions": role.body.permissions,
        "fields": role.body.fields,
    })
}
