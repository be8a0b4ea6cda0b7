//! Parked events: the first of each record is tried again when it is due; those behind it follow at once.

use std::time::Duration;

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use ids::TenantId;
use uuid::Uuid;

use super::store::{self, Parked};
use super::{Delivery, Handler, HandlerError, Runner};
use crate::Event;
use crate::metrics::Fate;

/// Attempts after which an event is dead, the one from the queue counted.
const MAX_ATTEMPTS: i32 = 8;
/// Age at which it is, whatever the attempts.
const MAX_AGE: time::Duration = time::Duration::hours(24);
/// How often due events are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// Due events per look.
const BATCH: i64 = 32;
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
        while !self.shutdown.is_cancelled() {
            match self.retry_due().await {
                // Some went through: those behind them may be due.
                Ok(applied) if applied > 0 => continue,
                Ok(_) => {}
                Err(error) => tracing::warn!(consumer = self.consumer.name, %error, "parked events not read"),
            }
            if maintained.is_none_or(|at| at.elapsed() > MAINTAIN) {
                if let Err(error) = store::maintain(&self.worker).await {
                    tracing::warn!(consumer = self.consumer.name, %error, "partitions of the inbox not maintained");
                }
                maintained = Some(tokio::time::Instant::now());
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = self.parked.notified() => {}
                () = self.shutdown.cancelled() => {}
            }
        }
    }

    /// One look; gives how many were settled.
    async fn retry_due(&self) -> Result<usize, DbError> {
        let due = store::due(&self.worker, self.consumer.name, self.clock.now(), BATCH).await?;
        let mut settled = 0;
        for (tenant, event_id) in due {
            if self.shutdown.is_cancelled() {
                break;
            }
            settled += usize::from(self.retry_one(tenant, event_id).await?);
        }
        Ok(settled)
    }

    /// Whether the event left the parking.
    async fn retry_one(&self, tenant: Uuid, event_id: Uuid) -> Result<bool, DbError> {
        let tenant = VerifiedTenant::from_claim(TenantId::from(tenant));
        let consumer = self.consumer.name;
        let mut tx = TenantTx::begin(&self.db, tenant).await?;
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
        let mut tx = TenantTx::begin(&self.db, tenant).await?;
        let dead = matches!(failure, HandlerError::Dead(_))
            || attempts >= MAX_ATTEMPTS
            || now - parked.since >= MAX_AGE;
        let died = if dead {
            tracing::error!(consumer, event = %parked.event_id, attempts, error = %failure, "dead event");
            store::bury_parked(&mut tx, consumer, parked, attempts, &failure.to_string(), now).await?
        } else {
            tracing::warn!(consumer, event = %parked.event_id, attempts, error = %failure, "event stays parked");
            let next_at = now + next_attempt(attempts);
            store::postpone(&mut tx, consumer, parked, attempts, &failure.to_string(), next_at).await?;
            false
        };
        tx.commit().await?;
        if died {
            self.fates.count(Fate::Dead, &parked.kind);
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pause_up_to_the_last_attempt_fits_into_a_day() {
        let all: Duration = (1..MAX_ATTEMPTS).map(next_attempt).sum();
        assert!(all < MAX_AGE.unsigned_abs(), "{all:?}");
        assert_eq!(next_attempt(1), Duration::from_secs(5));
        assert_eq!(next_attempt(100), Duration::from_secs(21_600));
    }
}
