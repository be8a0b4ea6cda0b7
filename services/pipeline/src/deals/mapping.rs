//! Moves deals out of retired stages, as a publication has mapped them: from the moment on at which its version comes into force, slice by
//! slice, each in a transaction of its own. These moves are bound by no rule and need no field; the history says `publish`.
//!
//! A move by a caller that began before the version was in force may commit into a retired stage after the job has looked. So it looks
//! a second time, when no such call is under way any more.
//!
//! Replicas may run it at once: each piece of work is locked by the one that does it, and the others go on to the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use auth::{PrincipalKind, VerifiedTenant};
use db::{Db, DbError, TenantTx, WorkerDb};
use error::Error;
use events::Wake;
use fleet::Role;
use ids::Clock;
use record::Record;
use record::change::Author;
use record::revise::revise;
use service::Rounds;
use tokio::sync::Notify;
use uuid::Uuid;

use super::DEAL;
use super::place::{Place, entered_at, id, put, text};
use super::store::{self, Due, Entry};
use super::told::{Moved, stage_changed};
use crate::pipelines::{State, Version, Whole, for_deal};

/// Publications that are looked at in a round.
const PUBLICATIONS: i64 = 200;
/// Deals moved in one transaction.
const SLICE: i64 = 200;
/// Such transactions that a publication gets in a round.
const SLICES: usize = 10;
/// After a failure.
const PAUSE: Duration = Duration::from_secs(60);
/// Longer than a call takes: then comes the second look.
const SETTLED: Duration = Duration::from_secs(60);
/// How often the job looks when nothing wakes it: versions come into force by themselves.
const EVERY: Duration = Duration::from_secs(5);

/// The job.
#[derive(Clone, Debug)]
pub struct Mapping {
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Decides what is in force.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
    /// Notified by a publication.
    pub published: Arc<Notify>,
}

impl Rounds for Mapping {
    type Error = DbError;

