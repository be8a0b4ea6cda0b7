//! Who may do what to whose rows: roles, actions and scopes, evaluated as every service evaluates them.

use std::fmt::Write;

use auth::{RowFacts, Snapshot};
use proto::identity::v1::{PermissionSnapshot, Scope, SnapshotAction, SnapshotObject};
use uuid::Uuid;

use super::same;

const ME: Uuid = Uuid::from_u128(1);
const MATE: Uuid = Uuid::from_u128(2);
const STRANGER: Uuid = Uuid::from_u128(3);
const MY_TEAM: Uuid = Uuid::from_u128(50);
const OTHER_TEAM: Uuid = Uuid::from_u128(51);

type Grants = &'static [(&'static str, &'static [&'static str], &'static [Scope])];

/// The roles of the table: what each grants.
const ROLES: &[(&str, Grants)] = &[
    ("administrator", &[("*", &["*"], &[Scope::All])]),
    (
        "manager",
        &[
            ("contact", &["create", "read", "update", "delete", "export"], &[Scope::Team]),
            ("company", &["*"], &[Scope::All]),
        ],
    ),
    (
        "rep",
        &[
            ("contact", &["create", "read", "update", "delete"], &[Scope::Own]),
            ("company", &["read"], &[Scope::All]),
        ],
    ),
    // Two roles united: the wider scope of each action.
    (
        "rep+reader",
        &[
            ("contact", &["create", "read", "update", "delete"], &[Scope::Own]),
            ("contact", &["read"], &[Scope::All]),
            ("contact", &["update"], &[Scope::Team]),
        ],
    ),
    ("reader of everything", &[("*", &["read"], &[Scope::All])]),
    ("everything of my own", &[("*", &["*"], &[Scope::Own])]),
    ("no scope", &[("contact", &["read", "update"], &[])]),
    ("unknown scope", &[("contact", &["read"], &[Scope::Unspecified])]),
    ("nobody", &[]),
];

const OBJECTS: &[&str] = &["contact", "company", "role"];
const ACTIONS: &[&str] = &["create", "read", "update", "delete", "export"];

fn rows() -> [(&'static str, RowFacts); 6] {
    let row = |owner_id, team_id| RowFacts { owner_id, team_id };
    [
        ("mine", row(Some(ME), None)),
        ("mate's", row(Some(MATE), None)),
        ("team's", row(Some(STRANGER), Some(MY_TEAM))),
        ("theirs", row(Some(STRANGER), Some(OTHER_TEAM))),
        ("orphan", row(None, None)),
        ("orphan of team", row(None, Some(MY_TEAM))),
    ]
}

fn snapshot(grants: Grants) -> Snapshot {
    let objects = grants.iter().map(|(object, actions, scopes)| SnapshotObject {
        object: (*object).to_owned(),
        actions: actions
            .iter()
            .map(|action| SnapshotAction {
                action: (*action).to_owned(),
                scopes: scopes.iter().map(|s| *s as i32).collect(),
            })
            .collect(),
    });
    Snapshot::from_wire(&PermissionSnapshot {
        version: 1,
        objects: objects.collect(),
        team_ids: vec![MY_TEAM.to_string()],
        team_member_ids: vec![ME.to_string(), MATE.to_string()],
        owner_id: ME.to_string(),
        ..PermissionSnapshot::default()
    })
}

#[test]
fn the_matrix_of_roles_actions_and_rows_is_the_committed_one() {
    let mut table = String::from("# role | object | action | rows that are reached\n");
    for (role, grants) in ROLES {
        let snapshot = snapshot(grants);
        for object in OBJECTS {
            for action in ACTIONS {
                let predicate = snapshot.predicate(object, action);
                let reached: Vec<_> =
                    rows().iter().filter(|(_, row)| predicate.evaluate(row)).map(|(name, _)| *name).collect();
                assert!(snapshot.allows(object, action) || reached.is_empty(), "{role} {object} {action}");
                let reached = match reached.len() {
                    0 => "-".to_owned(),
                    6 => "all".to_owned(),
                    _ => reached.join(", "),
                };
                writeln!(table, "{role} | {object} | {action} | {reached}").expect("text");
            }
        }
    }
    same("permissions.txt", include_str!("permissions.txt"), &table);
}
