//! Takes away whatever refers to records that are about to be purged, piece by piece: no transaction makes more changes, nor looks in
//! more places, than its budget allows, however many records, people and objects are concerned.

use std::collections::BTreeMap;

use db::{DbError, TenantTx};
use uuid::Uuid;

use super::Purge;
use crate::Object;
use crate::change::Author;
use crate::follow::{Named, follow};
use crate::peer_records::State;

/// Changes made in one transaction.
const CHANGES: usize = 500;
/// How often one transaction looks for what refers to the records.
const LOOKS: usize = 12;
/// Records whose ties are looked for at once.
const TIED: usize = 20;

/// What refers to an object's records and is in no field of any record.
#[tonic::async_trait]
pub trait Ties: std::fmt::Debug + Send + Sync {
    /// Takes away at most `limit` of the ties to records that are about to be purged, each as a change of the record at its other end.
    /// Says how many: fewer than `limit` are all.
    async fn untie(
        &self,
        tx: &mut TenantTx,
        author: &Author,
        ids: &[Uuid],
        limit: usize,
    ) -> Result<usize, DbError>;
}

/// How far it has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Place {
    /// Among the records that this person has deleted.
    actor: Uuid,
    /// In one object after the other, then in the ties of some records after the other.
    step: usize,
    /// Behind this record of the object.
    after: Uuid,
}

impl Place {
    fn next(self) -> Self {
        Self { step: self.step + 1, after: Uuid::nil(), ..self }
    }
}

/// Records that are about to be purged.
#[derive(Debug)]
pub(super) struct Detaching<'a> {
    pub(super) purge: &'a Purge,
    pub(super) object: &'static Object,
    /// Locked, each with who deleted it.
    pub(super) doomed: &'a [(Uuid, Uuid)],
}

impl Detaching<'_> {
    /// Goes on from a place for as long as a transaction may; says whether there may be more.
    pub(super) async fn step(&self, tx: &mut TenantTx, place: &mut Place) -> Result<bool, DbError> {
        let mut by_actor: BTreeMap<Uuid, Vec<Uuid>> = BTreeMap::new();
        for (id, deleted_by) in self.doomed {
            by_actor.entry(*deleted_by).or_default().push(*id);
        }
        let (mut changes, mut looks) = (CHANGES, LOOKS);
        for (actor, ids) in by_actor.range(place.actor..) {
            if *actor != place.actor {
                *place = Place { actor: *actor, ..Place::default() };
            }
            let author = Author::of_job(self.purge.role, &self.purge.clock, *actor);
            while self.is_inside(ids, *place) {
                if changes == 0 || looks == 0 {
                    return Ok(true);
                }
                looks -= 1;
                let changed = self.look(tx, &author, ids, place, changes).await?;
                changes = changes.saturating_sub(changed);
            }
        }
        Ok(false)
    }

    fn is_inside(&self, ids: &[Uuid], place: Place) -> bool {
        let ties = if self.object.ties.is_some() { ids.len().div_ceil(TIED) } else { 0 };
        place.step < self.purge.objects.len() + ties
    }

    /// Takes away what is found at a place, at most `limit`, and moves on. Says how many changes that made.
    async fn look(
        &self,
        tx: &mut TenantTx,
        author: &Author,
        ids: &[Uuid],
        place: &mut Place,
        limit: usize,
    ) -> Result<usize, DbError> {
        let objects = self.purge.objects;
        if let Some(holder) = objects.get(place.step) {
            let named = Named { object: self.object.name, ids, state: State::Purged };
            let slice = follow(tx, author, holder, named, (place.after, limit)).await?;
            *place = slice.more.map_or(place.next(), |after| Place { after, ..*place });
            return Ok(slice.changed);
        }
        let tied = ids.chunks(TIED).nth(place.step - objects.len()).unwrap_or_default();
        let untied = match self.object.ties {
            Some(ties) => ties.untie(tx, author, tied, limit).await?,
            None => 0,
        };
        if untied < limit {
            *place = place.next();
        }
        Ok(untied)
    }
}
