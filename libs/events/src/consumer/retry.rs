//! Parked events: the first of each record is tried again when it is due; those behind it follow at once. Tenants take turns,
//! and some are worked beside each other, so that one whose events fail slowly holds up no other.

use std::collections::VecDeque;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use ids::TenantId;
use tokio::time::MissedTickBehavior;
use uuid::Uuid;

use super::store::{self, Parked};
use super::{Delivery, Handler, HandlerError, Runner};
use crate::Event;
use crate::metrics::Fate;

/// Attempts after which an event is dead, the one from the queue counted.
const MAX_ATTEMPTS: i32 = 8;
/// Time since its first attempt failed after which it is, whatever the attempts.
const MAX_AGE: time::Duration = time::Duration::hours(24);
/// How often due events are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Due events per look, and of these for one tenant.
const BATCH: (i64, i64) = (32, 8);
/// Events tried at once, and of these for one tenant.
const AT_ONCE: (usize, usize) = (4, 2);
const MAINTAIN: Duration = Duration::from_secs(3_600);

/// The pause after `attempts` attempts: 5 s, 30 s, 2 min, 10 min, 30 min, 2 h, 6 h.
pub(super) fn next_attempt(attempts: i32) -> Duration {
    const PAUSES: [u64; 7] = [5, 30, 120, 600, 1_800, 7_200, 21_600];
    let at = usize::try_from(attempts - 1).unwrap_or(0).min(PAUSES.len() - 1);
    Duration::from_secs(PAUSES[at])
}

impl<H: Handler> Runner<H> {
    /// Works parked events until shutdown.
    pub(super) async fn retry_parked(&self) {
        let mut maintained = None::<tokio::time::Instant>;
        let (mut turns, mut running) = (Turns::default(), FuturesUnordered::new());
        let mut look = tokio::time::interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while !self.shutdown.is_cancelled() {
            while let Some(turn) = turns.next() {
                running.push(async move { (turn, self.retry_one(turn.0, turn.1).await) });
            }
            let due = tokio::select! {
                Some((turn, settled)) = running.next(), if !running.is_empty() => {
                    turns.ended(turn);
                    match settled {
                        // It went through: those behind it may be due.
                        Ok(settled) => settled && turns.waiting.is_empty(),
                        Err(error) => {
                            tracing::warn!(consumer = self.consumer.name, error = %error::chain(&error), "parked events not read");
                            turns.waiting.clear();
                            false
                        }
                    }
                }
                _ = look.tick() => true,
                () = self.parked.notified() => true,
                () = self.shutdown.cancelled() => false,
            };
            if due && let Err(error) = self.look(&mut turns).await {
                tracing::warn!(consumer = self.consumer.name, error = %error::chain(&error), "parked events not read");
            }
            if maintained.is_none_or(|at| at.elapsed() > MAINTAIN) {
                if let Err(error) = store::maintain(&self.worker).await {
                    tracing::warn!(consumer = self.consumer.name, error = %error::chain(&error), "partitions of the inbox not maintained");
                }
                maintained = Some(tokio::time::Instant::now());
            }
        }
        while running.next().await.is_some() {}
    }

    /// Asks what is due, from where the last look ended.
    async fn look(&self, turns: &mut Turns) -> Result<(), DbError> {
        let (limit, each) = BATCH;
        let (now, after) = (self.clock.now(), turns.after);
        let mut due = store::due(&self.worker, self.consumer.name, now, after, each, limit).await?;
        if due.is_empty() && !after.is_nil() {
            due = store::due(&self.worker, self.consumer.name, now, Uuid::nil(), each, limit).await?;
        }
        turns.take(due);
        Ok(())
    }

    /// Whether the event left the parking.
    async fn retry_one(&self, tenant: Uuid, event_id: Uuid) -> Result<bool, DbError> {
        let tenant = VerifiedTenant::from_claim(TenantId::from(tenant));
        let consumer = self.consumer.name;
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let Some(parked) = store::claim(&mut tx, consumer, event_id, self.clock.now()).await? else {
            // Another instance has it.
            tx.rollback().await?;
            return Ok(false);
        };
        let failure = match Event::decode(&parked.envelope) {
            Err(error) => HandlerError::dead(error),
            Ok(event) => {
                if !store::apply(&mut tx, consumer, event_id).await? {
                    store::unpark(&mut tx, consumer, event_id).await?;
                    tx.commit().await?;
                    self.fates.count(Fate::Redelivered, &parked.kind);
                    return Ok(true);
                }
                let delivery = Delivery { event, attempt: u32::try_from(parked.attempts + 1).unwrap_or(1) };
                let handled = match self.handle(&mut tx, &delivery).await {
                    // Fails, too, when the handler hid an error that has aborted the transaction.
                    Ok(()) => store::unpark(&mut tx, consumer, event_id).await.map_err(HandlerError::from),
                    failed => failed,
                };
                if let Err(failure) = handled {
                    failure
                } else {
                    match tx.commit().await {
                        Ok(()) => {
                            self.handler.committed(&delivery);
                            self.fates.count(Fate::Applied, &parked.kind);
                            return Ok(true);
                        }
                        Err(error @ DbError::Unavailable(_)) => return Err(error),
                        Err(error) => return self.failed(tenant, &parked, error.into()).await,
                    }
                }
            }
        };
        drop(tx);
        self.failed(tenant, &parked, failure).await
    }

