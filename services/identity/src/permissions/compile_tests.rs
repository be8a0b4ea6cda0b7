use auth::{Access, Scopes, Snapshot};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::roles::body::{FieldRule, ObjectPermission};

fn permission(object: &str, actions: &[&str], scopes: &[Scope]) -> ObjectPermission {
    ObjectPermission {
        object: object.to_owned(),
        actions: actions.iter().map(|a| (*a).to_owned()).collect(),
        scopes: scopes.iter().copied().collect(),
    }
}

fn rule(object: &str, field: &str, access: FieldAccess) -> FieldRule {
    FieldRule { object: object.to_owned(), field: field.to_owned(), access }
}

fn snapshot(roles: &[RoleBody], key: Option<&[KeyScope]>) -> Snapshot {
    let (objects, field_rules) = compile(roles, key);
    Snapshot::from_wire(&pb::PermissionSnapshot {
        version: 1,
        lease_until: None,
        objects,
        field_rules,
        team_ids: vec![],
        team_member_ids: vec![],
        owner_id: Uuid::from_u128(1).to_string(),
        allows_duplicates: false,
        role_ids: vec![],
    })
}

#[test]
fn roles_unite_per_action_and_not_across_actions() {
    let rep = RoleBody {
        permissions: vec![permission("contact", &["read", "update"], &[Scope::Own])],
        fields: vec![],
    };
    let reader = RoleBody { permissions: vec![permission("*", &["read"], &[Scope::All])], fields: vec![] };
    let s = snapshot(&[rep, reader], None);
    assert!(s.scopes("contact", "read").contains(Scopes::ALL));
    assert_eq!(s.scopes("contact", "update"), Scopes::OWN);
    assert!(!s.allows("contact", "delete") && s.allows("company", "read") && !s.allows("company", "update"));
}

#[test]
fn no_role_is_no_permission() {
    assert!(!snapshot(&[], None).allows("contact", "read"));
}

#[test]
fn fields_take_the_most_over_the_roles_that_grant_something_on_the_object() {
    let hide =
        |fields| RoleBody { permissions: vec![permission("contact", &["read"], &[Scope::All])], fields };
    let hidden = hide(vec![rule("contact", "custom.budget", FieldAccess::None)]);
    let readable = hide(vec![rule("contact", "custom.budget", FieldAccess::Read)]);
    let open = hide(vec![]);
    let elsewhere =
        RoleBody { permissions: vec![permission("company", &["read"], &[Scope::All])], fields: vec![] };
    let everything = RoleBody::everything();
    let access = |roles: &[&RoleBody]| {
        let roles: Vec<RoleBody> = roles.iter().map(|r| (*r).clone()).collect();
        snapshot(&roles, None).mask("contact").access("custom.budget")
    };
    assert_eq!(access(&[&hidden]), Access::None);
    assert_eq!(
        access(&[&hidden, &elsewhere]),
        Access::None,
        "a role without contacts says nothing about their fields"
    );
    assert_eq!(access(&[&hidden, &readable]), Access::Read);
    assert_eq!(access(&[&hidden, &open]), Access::Edit);
    assert_eq!(access(&[&hidden, &everything]), Access::Edit);
}

#[test]
fn an_explicit_none_wins_within_a_role() {
    let role = RoleBody {
        permissions: vec![permission("contact", &["read"], &[Scope::All])],
        fields: vec![
            rule("contact", "score", FieldAccess::Edit),
            rule("contact", "score", FieldAccess::None),
            rule("contact", "score", FieldAccess::Read),
        ],
    };
    assert!(snapshot(&[role], None).mask("contact").hides("score"));
}

#[test]
fn a_key_has_what_both_its_owner_and_its_scopes_allow() {
    let owner = RoleBody {
        permissions: vec![
            permission("contact", &["read", "update"], &[Scope::Own]),
            permission("*", &["read"], &[Scope::Team]),
        ],
        fields: vec![rule("contact", "custom.budget", FieldAccess::None)],
    };
    let scopes = |texts: &[&str]| texts.iter().map(|t| KeyScope::parse(t).unwrap()).collect::<Vec<_>>();
    let key =
        snapshot(std::slice::from_ref(&owner), Some(&scopes(&["contact.*", "company.read", "user.update"])));
    assert_eq!(key.scopes("contact", "update"), Scopes::OWN);
    assert!(key.allows("company", "read") && !key.allows("company", "update"));
    assert!(!key.allows("user", "update") && !key.allows("deal", "read"));
    assert!(key.mask("contact").hides("custom.budget"), "the owner's field rules hold for its keys");
    assert!(!snapshot(&[owner], Some(&[])).allows("contact", "read"), "no scope is no permission");
}

