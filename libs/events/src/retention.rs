//! What goes by age, because it holds personal data and helps nobody any more: dead events after 30 days, parked ones after
//! 45 (those behind a dead event follow it first), answers kept by `Idempotency-Key` after a day. Run by the relay that leads;
//! the worker's policies allow no younger rows to be deleted. The outbox has `outbox_maintain`.

use db::{DbError, WorkerDb};

use crate::metrics::Expired;

mod store;

/// Rows of each table at most in one sweep.
const MOST: i64 = 5_000;

/// Deletes what is too old; `false` when there is more of it.
pub(crate) async fn sweep(db: &WorkerDb, service: &'static str) -> Result<bool, DbError> {
    let gone = store::delete(db, MOST).await?;
    let expired = Expired::new();
    let mut swept = gone.answers < MOST.unsigned_abs();
    for (state, by_consumer) in [("dead", gone.dead), ("parked", gone.parked)] {
        swept &= by_consumer.iter().map(|(_, events)| events).sum::<u64>() < MOST.unsigned_abs();
        for (consumer, events) in by_consumer {
            tracing::error!(
                role = service,
                consumer,
                events,
                state,
                "events that nobody applied are deleted for their age"
            );
            expired.count(consumer, state, events);
        }
    }
    if gone.answers > 0 {
        tracing::debug!(role = service, answers = gone.answers, "kept answers forgotten");
    }
    Ok(swept)
}