    fn task(&self) -> &'static str {
        "pipeline.map_stages"
    }

    async fn step(&self) -> Result<bool, DbError> {
        self.round().await
    }

    async fn rest(&self) {
        tokio::select! {
            () = self.published.notified() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

impl Mapping {
    /// Gives each publication that is due a turn; says whether there is more to do at once.
    pub async fn round(&self) -> Result<bool, DbError> {
        let mut tx = self.worker.begin().await?;
        let due = store::due(&mut tx, self.clock.now_micros(), PUBLICATIONS).await?;
        tx.commit().await?;
        let mut more = false;
        for Due { tenant_id, pipeline_id, number } in due {
            let tenant = VerifiedTenant::from_claim(tenant_id.into());
            match self.turn(tenant, pipeline_id, number).await {
                Ok(is_left) => more |= is_left,
                Err(error) => {
                    tracing::warn!(%tenant_id, %pipeline_id, number, error = %error::chain(&error), "deals are not moved out of retired stages; tried again later");
                    self.put_off(tenant, pipeline_id, number).await?;
                }
            }
        }
        Ok(more)
    }

    /// One that fails holds up no other.
    async fn put_off(&self, tenant: VerifiedTenant, pipeline: Uuid, number: i32) -> Result<(), DbError> {
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        store::put_off(&mut tx, pipeline, number, self.clock.now_micros() + PAUSE).await?;
        tx.commit().await
    }

    /// Moves some slices of the deals that a publication maps; says whether some are left.
    async fn turn(&self, tenant: VerifiedTenant, pipeline: Uuid, number: i32) -> Result<bool, Error> {
        for _ in 0..SLICES {
            let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
            let is_done = self.slice(&mut tx, pipeline, number).await?;
            tx.commit().await?;
            self.wake.notify();
            if is_done {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Moves a slice; says whether nothing is left for now.
    async fn slice(&self, tx: &mut TenantTx, pipeline: Uuid, number: i32) -> Result<bool, Error> {
        let now = self.clock.now_micros();
        let Some(work) = store::claim(tx, pipeline, number, now).await? else { return Ok(true) };
        let as_published = for_deal(tx, Some(pipeline), false, work.effective_at).await?;
        let in_force = for_deal(tx, Some(pipeline), false, now).await?;
        let moves = match (&as_published, &in_force) {
            // Else a later version took its place before it came into force. In an archived pipeline deals stay where they are.
            (Some(published), Some(in_force))
                if published.in_force.number == number && in_force.pipeline.state == State::Active =>
            {
                moves(&published.in_force, in_force)?
            }
            _ => BTreeMap::new(),
        };
        let stages: Vec<Uuid> = moves.keys().copied().collect();
        let ids = store::standing(tx, &stages, SLICE).await?;
        self.put_all(tx, &ids, &moves, &work).await?;
        if ids.len() as i64 == SLICE {
            return Ok(false);
        }
        if work.is_last || moves.is_empty() {
            store::complete(tx, pipeline, number).await?;
        } else {
            store::look_again(tx, pipeline, number, now + SETTLED).await?;
        }
        Ok(true)
    }

    async fn put_all(
        &self,
        tx: &mut TenantTx,
        ids: &[Uuid],
        moves: &BTreeMap<Uuid, Place<'_>>,
        work: &store::Work,
    ) -> Result<(), Error> {
        let author = Author {
            actor_kind: PrincipalKind::named(&work.actor_kind),
            ..Author::of_job(Role::Pipeline, &self.clock, work.published_by)
        };
        let locked = record::store::lock_all(tx, &DEAL, ids).await?;
        // Somebody may have moved one before it was locked.
        let place_of = |deal: &Record| id(deal, "stage_id").and_then(|stage| moves.get(&stage).copied());
        let there = locked.into_iter().filter_map(|before| Some((place_of(&before)?, before)));
        let (places, mut moved): (Vec<Place<'_>>, Vec<(Record, Record)>) = there
            .map(|(place, before)| {
                let mut after = before.clone();
                put(Some(&before), &mut after, place, (author.now, false));
                (place, (before, after))
            })
            .unzip();
        revise(tx, &author, &DEAL, &mut moved).await?;
        let entries = places.iter().zip(&moved).map(|(place, (_, after))| Entry {
            deal_id: after.id,
            pipeline_id: place.pipeline_id,
            pipeline_version: place.version,
            stage_id: place.stage_id,
            entered_at: entered_at(after).unwrap_or(author.now),
            status: text(after, "status"),
            closed_at: text(after, "closed_at"),
            actor_kind: &work.actor_kind,
            actor_id: work.published_by,
            reason: None,
            source: "publish",
        });
        store::begin_stays(tx, &entries.collect::<Vec<_>>()).await?;
        let moved = moved.iter().map(|(before, after)| Moved {
            before: Some(before),
            after,
            reason: None,
            source: "publish",
        });
        let events = stage_changed(tx, &author, &moved.collect::<Vec<_>>()).await?;
        Ok(events::outbox::append_many(tx, &events).await?)
    }
}

/// Where deals go, by the stages where they stand: to stages of what is in force by now. A stage that a later version has again is not left, and
/// where the version in force maps the stage itself, that is what holds.
fn moves<'w>(published: &'w Version, in_force: &'w Whole) -> Result<BTreeMap<Uuid, Place<'w>>, Error> {
    let now = &in_force.in_force;
    let is_own = published.number == now.number;
    let mut moves = BTreeMap::new();
    for (from, to) in &published.stage_mapping {
        let is_left = now.document.stage(from).is_none() && (is_own || !now.stage_mapping.contains_key(from));
        // The target may have been retired, and mapped, in its turn.
        let target = now.document.stage(to).or_else(|| now.document.stage(now.stage_mapping.get(to)?));
        if let (true, Some((_, stage)), Some(from)) = (is_left, target, in_force.stage_ids.get(from)) {
            moves.insert(*from, Place::in_force(in_force, stage)?);
        }
    }
    Ok(moves)
}
