//! Ids in bodies: every one must name something that the caller may see. Foreign, invisible, deleted and random ids all
//! answer the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use auth::{Context, Future};
use cache::Expiring;
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use futures_util::future::{join_all, try_join_all};
use proto::common::v1::{RecordName, Warning};
use query::RowScope;
use uuid::Uuid;

use super::check::MAX_IDS;
use super::definitions::FieldSet;
use super::{Env, Fields, Object, Record, custom, patience, store};

/// How long a user or team that was found counts as found.
const FOUND_FOR: Duration = Duration::from_secs(10);
/// Findings held at once.
const MAX_FOUND: usize = 50_000;
/// What identity answers for.
pub(crate) const PEOPLE: &[&str] = &["user", "team"];

/// Ids by what they should name: `user`, `team`, `contact`, …
pub type Ids = BTreeMap<String, Vec<Uuid>>;

/// Asks another service which of these ids name nothing that the caller may refer to.
pub type Ask = Arc<dyn Fn(Context, Ids) -> Future<Result<Ids, Error>> + Send + Sync>;

/// Asks another service for the names of these ids, as far as the caller may read them; what is not among the answers does not exist.
pub type AskNames = Arc<dyn Fn(Context, Ids) -> Future<Result<Vec<RecordName>, Error>> + Send + Sync>;

/// An id, what it should name, and where it stands in the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// `user`, `team`, `contact`, …
    pub object: String,
    pub id: Uuid,
    pub pointer: String,
}

/// Every id in the writable fields and lookups of `after` that `before` does not have in the same field.
pub fn all(object: &Object, set: &FieldSet, before: Option<&Record>, after: &Record) -> Vec<Reference> {
    let standard = object.links().iter().filter_map(|(name, target)| {
        let value = after.fields.get(*name)?;
        let is_new = before.is_none_or(|before| before.fields.get(*name) != Some(value));
        let id = Uuid::try_parse(value.as_str()?).ok().filter(|_| is_new)?;
        Some(Reference { object: (*target).to_owned(), id, pointer: format!("/{name}") })
    });
    let lists = object.naming().iter().flat_map(|(name, naming)| {
        let named = |record: &Record| record.fields.get(*name).map(naming.ids).unwrap_or_default();
        let old: BTreeSet<(String, Uuid)> =
            before.map(named).into_iter().flatten().map(|named| (named.object, named.id)).collect();
        let new = named(after).into_iter().filter(move |n| !old.contains(&(n.object.clone(), n.id)));
        new.map(move |n| Reference { pointer: format!("/{name}{}", n.pointer), ..n })
    });
    let nothing = Fields::new();
    let lookups = custom::lookups(set, before.map_or(&nothing, |before| &before.custom), &after.custom);
    let lookups = lookups.into_iter().map(|(object, id, pointer)| Reference { object, id, pointer });
    standard.chain(lists).chain(lookups).collect()
}

/// Checks ids of what other services keep: users and teams, and records of objects that are not kept here. Cheap to clone.
#[derive(Clone)]
pub struct References {
    peers: Arc<Vec<Peer>>,
    found: Arc<Expiring<(Uuid, String, Uuid), ()>>,
}

/// A service that is asked.
pub(crate) struct Peer {
    /// What it answers for.
    objects: &'static [&'static str],
    /// Every caller of the tenant may see these objects, so a positive answer can be cached for the whole tenant.
    is_for_all: bool,
    ask: Ask,
    /// `None` where names are not asked for.
    pub(crate) names: Option<AskNames>,
}

impl Peer {
    /// The ids that it answers for, if there are any.
    pub(crate) fn part(&self, ids: &Ids) -> Option<Ids> {
        let part: Ids = ids
            .iter()
            .filter(|(object, _)| self.objects.contains(&object.as_str()))
            .map(|(object, ids)| (object.clone(), ids.clone()))
            .collect();
        (!part.is_empty()).then_some(part)
    }

