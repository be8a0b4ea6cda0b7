//! The compiled permissions of one principal. Caches hold snapshots, never decisions.

use std::collections::HashMap;

use proto::identity::v1::{self as pb, PermissionSnapshot};
use uuid::Uuid;

use crate::mask::{Access, FieldMask};
use crate::predicate::RowPredicate;

/// A set of scopes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scopes(u8);

impl Scopes {
    /// Rows the principal owns.
    pub const OWN: Self = Self(1);
    /// Rows of the principal's teams and of their members.
    pub const TEAM: Self = Self(2);
    /// Every row.
    pub const ALL: Self = Self(4);

    /// Both sets together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether every scope of `other` is in here.
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    fn from_wire(values: &[i32]) -> Self {
        values.iter().fold(Self::default(), |set, value| {
            set.union(match pb::Scope::try_from(*value) {
                Ok(pb::Scope::Own) => Self::OWN,
                Ok(pb::Scope::Team) => Self::TEAM,
                Ok(pb::Scope::All) => Self::ALL,
                // An unknown scope reaches nothing: fail closed.
                Ok(pb::Scope::Unspecified) | Err(_) => Self::default(),
            })
        })
    }
}

/// Everything that decides what one principal may do.
#[derive(Clone, Debug)]
pub struct Snapshot {
    version: i64,
    objects: HashMap<String, HashMap<String, Scopes>>,
    masks: HashMap<String, FieldMask>,
    open: FieldMask,
    owner: Uuid,
    teams: Vec<Uuid>,
    team_members: Vec<Uuid>,
    allows_duplicates: bool,
    roles: Vec<Uuid>,
}

impl Snapshot {
    /// Reads the wire form. Ids that are no ids reach nothing.
    pub fn from_wire(wire: &PermissionSnapshot) -> Self {
        let mut objects: HashMap<String, HashMap<String, Scopes>> = HashMap::new();
        for object in &wire.objects {
            let actions = objects.entry(object.object.clone()).or_default();
            for action in &object.actions {
                let scopes = actions.entry(action.action.clone()).or_default();
                *scopes = scopes.union(Scopes::from_wire(&action.scopes));
            }
        }
        let mut rules: HashMap<String, Vec<(String, Access)>> = HashMap::new();
        for rule in &wire.field_rules {
            let access = match pb::FieldAccess::try_from(rule.access) {
                Ok(pb::FieldAccess::Edit) => Access::Edit,
                Ok(pb::FieldAccess::Read) => Access::Read,
                Ok(pb::FieldAccess::None | pb::FieldAccess::Unspecified) | Err(_) => Access::None,
            };
            rules.entry(rule.object.clone()).or_default().push((rule.field.clone(), access));
        }
        let ids = |texts: &[String]| texts.iter().filter_map(|t| Uuid::try_parse(t).ok()).collect();
        Self {
            version: wire.version,
            objects,
            masks: rules.into_iter().map(|(object, rules)| (object, FieldMask::new(rules))).collect(),
            open: FieldMask::default(),
            owner: Uuid::try_parse(&wire.owner_id).unwrap_or_default(),
            teams: ids(&wire.team_ids),
            team_members: ids(&wire.team_member_ids),
            allows_duplicates: wire.allows_duplicates,
            roles: ids(&wire.role_ids),
        }
    }

    /// Grows with every change that touches the principal.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The user whose rows are "own".
    pub fn owner(&self) -> Uuid {
        self.owner
    }

    /// The roles of the principal's user.
    pub fn roles(&self) -> &[Uuid] {
        &self.roles
    }

    /// Whether the principal's organization takes records that are like others of its own.
    pub fn allows_duplicates(&self) -> bool {
        self.allows_duplicates
    }

    /// The scopes of an action on an object; `*` stands for every object and every action. Empty: not allowed.
    pub fn scopes(&self, object: &str, action: &str) -> Scopes {
        let mut scopes = Scopes::default();
        for object in [object, "*"] {
            if let Some(actions) = self.objects.get(object) {
                for action in [action, "*"] {
                    scopes = scopes.union(actions.get(action).copied().unwrap_or_default());
                }
            }
        }
        scopes
    }

