//! Reminds of activities: an event for each reminder, in the transaction that takes it off the list. So each is told once, whatever
//! is cut off in between, and late rather than never.
//!
//! Replicas may run it at once: an activity is locked by the one that reminds of it, and the other finds nothing left.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx, WorkerDb};
use events::{Change, Lane, NewEvent, Wake};
use fleet::Role;
use ids::Clock;
use record::Record;
use record::change::Author;
use serde_json::json;
use service::Rounds;
use time::OffsetDateTime;
use uuid::Uuid;

use super::store::{self, Place};
use super::{ACTIVITY, State, state, text};

/// Reminders that are looked at at once.
const PAGE: i64 = 500;
/// Activities of a tenant that are reminded of in a round.
const TURN: usize = 1_000;
/// How often the job looks.
const EVERY: Duration = Duration::from_secs(5);

/// The job.
#[derive(Clone, Debug)]
pub struct Reminding {
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Decides what is due.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
}

impl Rounds for Reminding {
    type Error = DbError;

    fn task(&self) -> &'static str {
        "activities.remind"
    }

    async fn step(&self) -> Result<bool, DbError> {
        self.round().await
    }

    async fn rest(&self) {
        tokio::time::sleep(EVERY).await;
    }
}

impl Reminding {
    /// Looks at all that is due and gives each tenant a turn; says whether there is more to do at once.
    pub async fn round(&self) -> Result<bool, DbError> {
        let now = self.clock.now_micros();
        let (mut after, mut more) = (Place::default(), false);
        let mut turns: BTreeMap<Uuid, usize> = BTreeMap::new();
        loop {
            let mut tx = self.worker.begin().await?;
            let page = store::due(&mut tx, now, after, PAGE).await?;
            tx.commit().await?;
            let mut activities: BTreeMap<Uuid, BTreeSet<Uuid>> = BTreeMap::new();
            for place in &page {
                let turn = turns.entry(place.tenant_id).or_default();
                if *turn < TURN {
                    *turn +=
                        usize::from(activities.entry(place.tenant_id).or_default().insert(place.activity_id));
                } else {
                    more = true;
                }
            }
            for (tenant, ids) in activities {
                let ids = Vec::from_iter(ids);
                // A tenant that cannot be served holds up no other.
                if let Err(error) = self.remind(VerifiedTenant::from_claim(tenant.into()), &ids, now).await {
                    tracing::warn!(tenant_id = %tenant, error = %error::chain(&error), "nobody is reminded; tried again later");
                }
            }
            match page.last() {
                Some(last) if page.len() as i64 == PAGE => after = *last,
                _ => return Ok(more),
            }
        }
    }

    /// Reminds of some activities of a tenant.
    async fn remind(&self, tenant: VerifiedTenant, ids: &[Uuid], now: OffsetDateTime) -> Result<(), DbError> {
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        // As a change of an activity does: its row before its reminders.
        let locked = record::store::lock_all(&mut tx, &ACTIVITY, ids).await?;
        let (deleted, live): (Vec<Record>, Vec<Record>) = locked.into_iter().partition(Record::is_deleted);
        let ids = |records: &[Record]| records.iter().map(|record| record.id).collect::<Vec<_>>();
        store::park(&mut tx, &ids(&deleted), now).await?;
        let taken = store::take(&mut tx, &ids(&live), now).await?;
        let events = live.iter().filter(|activity| state(activity).is_some_and(State::is_open));
        let events = events.flat_map(|activity| {
            let minutes = taken.iter().filter(|(id, _)| *id == activity.id).map(|(_, minutes)| *minutes);
            minutes.map(|minutes| self.event(activity, minutes))
        });
        events::outbox::append_many(&mut tx, &events.collect::<Vec<_>>()).await?;
        tx.commit().await?;
        self.wake.notify();
        Ok(())
    }

    /// The event, in the name of whoever changed the activity last: no change of it, so it has the version that the activity has.
    fn event(&self, activity: &Record, minutes: i32) -> NewEvent {
        let actor = text(activity, "updated_by").and_then(|id| Uuid::try_parse(id).ok()).unwrap_or_default();
        let author = Author::of_job(Role::Activities, &self.clock, actor);
        let reminder = json!([{"minutes_before": minutes}]).to_string();
        let change = Change { field: "reminders".to_owned(), before: None, after: Some(reminder) };
        NewEvent {
            lane: Lane::Interactive,
            changes: vec![change],
            ..record::change::event(&author, &ACTIVITY, "reminded", activity, &[])
        }
    }
}
