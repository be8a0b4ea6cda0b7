//! What everybody reaches, worked out from the database's rows alone: the service's own code has no part in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

pub const OBJECTS: [&str; 5] = ["contact", "company", "user", "role", "team"];
pub const ACTIONS: [&str; 4] = ["create", "read", "update", "delete"];
/// The field that rules are about, on each object that has rules.
pub const FIELD: &str = "phones";
/// What is done with that field, as an action on a record that is reached by whatever action.
const OF_FIELD: [&str; 2] = ["see the field", "change the field"];
/// How a rule names them, from the least.
const ACCESS: [&str; 3] = ["none", "read", "edit"];

/// A record that somebody may reach, by what rules look at: its owner and its team.
type Row = (Uuid, Option<Uuid>);
/// An action on a record.
pub type Reach = BTreeSet<(&'static str, &'static str, Row)>;

/// One user with what decides about it.
#[derive(Clone, Debug, Default)]
struct Member {
    disabled: bool,
    teams: BTreeSet<Uuid>,
    /// The `permissions` and `fields` of each role held.
    roles: Vec<(Value, Value)>,
}

impl Member {
    /// The scopes of an action, or of any.
    fn scopes(&self, object: &str, action: Option<&str>) -> BTreeSet<String> {
        self.roles.iter().flat_map(|(permissions, _)| scopes_of(permissions, object, action)).collect()
    }

    /// The most that one of the roles which grant anything on the object lets do with the field; of a role, the least that its
    /// rules say.
    fn field_access(&self, object: &str) -> usize {
        let of_role = |rules: &Value| {
            let rules = rules.as_array().cloned().unwrap_or_default().into_iter();
            let rules = rules.filter(|rule| rule["object"] == object && rule["field"] == FIELD);
            rules.filter_map(|rule| ACCESS.iter().position(|name| rule["access"] == *name)).min().unwrap_or(2)
        };
        let granting = self.roles.iter().filter(|(p, _)| !scopes_of(p, object, None).is_empty());
        granting.map(|(_, rules)| of_role(rules)).max().unwrap_or(0)
    }
}

fn scopes_of(permissions: &Value, object: &str, action: Option<&str>) -> BTreeSet<String> {
    let names = |value: &Value| {
        value
            .as_array()
            .is_some_and(|v| v.iter().any(|v| v == "*" || action.is_none_or(|action| v == action)))
    };
    let permissions = permissions.as_array().cloned().unwrap_or_default().into_iter();
    permissions
        .filter(|p| (p["object"] == "*" || p["object"] == object) && names(&p["actions"]))
        .flat_map(|p| p["scopes"].as_array().cloned().unwrap_or_default())
        .filter_map(|scope| scope.as_str().map(str::to_owned))
        .collect()
}

/// A tenant's users at one moment.
#[derive(Clone, Debug)]
pub struct State(BTreeMap<Uuid, Member>);

/// The scopes of an API key, `<object>` and `<action>`; `None`: its owner's own session.
pub type Cut = Option<Vec<(String, String)>>;

/// Whether a principal so cut may use an action at all.
pub fn lets(cut: &Cut, object: &str, action: &str) -> bool {
    // A field is reached with whatever action there is.
    let fits = |name: &str, wanted: &str| name == "*" || name == wanted || OF_FIELD.contains(&wanted);
    cut.as_ref().is_none_or(|scopes| scopes.iter().any(|(o, a)| fits(o, object) && fits(a, action)))
}

impl State {
    pub async fn read(sql: &mut PgConnection, tenant: Uuid) -> Result<Self> {
        let mut users: BTreeMap<Uuid, Member> = BTreeMap::new();
        let rows: Vec<(Uuid, String)> =
            sqlx::query_as("SELECT id, state FROM identity.app_user WHERE tenant_id = $1")
                .bind(tenant)
                .fetch_all(&mut *sql)
                .await?;
        for (id, state) in rows {
            users.entry(id).or_default().disabled = state == "disabled";
        }
        let rows: Vec<(Uuid, Uuid)> =
            sqlx::query_as("SELECT user_id, team_id FROM identity.user_team WHERE tenant_id = $1")
                .bind(tenant)
                .fetch_all(&mut *sql)
                .await?;
        for (user, team) in rows {
            users.entry(user).or_default().teams.insert(team);
        }
        let rows: Vec<(Uuid, Value, Value)> = sqlx::query_as(
            "SELECT ur.user_id, r.permissions, r.fields FROM identity.user_role ur
             JOIN identity.role r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id AND r.deleted_at IS NULL
             WHERE ur.tenant_id = $1",
        )
        .bind(tenant)
        .fetch_all(&mut *sql)
        .await?;
        for (user, permissions, fields) in rows {
            users.entry(user).or_default().roles.push((permissions, fields));
        }
        Ok(Self(users))
    }

    pub fn users(&self) -> impl Iterator<Item = Uuid> {
        self.0.keys().copied()
    }

    /// Every record that may exist now: each user's, in each team and in none.
    pub fn rows(&self, teams: &[Uuid]) -> Vec<Row> {
        let places = || teams.iter().copied().map(Some).chain([None]);
        self.0.keys().flat_map(|owner| places().map(|team| (*owner, team))).collect()
    }

    /// The scopes of an action over all roles of a user; of an action on the field those of every action, if their roles together
    /// let them.
    fn scopes(&self, user: Uuid, object: &str, action: &str) -> BTreeSet<String> {
        let Some(member) = self.0.get(&user) else { return BTreeSet::new() };
        if let Some(least) = OF_FIELD.iter().position(|name| *name == action) {
            let lets = member.field_access(object) > least;
            return if lets { member.scopes(object, None) } else { BTreeSet::new() };
        }
        member.scopes(object, Some(action))
    }

    /// What a user reaches of these rows. A disabled one reaches nothing.
    pub fn reach(&self, user: Uuid, rows: &[Row]) -> Reach {
        let mut reach = Reach::new();
        let Some(member) = self.0.get(&user).filter(|m| !m.disabled) else { return reach };
        let colleague = |owner: &Uuid| self.0.get(owner).is_some_and(|o| !o.teams.is_disjoint(&member.teams));
        for object in OBJECTS {
            for action in ACTIONS.into_iter().chain(OF_FIELD) {
                let scopes = self.scopes(user, object, action);
                for row @ (owner, team) in rows {
                    let own = *owner == user && !scopes.is_empty();
                    let shared = scopes.contains("team")
                        && (colleague(owner) || team.is_some_and(|t| member.teams.contains(&t)));
                    if scopes.contains("all") || own || shared {
                        reach.insert((object, action, *row));
                    }
                }
            }
        }
        reach
    }

    /// What a user reaches through a key so cut.
    pub fn reach_of_key(&self, user: Uuid, cut: &Cut, rows: &[Row]) -> Reach {
        self.reach(user, rows).into_iter().filter(|(object, action, _)| lets(cut, object, action)).collect()
    }

    /// What is in `theirs` and not in `reach`, but for what the principal may do with records of its own: who may do something
    /// with their own records may let others do it with theirs.
    pub fn beyond<'a>(
        &self,
        (user, cut): (Uuid, &Cut),
        reach: &'a Reach,
        other: Uuid,
        theirs: &'a Reach,
    ) -> Vec<&'a (&'static str, &'static str, Row)> {
        let has = |object: &str, action: &str| {
            lets(cut, object, action) && !self.scopes(user, object, action).is_empty()
        };
        theirs
            .difference(reach)
            .filter(|(object, action, (owner, _))| !(*owner == other && has(object, action)))
            .collect()
    }
}
