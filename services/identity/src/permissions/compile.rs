//! Roles -> the snapshot of a principal.
//!
//! Actions: the union over the roles, each action with the union of its scopes. Fields: within a role the least access that a
//! rule names, edit without a rule; across roles the most; a role that grants nothing on the object says nothing about its
//! fields. An API key has its owner's permissions cut to its scopes.

use std::collections::{BTreeMap, BTreeSet};

use proto::identity::v1 as pb;

use crate::roles::body::{FieldAccess, KeyScope, RoleBody, Scope};

const ANY: &str = "*";

/// Compiles roles, cut to the scopes of an API key if given.
pub(crate) fn compile(
    roles: &[RoleBody],
    cut_to: Option<&[KeyScope]>,
) -> (Vec<pb::SnapshotObject>, Vec<pb::FieldRule>) {
    let mut granted: BTreeMap<(&str, &str), BTreeSet<Scope>> = BTreeMap::new();
    for permission in roles.iter().flat_map(|r| &r.permissions) {
        for action in &permission.actions {
            granted.entry((&permission.object, action)).or_default().extend(&permission.scopes);
        }
    }
    if let Some(key_scopes) = cut_to {
        granted = cut(&granted, key_scopes);
    }
    let mut objects: BTreeMap<&str, Vec<pb::SnapshotAction>> = BTreeMap::new();
    for ((object, action), scopes) in &granted {
        let scopes = scopes.iter().map(|s| wire_scope(*s) as i32).collect();
        objects.entry(object).or_default().push(pb::SnapshotAction { action: (*action).to_owned(), scopes });
    }
    let objects = objects
        .into_iter()
        .map(|(object, actions)| pb::SnapshotObject { object: object.to_owned(), actions })
        .collect();
    (objects, fields(roles))
}

/// The parts of the grants that lie within the key's scopes; `*` on either side meets the name on the other.
fn cut<'a>(
    granted: &BTreeMap<(&'a str, &'a str), BTreeSet<Scope>>,
    key_scopes: &'a [KeyScope],
) -> BTreeMap<(&'a str, &'a str), BTreeSet<Scope>> {
    let meet = |a: &'a str, b: &'a str| match (a, b) {
        (ANY, other) | (other, ANY) => Some(other),
        _ => (a == b).then_some(a),
    };
    let mut rest: BTreeMap<(&str, &str), BTreeSet<Scope>> = BTreeMap::new();
    for ((object, action), scopes) in granted {
        for key in key_scopes {
            if let (Some(object), Some(action)) = (meet(object, &key.object), meet(action, &key.action)) {
                rest.entry((object, action)).or_default().extend(scopes);
            }
        }
    }
    rest
}

fn fields(roles: &[RoleBody]) -> Vec<pb::FieldRule> {
    let named: BTreeSet<(&str, &str)> =
        roles.iter().flat_map(|r| &r.fields).map(|f| (f.object.as_str(), f.field.as_str())).collect();
    named
        .into_iter()
        .filter_map(|(object, field)| {
            let counting = roles.iter().filter(|r| r.grants_on(object));
            let access = counting.map(|r| r.field_access(object, field)).max()?;
            (access != FieldAccess::Edit).then(|| pb::FieldRule {
                object: object.to_owned(),
                field: field.to_owned(),
                access: wire_access(access) as i32,
            })
        })
        .collect()
}

pub(crate) fn wire_scope(scope: Scope) -> pb::Scope {
    match scope {
        Scope::Own => pb::Scope::Own,
        Scope::Team => pb::Scope::Team,
        Scope::All => pb::Scope::All,
    }
}

pub(crate) fn wire_access(access: FieldAccess) -> pb::FieldAccess {
    match access {
        FieldAccess::None => pb::FieldAccess::None,
        FieldAccess::Read => pb::FieldAccess::Read,
        FieldAccess::Edit => pb::FieldAccess::Edit,
    }
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