const OBJECTS: [&str; 4] = ["*", "contact", "company", "user"];
const ACTIONS: [&str; 4] = ["*", "read", "update", "delete"];

fn any_role() -> impl Strategy<Value = RoleBody> {
    let scope = prop::sample::select(vec![Scope::Own, Scope::Team, Scope::All]);
    let one = (
        prop::sample::select(&OBJECTS[..]),
        prop::collection::btree_set(prop::sample::select(&ACTIONS[..]), 1..3),
        prop::collection::btree_set(scope, 1..3),
    )
        .prop_map(|(object, actions, scopes)| ObjectPermission {
            object: object.to_owned(),
            actions: actions.into_iter().map(str::to_owned).collect(),
            scopes,
        });
    let access = prop::sample::select(vec![FieldAccess::None, FieldAccess::Read, FieldAccess::Edit]);
    let field = (prop::sample::select(&OBJECTS[1..3]), prop::sample::select(vec!["a", "b"]), access)
        .prop_map(|(object, field, access)| rule(object, field, access));
    (prop::collection::vec(one, 0..4), prop::collection::vec(field, 0..4))
        .prop_map(|(permissions, fields)| RoleBody { permissions, fields })
}

/// The rule by itself, per role, without compiling.
fn role_reaches(role: &RoleBody, object: &str, action: &str, scope: Scope) -> bool {
    role.permissions.iter().any(|p| {
        (p.object == "*" || p.object == object)
            && (p.actions.contains("*") || p.actions.contains(action))
            && p.scopes.contains(&scope)
    })
}

fn wire(scope: Scope) -> Scopes {
    match scope {
        Scope::Own => Scopes::OWN,
        Scope::Team => Scopes::TEAM,
        Scope::All => Scopes::ALL,
    }
}

proptest! {
    #[test]
    fn a_snapshot_is_never_broader_and_never_narrower_than_its_roles(roles in prop::collection::vec(any_role(), 0..4)) {
        let s = snapshot(&roles, None);
        for object in &OBJECTS[1..] {
            for action in &ACTIONS[1..] {
                for scope in [Scope::Own, Scope::Team, Scope::All] {
                    let reached = roles.iter().any(|r| role_reaches(r, object, action, scope));
                    prop_assert_eq!(s.scopes(object, action).contains(wire(scope)), reached);
                }
            }
            for field in ["a", "b"] {
                let most = roles.iter().filter(|r| r.grants_on(object)).map(|r| r.field_access(object, field)).max();
                let found = s.mask(object).access(field);
                match most {
                    Some(FieldAccess::None) => prop_assert_eq!(found, Access::None),
                    Some(FieldAccess::Read) => prop_assert_eq!(found, Access::Read),
                    Some(FieldAccess::Edit) | None => prop_assert_eq!(found, Access::Edit),
                }
            }
        }
    }

    #[test]
    fn a_key_is_never_broader_than_its_owner_or_its_scopes(
        roles in prop::collection::vec(any_role(), 0..4),
        scopes in prop::collection::vec((prop::sample::select(&OBJECTS[..]), prop::sample::select(&ACTIONS[..])), 0..4),
    ) {
        let key_scopes: Vec<KeyScope> =
            scopes.iter().map(|(o, a)| KeyScope { object: (*o).to_owned(), action: (*a).to_owned() }).collect();
        let (owner, key) = (snapshot(&roles, None), snapshot(&roles, Some(&key_scopes)));
        for object in &OBJECTS[1..] {
            for action in &ACTIONS[1..] {
                let within = scopes.iter().any(|(o, a)| (o == object || *o == "*") && (a == action || *a == "*"));
                let expected = if within { owner.scopes(object, action) } else { Scopes::default() };
                prop_assert_eq!(key.scopes(object, action), expected);
            }
        }
    }
}
