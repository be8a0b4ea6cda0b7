//! Whether a role lies within what somebody may do: nobody hands out more than they have.

use auth::{Access, Scopes, Snapshot};
use error::{Error, Reason};
use proto::identity::v1::PermissionSnapshot;

use super::body::{FieldAccess, RoleBody, Scope};
use super::names;
use crate::metrics;
use crate::permissions::compile::compile;

/// Refuses a role that allows what the caller may not do. Errors: 403 `ROLE_EXCEEDS_CALLER`.
pub(crate) fn check(body: &RoleBody, caller: &Snapshot) -> Result<(), Error> {
    if within(body, caller) {
        return Ok(());
    }
    let text = "the role allows more than you may do yourself";
    Err(metrics::beyond(Reason::ROLE_EXCEEDS_CALLER, text))
}

/// Whether a change of a role takes anything away. Only a change that provably does not is no narrowing.
pub(crate) fn narrows(before: &RoleBody, after: &RoleBody) -> bool {
    let (objects, field_rules) = compile(std::slice::from_ref(after), None);
    let after =
        Snapshot::from_wire(&PermissionSnapshot { objects, field_rules, ..PermissionSnapshot::default() });
    !within(before, &after)
}

/// Whether all that the role allows is allowed by the snapshot. A wildcard lies within the same wildcard only: what it will
/// mean is not known.
fn within(body: &RoleBody, snapshot: &Snapshot) -> bool {
    let permissions = body.permissions.iter().all(|p| {
        p.actions.iter().all(|action| {
            let reached = snapshot.scopes(&p.object, action);
            p.scopes.iter().all(|scope| match scope {
                Scope::All => reached.contains(Scopes::ALL),
                Scope::Team => reached.contains(Scopes::ALL) || reached.contains(Scopes::TEAM),
                Scope::Own => !reached.is_empty(),
            })
        })
    });
    permissions && names::restrictable().all(|object| fields_within(body, object, snapshot))
}

/// Whether what the role lets see and change of an object's fields is seen and changed by the snapshot.
pub(crate) fn fields_within(body: &RoleBody, object: &str, snapshot: &Snapshot) -> bool {
    let mask = snapshot.mask(object);
    let at_most =
        |access, most| mask.names(access).iter().all(|field| body.field_access(object, field) <= most);
    !body.grants_on(object)
        || (at_most(Access::None, FieldAccess::None) && at_most(Access::Read, FieldAccess::Read))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roles::body::{FieldRule, ObjectPermission};

    fn role(object: &str, action: &str, scope: Scope) -> RoleBody {
        let permission = ObjectPermission {
            object: object.into(),
            actions: [action.to_owned()].into(),
            scopes: [scope].into(),
        };
        RoleBody { permissions: vec![permission], fields: vec![] }
    }

    fn with_rule(mut body: RoleBody, field: &str, access: FieldAccess) -> RoleBody {
        body.fields.push(FieldRule { object: "contact".into(), field: field.into(), access });
        body
    }

    fn exceeds(body: &RoleBody, caller: &RoleBody) -> bool {
        let (objects, field_rules) = compile(std::slice::from_ref(caller), None);
        let caller = Snapshot::from_wire(&PermissionSnapshot {
            objects,
            field_rules,
            ..PermissionSnapshot::default()
        });
        check(body, &caller).is_err_and(|e| e.reason() == "ROLE_EXCEEDS_CALLER")
    }

    #[test]
    fn nobody_grants_an_action_a_scope_or_a_field_they_do_not_have() {
        let caller = with_rule(role("contact", "read", Scope::Team), "score", FieldAccess::Read);
        let own = |b| with_rule(b, "score", FieldAccess::Read);
        assert!(!exceeds(&own(role("contact", "read", Scope::Team)), &caller));
        assert!(!exceeds(&own(role("contact", "read", Scope::Own)), &caller));
        assert!(!exceeds(
            &with_rule(role("contact", "read", Scope::Own), "score", FieldAccess::None),
            &caller
        ));
        for (what, body) in [
            ("a wider scope", own(role("contact", "read", Scope::All))),
            ("another action", own(role("contact", "delete", Scope::Own))),
            ("every action", own(role("contact", "*", Scope::Own))),
            ("another object", role("company", "read", Scope::Own)),
            ("every object", own(role("*", "read", Scope::Own))),
            ("the field without a rule", role("contact", "read", Scope::Own)),
            ("the field to edit", with_rule(role("contact", "read", Scope::Own), "score", FieldAccess::Edit)),
        ] {
            assert!(exceeds(&body, &caller), "{what}");
        }
        assert!(!exceeds(&RoleBody::everything(), &RoleBody::everything()));
        assert!(!exceeds(&RoleBody::default(), &RoleBody::default()));
    }

    #[test]
    fn a_change_narrows_unless_all_before_is_still_allowed() {
        let own = role("contact", "read", Scope::Own);
        let all = role("contact", "read", Scope::All);
        assert!(!narrows(&own, &all) && narrows(&all, &own));
        assert!(!narrows(&own, &RoleBody::everything()) && narrows(&RoleBody::everything(), &own));
        let hiding = with_rule(own.clone(), "score", FieldAccess::None);
        assert!(narrows(&own, &hiding) && !narrows(&hiding, &own));
        assert!(!narrows(&RoleBody::default(), &own));
    }
}
