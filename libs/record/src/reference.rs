//! Ids in bodies: every one must name something that the caller may see. Foreign, invisible, deleted and random ids all
//! answer the same bytes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auth::{Context, Future};
use cache::Expiring;
use db::TenantTx;
use error::{Error, Violation};
use query::RowScope;
use uuid::Uuid;

use super::definitions::FieldSet;
use super::{Env, Fields, Object, Record, custom, store};

/// How long a user or team that was found counts as found.
const FOUND_FOR: Duration = Duration::from_secs(10);
/// Findings held at once.
const MAX_FOUND: usize = 50_000;

/// Asks identity which of these users and teams do not exist in the caller's tenant.
pub type Ask =
    Arc<dyn Fn(Context, Vec<Uuid>, Vec<Uuid>) -> Future<Result<(Vec<Uuid>, Vec<Uuid>), Error>> + Send + Sync>;

/// An id, what it should name, and where it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `user`, `team`, `contact`, …
    pub object: String,
    pub id: Uuid,
    pub pointer: String,
}

/// Every id in the writable fields and lookups of `after` that `before` does not have in the same place.
pub fn all(object: &Object, set: &FieldSet, before: Option<&Record>, after: &Record) -> Vec<Reference> {
    let standard = object.links().iter().filter_map(|(name, target)| {
        let value = after.fields.get(*name)?;
        let is_new = before.is_none_or(|before| before.fields.get(*name) != Some(value));
        let id = Uuid::try_parse(value.as_str()?).ok().filter(|_| is_new)?;
        Some(Reference { object: (*target).to_owned(), id, pointer: format!("/{name}") })
    });
    let nothing = Fields::new();
    let lookups = custom::lookups(set, before.map_or(&nothing, |before| &before.custom), &after.custom);
    let lookups = lookups.into_iter().map(|(object, id, pointer)| Reference { object, id, pointer });
    standard.chain(lookups).collect()
}

/// Checks users and teams, with findings held for a moment. Cheap to clone.
#[derive(Clone)]
pub struct People {
    ask: Ask,
    found: Arc<Expiring<(Uuid, Uuid), ()>>,
}

impl std::fmt::Debug for People {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("People").finish_non_exhaustive()
    }
}

impl People {
    pub fn new(ask: Ask) -> Self {
        Self { ask, found: Arc::new(Expiring::new(MAX_FOUND)) }
    }

    /// The violations among references to users and teams; others are left to [`records`].
    pub async fn check(&self, cx: &Context, references: &[Reference]) -> Result<Vec<Violation>, Error> {
        let tenant = cx.tenant.id().uuid();
        let open = |object: &str| {
            let ids =
                references.iter().filter(|r| r.object == object && r.id != cx.user().uuid()).map(|r| r.id);
            let mut ids: Vec<Uuid> = ids.filter(|id| self.found.get(&(tenant, *id)).is_none()).collect();
            ids.sort_unstable();
            ids.dedup();
            ids
        };
        let (users, teams) = (open("user"), open("team"));
        if users.is_empty() && teams.is_empty() {
            return Ok(Vec::new());
        }
        let (no_users, no_teams) = (self.ask)(cx.clone(), users.clone(), teams.clone()).await?;
        let asked = users.into_iter().chain(teams);
        for id in asked.filter(|id| !no_users.contains(id) && !no_teams.contains(id)) {
            self.found.put((tenant, id), (), FOUND_FOR);
        }
        let missing = |r: &&Reference| match r.object.as_str() {
            "user" => no_users.contains(&r.id),
            "team" => no_teams.contains(&r.id),
            _ => false,
        };
        Ok(references.iter().filter(missing).map(|r| Violation::reference_not_found(&r.pointer)).collect())
    }
}

/// The violations among references to records of this service, one statement per object.
pub async fn records(
    env: &Env,
    tx: &mut TenantTx,
    cx: &Context,
    references: &[Reference],
) -> Result<Vec<Violation>, Error> {
    let mut by_object: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for reference in references.iter().filter(|r| !matches!(r.object.as_str(), "user" | "team")) {
        by_object.entry(&reference.object).or_default().push(reference);
    }
    let mut violations = Vec::new();
    for (name, references) in by_object {
        let ids: Vec<Uuid> = references.iter().map(|r| r.id).collect();
        let found = match env.object(name) {
            Some(object) => {
                let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
                store::reached(tx, object, &ids, &scope).await?
            }
            // No object that this service could look into.
            None => Vec::new(),
        };
        let missing = references.iter().filter(|r| !found.contains(&r.id));
        violations.extend(missing.map(|r| Violation::reference_not_found(&r.pointer)));
    }
    Ok(violations)
}