    /// Writes down a failed attempt; whether it was the last.
    async fn failed(
        &self,
        tenant: VerifiedTenant,
        parked: &Parked,
        failure: HandlerError,
    ) -> Result<bool, DbError> {
        let (consumer, now) = (self.consumer.name, self.clock.now());
        let attempts = parked.attempts + 1;
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let failed_at = parked.failed_at.unwrap_or(now);
        let dead = matches!(failure, HandlerError::Dead(_))
            || attempts >= MAX_ATTEMPTS
            || now - failed_at >= MAX_AGE;
        let died = if dead {
            tracing::error!(consumer, event = %parked.event_id, attempts, error = %error::chain(&failure), "dead event");
            store::bury_parked(&mut tx, consumer, parked, attempts, &failure.to_string(), now).await?
        } else {
            tracing::warn!(consumer, event = %parked.event_id, attempts, error = %error::chain(&failure), "event stays parked");
            let next_at = now + next_attempt(attempts);
            let why = failure.to_string();
            store::postpone(&mut tx, consumer, parked, attempts, &why, failed_at, next_at).await?;
            false
        };
        tx.commit().await?;
        if died {
            self.fates.count(Fate::Dead, &parked.kind);
        }
        Ok(false)
    }
}

/// Whose turn it is: tenant and event.
#[derive(Debug, Default)]
struct Turns {
    /// Due, those of the tenants in turn.
    waiting: VecDeque<(Uuid, Uuid)>,
    running: Vec<(Uuid, Uuid)>,
    /// The tenant with which the last look ended; nil: it saw all.
    after: Uuid,
}

impl Turns {
    /// What a look found replaces what the one before it found.
    fn take(&mut self, due: Vec<(Uuid, Uuid)>) {
        let full = i64::try_from(due.len()).is_ok_and(|events| events >= BATCH.0);
        self.after =
            if full { due.iter().map(|(tenant, _)| *tenant).max().unwrap_or_default() } else { Uuid::nil() };
        self.waiting = due.into_iter().filter(|turn| !self.running.contains(turn)).collect();
    }

    /// The next that may begin now.
    fn next(&mut self) -> Option<(Uuid, Uuid)> {
        let (all, of_a_tenant) = AT_ONCE;
        if self.running.len() >= all {
            return None;
        }
        let of = |tenant| self.running.iter().filter(|(other, _)| *other == tenant).count();
        let at = self.waiting.iter().position(|(tenant, _)| of(*tenant) < of_a_tenant)?;
        let turn = self.waiting.remove(at)?;
        self.running.push(turn);
        Some(turn)
    }

    fn ended(&mut self, turn: (Uuid, Uuid)) {
        self.running.retain(|other| *other != turn);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_takes_no_more_than_its_places_and_the_others_go_on() {
        let turn = |tenant, event| (Uuid::from_u128(tenant), Uuid::from_u128(event));
        let mut turns = Turns::default();
        turns.take(vec![turn(1, 1), turn(2, 2), turn(1, 3), turn(1, 4), turn(1, 5), turn(3, 6), turn(4, 7)]);
        let begun: Vec<_> = std::iter::from_fn(|| turns.next()).collect();
        assert_eq!(begun, [turn(1, 1), turn(2, 2), turn(1, 3), turn(3, 6)]);
        turns.ended(turn(2, 2));
        assert_eq!(turns.next(), Some(turn(4, 7)));
        assert_eq!(turns.next(), None);
        turns.ended(turn(1, 1));
        // A look finds what runs, too.
        turns.take(vec![turn(1, 3), turn(1, 4)]);
        assert_eq!((turns.next(), turns.next()), (Some(turn(1, 4)), None));
    }

    #[test]
    fn the_next_look_begins_where_a_full_one_ended() {
        let many = (1..=32).map(|n| (Uuid::from_u128(n), Uuid::from_u128(n))).collect();
        let mut turns = Turns::default();
        turns.take(many);
        assert_eq!(turns.after, Uuid::from_u128(32));
        turns.take(vec![]);
        assert_eq!(turns.after, Uuid::nil());
    }

    #[test]
    fn every_pause_up_to_the_last_attempt_fits_into_a_day() {
        let all: Duration = (1..MAX_ATTEMPTS).map(next_attempt).sum();
        assert!(all < MAX_AGE.unsigned_abs(), "{all:?}");
        assert_eq!(next_attempt(1), Duration::from_secs(5));
        assert_eq!(next_attempt(100), Duration::from_secs(21_600));
    }
}
