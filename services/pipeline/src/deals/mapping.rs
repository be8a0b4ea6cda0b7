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

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use error::Error;
use events::Wake;
use fleet::Role;
use ids::Clock;
use record::Record;
use record::change::Author;
use record::revise::revise;
use service::Rounds;
use time::OffsetDateTime;
use tokio::sync::Notify;
use uuid::Uuid;

use super::DEAL;
use super::place::{Place, entered_at, put};
use super::store::{self, Due, Entry};
use crate::document::Stage;
use crate::pipelines::{Whole, for_deal};

/// Publications that are looked at in a round.
const PUBLICATIONS: i64 = 200;
/// Deals moved in one transaction.
const SLICE: usize = 200;
/// Such transactions that a publication gets in a round.
const SLICES: usize = 10;
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
        let mut more = due.len() as i64 == PUBLICATIONS;
        for Due { tenant_id, pipeline_id, number } in due {
            let tenant = VerifiedTenant::from_claim(tenant_id.into());
            // One that fails holds up no other.
            match self.turn(tenant, pipeline_id, number).await {
                Ok(is_left) => more |= is_left,
                Err(error) => {
                    tracing::warn!(%tenant_id, %pipeline_id, number, error = %error::chain(&error), "deals are not moved out of retired stages; tried again later");
                }
            }
        }
        Ok(more)
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
            // Another version has taken its place before it came into force otherwise.
            (Some(published), Some(in_force)) if published.in_force.number == number => {
                moves(published, in_force)
            }
            _ => BTreeMap::new(),
        };
        let mut left = SLICE;
        for (from, stage) in &moves {
            let ids = store::standing(tx, *from, left).await?;
            left -= ids.len();
            if let Some(published) = &as_published {
                let place = Place::of(published, &published.in_force, stage);
                self.put_all(tx, &ids, place, &work).await?;
            }
            if left == 0 {
                return Ok(false);
            }
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
        place: Place<'_>,
        work: &store::Work,
    ) -> Result<(), Error> {
        let author = Author::of_job(Role::Pipeline, &self.clock, work.published_by);
        let locked = record::store::lock_all(tx, &DEAL, ids).await?;
        let put = |before: Record| {
            let mut after = before.clone();
            put(Some(&before), &mut after, place, author.now);
            (before, after)
        };
        let mut moved: Vec<(Record, Record)> = locked.into_iter().map(put).collect();
        revise(tx, &author, &DEAL, &mut moved).await?;
        let entries = moved.iter().filter_map(|(_, after)| {
            Some(Entry {
                deal_id: after.id,
                pipeline_id: place.pipeline_id,
                pipeline_version: place.version,
                stage_id: place.stage_id?,
                entered_at: entered_at(after).unwrap_or(author.now),
                actor_kind: &work.actor_kind,
                actor_id: work.published_by,
                reason: None,
                source: "publish",
            })
        });
        store::enter(tx, &entries.collect::<Vec<_>>()).await?;
        Ok(())
    }
}

/// Where deals go, by the stages where they stand. A stage that has come back since is none to leave.
fn moves<'w>(published: &'w Whole, in_force: &Whole) -> BTreeMap<Uuid, &'w Stage> {
    let version = &published.in_force;
    let retired = |key: &str| in_force.in_force.document.stage(key).is_none();
    let leading = version.stage_mapping.iter().filter(|(from, _)| retired(from)).filter_map(|(from, to)| {
        let (_, stage) = version.document.stage(to)?;
        Some((*published.stage_ids.get(from)?, stage))
    });
    leading.collect()
}

/// Notes that deals are to be moved once a version is in force.
pub(crate) async fn schedule(
    tx: &mut TenantTx,
    pipeline: Uuid,
    number: i32,
    effective_at: OffsetDateTime,
    actor_kind: &'static str,
) -> Result<(), DbError> {
    store::schedule(tx, pipeline, number, effective_at, actor_kind).await
}