    /// Whether the action is allowed on any row at all.
    pub fn allows(&self, object: &str, action: &str) -> bool {
        !self.scopes(object, action).is_empty()
    }

    /// Whether the action is allowed on any row of any object that has it.
    pub fn allows_somewhere(&self, action: &str) -> bool {
        let mut objects = proto::OBJECTS.iter().filter(|object| object.actions.contains(&action));
        objects.any(|object| self.allows(object.name, action))
    }

    /// The rows that an action reaches.
    pub fn predicate(&self, object: &str, action: &str) -> RowPredicate {
        let scopes = self.scopes(object, action);
        if scopes.contains(Scopes::ALL) {
            return RowPredicate::Always;
        }
        let mut parts = Vec::new();
        if scopes.contains(Scopes::TEAM) {
            let mut owners = self.team_members.clone();
            owners.push(self.owner);
            owners.sort();
            owners.dedup();
            parts.push(RowPredicate::OwnerIn(owners));
            if !self.teams.is_empty() {
                parts.push(RowPredicate::TeamIn(self.teams.clone()));
            }
        } else if scopes.contains(Scopes::OWN) {
            parts.push(RowPredicate::OwnerIn(vec![self.owner]));
        }
        match parts.len() {
            0 => RowPredicate::Never,
            1 => parts.remove(0),
            _ => RowPredicate::AnyOf(parts),
        }
    }

    /// The field rules of an object.
    pub fn mask(&self, object: &str) -> &FieldMask {
        self.masks.get(object).unwrap_or(&self.open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::RowFacts;

    fn snapshot(object: &str, action: &str, scopes: &[pb::Scope]) -> Snapshot {
        Snapshot::from_wire(&PermissionSnapshot {
            version: 3,
            lease_until: None,
            objects: vec![pb::SnapshotObject {
                object: object.to_owned(),
                actions: vec![pb::SnapshotAction {
                    action: action.to_owned(),
                    scopes: scopes.iter().map(|s| *s as i32).collect(),
                }],
            }],
            field_rules: vec![pb::FieldRule {
                object: "contact".to_owned(),
                field: "custom.budget".to_owned(),
                access: pb::FieldAccess::None as i32,
            }],
            team_ids: vec![Uuid::from_u128(50).to_string()],
            team_member_ids: vec![Uuid::from_u128(2).to_string()],
            owner_id: Uuid::from_u128(1).to_string(),
            allows_duplicates: false,
            role_ids: vec![],
        })
    }

    fn row(owner: u128, team: Option<u128>) -> RowFacts {
        RowFacts { owner_id: Some(Uuid::from_u128(owner)), team_id: team.map(Uuid::from_u128) }
    }

    #[test]
    fn nothing_granted_is_nothing_reached() {
        let s = snapshot("contact", "read", &[]);
        assert!(!s.allows("contact", "read"));
        assert_eq!(s.predicate("contact", "read"), RowPredicate::Never);
        assert_eq!(s.predicate("deal", "read"), RowPredicate::Never);
    }

    #[test]
    fn scopes_reach_own_team_and_all() {
        let own = snapshot("contact", "read", &[pb::Scope::Own]).predicate("contact", "read");
        assert!(own.evaluate(&row(1, None)) && !own.evaluate(&row(2, Some(50))));
        let team = snapshot("contact", "read", &[pb::Scope::Team]).predicate("contact", "read");
        assert!(
            team.evaluate(&row(1, None)) && team.evaluate(&row(2, None)) && team.evaluate(&row(3, Some(50)))
        );
        assert!(!team.evaluate(&row(3, Some(51))) && !team.evaluate(&RowFacts::default()));
        assert_eq!(snapshot("*", "*", &[pb::Scope::All]).predicate("deal", "delete"), RowPredicate::Always);
    }

    #[test]
    fn a_hidden_field_is_named_by_the_mask_of_its_object_only() {
        let s = snapshot("contact", "read", &[pb::Scope::All]);
        assert!(s.mask("contact").hides("custom.budget") && !s.mask("company").hides("custom.budget"));
        assert_eq!(s.mask("contact").hidden_custom_keys(), ["budget"]);
    }
}