    /// Those of the references that it answers for.
    fn among(&self, references: &[Reference]) -> impl Iterator<Item = (String, Uuid)> {
        let own = references.iter().filter(|r| self.objects.contains(&r.object.as_str()));
        own.map(|r| (r.object.clone(), r.id))
    }

    /// What is said while it does not answer.
    pub(crate) fn down(&self) -> Reason {
        match self.objects.first() {
            Some(&"user") => Reason::IDENTITY_UNAVAILABLE,
            Some(&"deal") => Reason::PIPELINE_UNAVAILABLE,
            _ => Reason::RECORDS_UNAVAILABLE,
        }
    }

    /// The failure of a question without whose answer nothing can be written.
    fn failure(&self, error: Error) -> Error {
        if error.code() != Code::Unavailable {
            return error;
        }
        let text = format!(
            "whether there are such records cannot be checked at the moment: {}",
            self.objects.join(", ")
        );
        let retry_after = error.retry_after();
        let failure = Error::unavailable(self.down(), text).with_source(error);
        match retry_after {
            Some(after) => failure.with_retry_after(after),
            None => failure,
        }
    }
}

impl std::fmt::Debug for References {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let objects: Vec<_> = self.peers.iter().map(|peer| peer.objects).collect();
        f.debug_struct("References").field("objects", &objects).finish_non_exhaustive()
    }
}

impl References {
    /// To users and teams alone, which identity is asked for.
    pub fn to_people(ask: Ask) -> Self {
        let people = Peer { objects: PEOPLE, is_for_all: true, ask, names: None };
        Self { peers: Arc::new(vec![people]), found: Arc::new(Expiring::new(MAX_FOUND)) }
    }

