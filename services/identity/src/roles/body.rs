//! What a role says: permissions per object, rules per field.

use std::collections::BTreeSet;

use error::Reason;
use input::Violations;
use proto::identity::v1 as pb;
use serde::{Deserialize, Serialize};

use super::names;

/// Which rows an action reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Scope {
    Own,
    Team,
    All,
}

/// How far a role reaches into a field. The order is that of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum FieldAccess {
    None,
    Read,
    Edit,
}

/// What a role allows on one object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ObjectPermission {
    pub(crate) object: String,
    pub(crate) actions: BTreeSet<String>,
    pub(crate) scopes: BTreeSet<Scope>,
}

/// What a role allows on one field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FieldRule {
    pub(crate) object: String,
    pub(crate) field: String,
    pub(crate) access: FieldAccess,
}

/// The permissions and field rules of a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RoleBody {
    pub(crate) permissions: Vec<ObjectPermission>,
    pub(crate) fields: Vec<FieldRule>,
}

impl RoleBody {
    /// Everything on every row.
    pub(crate) fn everything() -> Self {
        let any = || names::ANY.to_owned();
        let all = ObjectPermission { object: any(), actions: [any()].into(), scopes: [Scope::All].into() };
        Self { permissions: vec![all], fields: Vec::new() }
    }

    /// Whether the role grants anything on an object.
    pub(crate) fn grants_on(&self, object: &str) -> bool {
        self.permissions.iter().any(|p| {
            (p.object == object || p.object == names::ANY) && !p.actions.is_empty() && !p.scopes.is_empty()
        })
    }

    /// The access to a field by this role alone: the least that a rule names, or edit without a rule.
    pub(crate) fn field_access(&self, object: &str, field: &str) -> FieldAccess {
        let rules = self.fields.iter().filter(|r| r.object == object && r.field == field);
        rules.map(|r| r.access).min().unwrap_or(FieldAccess::Edit)
    }
}

/// Reads permissions; violations point into `/permissions`.
pub(crate) fn read_permissions(
    wire: &[pb::ObjectPermission],
    violations: &mut Violations,
) -> Vec<ObjectPermission> {
    let mut permissions = Vec::with_capacity(wire.len());
    for (i, permission) in wire.iter().enumerate() {
        let at = format!("/permissions/{i}");
        let is_object = names::is_object(&permission.object);
        if !is_object {
            violations.note(format!("{at}/object"), Reason::UNKNOWN_OBJECT, "no such object");
        }
        // Of an unknown object only what is no action of any is wrong, too.
        let object = if is_object { &permission.object } else { names::ANY };
        for (j, action) in permission.actions.iter().enumerate() {
            if !names::is_action(object, action) {
                let text = "no method asks for this action of the object";
                violations.note(format!("{at}/actions/{j}"), Reason::UNKNOWN_ACTION, text);
            }
        }
        let mut scopes = BTreeSet::new();
        for (j, scope) in permission.scopes.iter().enumerate() {
            match pb::Scope::try_from(*scope) {
                Ok(pb::Scope::Own) => scopes.insert(Scope::Own),
                Ok(pb::Scope::Team) => scopes.insert(Scope::Team),
                Ok(pb::Scope::All) => scopes.insert(Scope::All),
                Ok(pb::Scope::Unspecified) | Err(_) => {
                    let pointer = format!("{at}/scopes/{j}");
                    violations.note(pointer, Reason::ENUM_VALUE_UNKNOWN, "own, team or all");
                    false
                }
            };
        }
        for (name, empty) in
            [("actions", permission.actions.is_empty()), ("scopes", permission.scopes.is_empty())]
        {
            if empty {
                violations.note(format!("{at}/{name}"), Reason::REQUIRED, "at least one");
            }
        }
        let actions = permission.actions.iter().cloned().collect();
        permissions.push(ObjectPermission { object: permission.object.clone(), actions, scopes });
    }
    permissions
}

/// Reads field rules; violations point into `/fields`. A custom field need not exist yet; a standard field must, for a rule on a name that
/// is wrongly spelt would leave the field open that was meant.
pub(crate) fn read_fields(wire: &[pb::FieldRule], violations: &mut Violations) -> Vec<FieldRule> {
    let mut fields = Vec::with_capacity(wire.len());
    for (i, rule) in wire.iter().enumerate() {
        let at = format!("/fields/{i}");
        let is_object = names::restrictable().any(|object| object == rule.object);
        if !is_object {
            let text = "no such object with field rules";
            violations.note(format!("{at}/object"), Reason::UNKNOWN_OBJECT, text);
        }
        let key = rule.field.strip_prefix("custom.").unwrap_or(&rule.field);
        if field_types::key::check(key).is_err() {
            let text = "a field's name or `custom.<key>`";
            violations.note(format!("{at}/field"), Reason::FIELD_NAME_INVALID, text);
        } else if is_object && key == rule.field && !names::is_field(&rule.object, key) {
            violations.unknown(format!("{at}/field"));
        }
        // These make a record what it is; without them no answer could be read.
        if ["id", "version"].contains(&rule.field.as_str()) {
            let text = "this field cannot be restricted";
            violations.note(format!("{at}/field"), Reason::FIELD_NOT_RESTRICTABLE, text);
        }
        let access = match pb::FieldAccess::try_from(rule.access) {
            Ok(pb::FieldAccess::None) => FieldAccess::None,
            Ok(pb::FieldAccess::Read) => FieldAccess::Read,
            Ok(pb::FieldAccess::Edit) => FieldAccess::Edit,
            Ok(pb::FieldAccess::Unspecified) | Err(_) => {
                violations.note(format!("{at}/access"), Reason::ENUM_VALUE_UNKNOWN, "none, read or edit");
                FieldAccess::None
            }
        };
        fields.push(FieldRule { object: rule.object.clone(), field: rule.field.clone(), access });
    }
    fields
}

