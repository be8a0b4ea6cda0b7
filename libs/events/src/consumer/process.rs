//! One message from the queue to a committed effect, a parked event or a dead one.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use auth::VerifiedTenant;
use db::{DbError, TenantTx};
use futures_util::FutureExt;
use tracing::Instrument;
use uuid::Uuid;

use super::retry::next_attempt;
use super::store::{self, Entry};
use super::{Delivery, Handler, HandlerError, Runner};
use crate::metrics::Fate;
use crate::{Event, trace};

/// Tries in place: short enough that a queue can wait, long enough for a deadlock or a fail-over of a connection.
const IN_PLACE: [Duration; 3] =
    [Duration::from_millis(50), Duration::from_millis(250), Duration::from_millis(1_000)];

/// Far below the broker's consumer timeout.
const HANDLER_TIMEOUT: Duration = Duration::from_secs(30);

/// What one attempt came to.
enum Attempt {
    /// Applied now or before, or waiting behind an earlier event of its record: the message is done.
    Done(Fate),
    Failed(HandlerError),
}

impl<H: Handler> Runner<H> {
    /// Returns when the message may be acknowledged. An error means that the database could not take any answer: try again.
    pub(super) async fn process(&self, bytes: &[u8], message_id: Option<Uuid>) -> Result<(), DbError> {
        let event = match Event::decode(bytes) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(consumer = self.consumer.name, error = %error::chain(&error), "unreadable event kept as dead");
                let id = message_id.unwrap_or_else(|| self.clock.new_uuid());
                store::bury_unreadable(
                    &self.worker,
                    self.consumer.name,
                    id,
                    bytes,
                    &error.to_string(),
                    self.clock.now(),
                )
                .await?;
                self.fates.count(Fate::Dead, "unreadable");
                return Ok(());
            }
        };
        let span = tracing::info_span!(
            "consume",
            otel.name = %format!("{} consume", self.consumer.name),
            otel.kind = "consumer",
            messaging.system = "rabbitmq",
            messaging.message.id = %event.id,
            event.kind = %event.kind,
            tenant_id = %event.tenant,
            trace.parent = event.traceparent.as_deref().unwrap_or_default(),
        );
        trace::continue_from(&span, event.traceparent.as_deref());
        self.apply(event, bytes).instrument(span).await
    }

    async fn apply(&self, event: Event, bytes: &[u8]) -> Result<(), DbError> {
        let mut delivery = Delivery { event, attempt: 1 };
        let mut pauses = IN_PLACE.iter();
        loop {
            let failure = match self.attempt(&delivery, bytes).await? {
                Attempt::Done(fate) => {
                    self.fates.count(fate, &delivery.event.kind);
                    return Ok(());
                }
                Attempt::Failed(failure) => failure,
            };
            let pause = match failure {
                HandlerError::Retry(_) | HandlerError::Panicked if !self.shutdown.is_cancelled() => {
                    pauses.next()
                }
                _ => None,
            };
            let Some(pause) = pause else { return self.put_aside(&delivery, bytes, &failure).await };
            tracing::debug!(error = %error::chain(&failure), ?pause, "handler failed; tried again in place");
            tokio::time::sleep(*pause).await;
            delivery.attempt += 1;
        }
    }

    async fn attempt(&self, delivery: &Delivery, bytes: &[u8]) -> Result<Attempt, DbError> {
        let event = &delivery.event;
        let mut tx = self.begin(event).await?;
        match store::enter(&mut tx, self.consumer.name, event).await? {
            Entry::Fresh => {}
            Entry::Known => {
                tx.rollback().await?;
                return Ok(Attempt::Done(Fate::Redelivered));
            }
            Entry::Behind => {
                let now = self.clock.now();
                let why = "waits behind an earlier event of the record";
                store::park(&mut tx, self.consumer.name, event, bytes, 0, why, now, now).await?;
                tx.commit().await?;
                return Ok(Attempt::Done(Fate::Waiting));
            }
        }
        match self.handle(&mut tx, delivery).await {
            Ok(()) => match store::unharmed(&mut tx).await {
                Ok(()) => {
                    let done = tx.commit().await;
                    if done.is_ok() {
                        self.handler.committed(delivery);
                    }
                    committed(done)
                }
                Err(error) => committed(Err(error)),
            },
            // Dropped, not rolled back and waited for: the handler may have left a statement running.
            Err(failure) => Ok(Attempt::Failed(failure)),
        }
    }

    pub(super) async fn begin(&self, event: &Event) -> Result<TenantTx, DbError> {
        // The envelope was written by a service in its own tenant's transaction; nothing a client sends reaches it.
        TenantTx::begin_job(&self.db, VerifiedTenant::from_claim(event.tenant)).await
    }

    /// Runs the handler with its deadline; a panic is a failure of this event, not of the process.
    pub(super) async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let handler = AssertUnwindSafe(self.handler.handle(tx, delivery)).catch_unwind();
        match tokio::time::timeout(HANDLER_TIMEOUT, handler).await {
            Ok(Ok(result)) => result,
            Ok(Err(_panic)) => Err(HandlerError::Panicked),
            Err(_) => Err(HandlerError::TimedOut),
        }
    }

    /// The first failed round is over: park the event, or give it up when it can never work.
    async fn put_aside(
        &self,
        delivery: &Delivery,
        bytes: &[u8],
        failure: &HandlerError,
    ) -> Result<(), DbError> {
        let event = &delivery.event;
        let now = self.clock.now();
        let mut tx = self.begin(event).await?;
        let consumer = self.consumer.name;
        let fate = if matches!(failure, HandlerError::Dead(_)) {
            tracing::error!(consumer, event = %event.id, error = %error::chain(&failure), "dead event");
            store::bury(&mut tx, consumer, event, bytes, delivery.attempt, &failure.to_string(), now).await?;
            Fate::Dead
        } else {
            tracing::warn!(consumer, event = %event.id, error = %error::chain(&failure), "event parked");
            let next_at = now + next_attempt(1);
            store::park(&mut tx, consumer, event, bytes, 1, &failure.to_string(), now, next_at).await?;
            Fate::Parked
        };
        tx.commit().await?;
        self.fates.count(fate, &event.kind);
        self.parked.notify_one();
        Ok(())
    }
}

/// A commit that the database refused is the handler's failure; one that it could not hear is not.
fn committed(result: Result<(), DbError>) -> Result<Attempt, DbError> {
    match result {
        Ok(()) => Ok(Attempt::Done(Fate::Applied)),
        Err(error @ DbError::Unavailable(_)) => Err(error),
        Err(error) => Ok(Attempt::Failed(error.into())),
    }
}