    /// To records of these objects, too, which another service is asked for.
    #[must_use]
    pub fn and_to(self, objects: &'static [&'static str], ask: Ask) -> Self {
        let Self { peers, found } = self;
        let before = Arc::into_inner(peers).unwrap_or_default().into_iter();
        let next = Peer { objects, is_for_all: false, ask, names: None };
        Self { peers: Arc::new(before.chain([next]).collect()), found }
    }

    /// What was added last is also asked for names.
    #[must_use]
    pub fn named_by(self, names: AskNames) -> Self {
        let Self { peers, found } = self;
        let mut peers = Arc::into_inner(peers).unwrap_or_default();
        if let Some(last) = peers.last_mut() {
            last.names = Some(names);
        }
        Self { peers: Arc::new(peers), found }
    }

    /// The services that are asked.
    pub(crate) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.peers.iter()
    }

    /// Whether another service answers for the object.
    pub fn asks_for(&self, object: &str) -> bool {
        self.peers.iter().any(|peer| peer.objects.contains(&object))
    }

    /// As [`Self::check`], where an answer can do without: what a service does not say soon counts as missing, and a warning says so.
    pub async fn check_soon(&self, cx: &Context, references: &[Reference]) -> Result<Soon, Error> {
        let asked = self
            .peers
            .iter()
            .map(async |peer| (peer, patience::within(self.unknown(cx, peer, references)).await));
        let (mut missing, mut warnings) = (BTreeSet::new(), Vec::new());
        for (peer, answer) in join_all(asked).await {
            match answer {
                Ok(unknown) => missing.extend(unknown),
                Err(error) if patience::is_outage(&error) => {
                    let objects = peer.objects.join(", ");
                    tracing::warn!(%objects, error = %error::chain(&error), "references are left out of an answer");
                    missing.extend(peer.among(references));
                    let (reason, parameter) = (peer.down().as_str().to_owned(), String::new());
                    let detail = format!(
                        "what names one of these is left out ({objects}): the service that has them does not answer at the moment"
                    );
                    warnings.push(Warning { reason, detail, parameter });
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Soon { missing: violations(references, &missing), warnings })
    }

    /// The violations among references to what other services keep, in their order; those to records kept here are left to
    /// [`records`]. One call for each service that is concerned, and for every 1,000 ids.
    pub async fn check(&self, cx: &Context, references: &[Reference]) -> Result<Vec<Violation>, Error> {
        let asked = self
            .peers
            .iter()
            .map(async |peer| self.unknown(cx, peer, references).await.map_err(|error| peer.failure(error)));
        let missing = try_join_all(asked).await?.into_iter().flatten().collect();
        Ok(violations(references, &missing))
    }

    /// Those that a service does not know, or does not show to the caller.
    async fn unknown(
        &self,
        cx: &Context,
        peer: &Peer,
        references: &[Reference],
    ) -> Result<BTreeSet<(String, Uuid)>, Error> {
        let tenant = cx.tenant.id().uuid();
        let is_known = |(object, id): &(String, Uuid)| {
            let is_caller = object == "user" && *id == cx.user().uuid();
            peer.is_for_all && (is_caller || self.found.get(&(tenant, object.clone(), *id)).is_some())
        };
        let open: BTreeSet<(String, Uuid)> = peer.among(references).filter(|pair| !is_known(pair)).collect();
        let open: Vec<(String, Uuid)> = open.into_iter().collect();
        let mut missing = BTreeSet::new();
        for part in open.chunks(MAX_IDS) {
            let mut ids = Ids::new();
            for (object, id) in part {
                ids.entry(object.clone()).or_default().push(*id);
            }
            let unknown: BTreeSet<(String, Uuid)> = pairs((peer.ask)(cx.clone(), ids).await?).collect();
            for (object, id) in part.iter().filter(|pair| peer.is_for_all && !unknown.contains(pair)) {
                self.found.put((tenant, object.clone(), *id), (), FOUND_FOR);
            }
            missing.extend(unknown);
        }
        Ok(missing)
    }
}

/// What is known of references soon enough for an answer that can do without.
#[derive(Debug)]
pub struct Soon {
    /// As [`References::check`] gives them.
    pub missing: Vec<Violation>,
    /// For the caller: of whom nothing is known.
    pub warnings: Vec<Warning>,
}

fn violations(references: &[Reference], missing: &BTreeSet<(String, Uuid)>) -> Vec<Violation> {
    let missing = references.iter().filter(|r| missing.contains(&(r.object.clone(), r.id)));
    missing.map(|r| Violation::reference_not_found(&r.pointer)).collect()
}

fn pairs(ids: Ids) -> impl Iterator<Item = (String, Uuid)> {
    ids.into_iter().flat_map(|(object, ids)| ids.into_iter().map(move |id| (object.clone(), id)))
}

/// The violations among references to records of this service, one statement per object.
pub async fn records(
    env: &Env,
    tx: &mut TenantTx,
    cx: &Context,
    references: &[Reference],
) -> Result<Vec<Violation>, Error> {
    let mut by_object: BTreeMap<&str, Vec<&Reference>> = BTreeMap::new();
    for reference in references.iter().filter(|r| !env.references.asks_for(&r.object)) {
        by_object.entry(&reference.object).or_default().push(reference);
    }
    let mut violations = Vec::new();
    for (name, references) in by_object {
        let ids: Vec<Uuid> = references.iter().map(|r| r.id).collect();
        let found = reached(env, tx, cx, name, &ids).await?;
        let missing = references.iter().filter(|r| !found.contains(&r.id));
        violations.extend(missing.map(|r| Violation::reference_not_found(&r.pointer)));
    }
    Ok(violations)
}

/// Those of the ids that name live records that the caller may read. Of an object that is not kept here there are none.
pub(crate) async fn reached(
    env: &Env,
    tx: &mut TenantTx,
    cx: &Context,
    object: &str,
    ids: &[Uuid],
) -> Result<Vec<Uuid>, Error> {
    let Some(object) = env.object(object) else { return Ok(Vec::new()) };
    let scope = RowScope::from(&cx.snapshot.predicate(object.name, "read"));
    Ok(store::reached(tx, object, ids, &scope).await?)
}