/// An API key's scope, `<object>.<action>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct KeyScope {
    pub(crate) object: String,
    pub(crate) action: String,
}

impl KeyScope {
    /// Reads `<object>.<action>` with known names or `*`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (object, action) = text.split_once('.')?;
        names::is_action(object, action)
            .then(|| Self { object: object.to_owned(), action: action.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_violation_of_a_body_is_told_with_its_place() {
        let mut violations = Violations::default();
        read_permissions(
            &[
                pb::ObjectPermission {
                    object: "contact".into(),
                    actions: vec!["read".into()],
                    scopes: vec![3],
                },
                pb::ObjectPermission {
                    object: "spaceship".into(),
                    actions: vec!["fly".into()],
                    scopes: vec![0, 9],
                },
                pb::ObjectPermission { object: "*".into(), actions: vec![], scopes: vec![] },
                pb::ObjectPermission {
                    object: "note".into(),
                    actions: vec!["read".into(), "import".into()],
                    scopes: vec![1],
                },
                pb::ObjectPermission {
                    object: "ticket".into(),
                    actions: vec!["read".into()],
                    scopes: vec![1],
                },
            ],
            &mut violations,
        );
        read_fields(
            &[
                pb::FieldRule { object: "contact".into(), field: "custom.not_yet".into(), access: 1 },
                pb::FieldRule { object: "role".into(), field: "custom.".into(), access: 0 },
                pb::FieldRule { object: "contact".into(), field: "id".into(), access: 1 },
                pb::FieldRule { object: "contact".into(), field: "frist_name".into(), access: 1 },
                pb::FieldRule { object: "contact".into(), field: "first_name".into(), access: 1 },
                pb::FieldRule { object: "company".into(), field: "first_name".into(), access: 1 },
                pb::FieldRule { object: "contact".into(), field: "custom.frist_name".into(), access: 1 },
            ],
            &mut violations,
        );
        let found: Vec<_> = violations.iter().map(|v| (v.pointer.as_str(), v.reason.as_ref())).collect();
        assert_eq!(
            found,
            [
                ("/permissions/1/object", "UNKNOWN_OBJECT"),
                ("/permissions/1/actions/0", "UNKNOWN_ACTION"),
                ("/permissions/1/scopes/0", "ENUM_VALUE_UNKNOWN"),
                ("/permissions/1/scopes/1", "ENUM_VALUE_UNKNOWN"),
                ("/permissions/2/actions", "REQUIRED"),
                ("/permissions/2/scopes", "REQUIRED"),
                ("/permissions/3/actions/1", "UNKNOWN_ACTION"),
                ("/permissions/4/object", "UNKNOWN_OBJECT"),
                ("/fields/1/object", "UNKNOWN_OBJECT"),
                ("/fields/1/field", "FIELD_NAME_INVALID"),
                ("/fields/1/access", "ENUM_VALUE_UNKNOWN"),
                ("/fields/2/field", "FIELD_NOT_RESTRICTABLE"),
                ("/fields/3/field", "UNKNOWN_FIELD"),
                ("/fields/5/field", "UNKNOWN_FIELD"),
            ]
        );
    }

    #[test]
    fn the_least_access_that_a_role_names_is_its_own() {
        let rule = |access| FieldRule { object: "contact".into(), field: "score".into(), access };
        let body =
            RoleBody { permissions: vec![], fields: vec![rule(FieldAccess::Edit), rule(FieldAccess::None)] };
        assert_eq!(body.field_access("contact", "score"), FieldAccess::None);
        assert_eq!(body.field_access("company", "score"), FieldAccess::Edit);
    }

    #[test]
    fn key_scopes_name_known_objects_and_actions() {
        for good in ["contact.read", "*.read", "contact.*", "*.*"] {
            assert!(KeyScope::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "contact",
            "contact.",
            ".read",
            "contact.fly",
            "note.import",
            "ship.read",
            "contact.read.all",
        ] {
            assert_eq!(KeyScope::parse(bad), None, "{bad}");
        }
    }
}
