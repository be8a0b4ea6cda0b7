//! What everybody reaches, worked out from the database's rows alone: the service's own code has no part in it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Result;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

pub const OBJECTS: [&str; 5] = ["contact", "company", "user", "role", "team"];
pub const ACTIONS: [&str; 4] = ["create", "read", "update", "delete"];

/// A record that somebody may reach, by what rules look at: its owner and its team.
type Row = (Uuid, Option<Uuid>);
/// An action on a record.
pub type Reach = BTreeSet<(&'static str, &'static str, Row)>;

/// One user with what decides about it.
#[derive(Clone, Debug, Default)]
struct Member {
    disabled: bool,
    teams: BTreeSet<Uuid>,
    /// The `permissions` of each role held.
    roles: Vec<Value>,
}

/// A tenant's users at one moment.
#[derive(Clone, Debug)]
pub struct State(BTreeMap<Uuid, Member>);

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
        let rows: Vec<(Uuid, Value)> = sqlx::query_as(
            "SELECT ur.user_id, r.permissions FROM identity.user_role ur
             JOIN identity.role r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id AND r.deleted_at IS NULL
             WHERE ur.tenant_id = $1",
        )
        .bind(tenant)
        .fetch_all(&mut *sql)
        .await?;
        for (user, permissions) in rows {
            users.entry(user).or_default().roles.push(permissions);
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

    /// The scopes of an action over all roles of a user.
    fn scopes(&self, user: Uuid, object: &str, action: &str) -> BTreeSet<String> {
        let names = |value: &Value, wanted: &str| {
            value.as_array().is_some_and(|v| v.iter().any(|v| v == "*" || v == wanted))
        };
        let Some(member) = self.0.get(&user) else { return BTreeSet::new() };
        let permissions = member.roles.iter().flat_map(|role| role.as_array().cloned().unwrap_or_default());
        permissions
            .filter(|p| (p["object"] == "*" || p["object"] == object) && names(&p["actions"], action))
            .flat_map(|p| p["scopes"].as_array().cloned().unwrap_or_default())
            .filter_map(|scope| scope.as_str().map(str::to_owned))
            .collect()
    }

    /// What a user reaches of these rows. A disabled one reaches nothing.
    pub fn reach(&self, user: Uuid, rows: &[Row]) -> Reach {
        let mut reach = Reach::new();
        let Some(member) = self.0.get(&user).filter(|m| !m.disabled) else { return reach };
        let colleague = |owner: &Uuid| self.0.get(owner).is_some_and(|o| !o.teams.is_disjoint(&member.teams));
        for object in OBJECTS {
            for action in ACTIONS {
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

    /// What `other` reaches of these rows and `user` does not, nor would with the same action on rows of their own: who may
    /// do something with their own records may let others do it with theirs.
    pub fn beyond<'a>(
        &self,
        user: Uuid,
        reach: &'a Reach,
        other: Uuid,
        theirs: &'a Reach,
    ) -> Vec<&'a (&'static str, &'static str, Row)> {
        let has = |object: &str, action: &str| !self.scopes(user, object, action).is_empty();
        theirs
            .difference(reach)
            .filter(|(object, action, (owner, _))| !(*owner == other && has(object, action)))
            .collect()
    }
}
