//! The relay: takes events out of a schema's outbox to the broker.
//!
//! One instance at a time, by a row lease with a fencing epoch. Each cycle (`lanes.rs`) reads under one snapshot: the open
//! holes, then what is new (`part.rs`; `cursor.rs` has the rule). It publishes in the order of the numbers, an event of a record only
//! when the one before it is confirmed, and saves the cursor when every confirm is there, in a statement that fails when
//! the lease went to somebody else. A crash in between publishes the window again: consumers know the events by their ids.
//! Whatever the rule says, `reconcile.rs` holds the outbox against what was confirmed.

mod backlog;
mod brake;
mod cursor;
mod lanes;
mod part;
mod publish;
mod reconcile;
mod sent;
mod session;
mod status;
#[doc(hidden)]
pub mod steps;
mod store;
mod waves;

use std::sync::Arc;
use std::time::Duration;

use db::{DbError, WorkerDb};
use ids::Clock;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use status::{RelaySnapshot, RelayStatus};

use crate::broker::Backoff;
use crate::{AmqpConfig, BrokerError};

/// After shutdown is asked for, how long a cycle may take to end.
const LAST_CYCLE: Duration = Duration::from_secs(5);

/// Takes the events of one schema to the broker.
#[derive(Debug)]
pub struct Relay {
    db: WorkerDb,
    amqp: AmqpConfig,
    service: &'static str,
    /// Who holds the lease.
    holder: Uuid,
    wake: Wake,
    status: RelayStatus,
}

/// Tells the relay that something was committed, so that it looks at once instead of within 100 ms. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Call it after the commit; never waits, and a lost call costs 100 ms.
    pub fn notify(&self) {
        self.0.notify_one();
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum RelayError {
    #[error(transparent)]
    Broker(#[from] BrokerError),
    #[error("{0}")]
    Database(#[from] DbError),
    #[error("the lease went to another instance")]
    LeaseLost,
    #[error("the saved cursor is not the one that was saved")]
    Moved,
    #[error("the saved cursor of lane {0} makes no sense")]
    Cursor(i16),
}

impl Relay {
    /// The relay of `service`'s schema.
    pub fn new(db: WorkerDb, amqp: AmqpConfig, service: &'static str, clock: Clock) -> Self {
        let holder = clock.new_uuid();
        Self { db, amqp, service, holder, wake: Wake::default(), status: RelayStatus::new(service) }
    }

    /// The handle that wakes it.
    pub fn wake(&self) -> Wake {
        self.wake.clone()
    }

    /// What it is doing, for readiness (degraded, never down: business writes do not need the broker).
    pub fn status(&self) -> RelayStatus {
        self.status.clone()
    }

    /// Runs until `shutdown`; reconnects to broker and database for ever.
    pub async fn run(self, shutdown: CancellationToken) {
        let mut backoff = Backoff::default();
        let stop = async {
            shutdown.cancelled().await;
            tokio::time::sleep(LAST_CYCLE).await;
        };
        tokio::pin!(stop);
        loop {
            let ended = tokio::select! {
                ended = self.session(&shutdown, &mut backoff) => ended,
                () = &mut stop => Ok(()),
            };
            let Err(error) = ended else { break };
            self.status.disconnected(&error.to_string());
            tracing::warn!(role = self.service, error = %error::chain(&error), "relay interrupted; events wait in the outbox");
            self.release().await;
            let pause = backoff.next();
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => break,
            }
            self.measure().await;
        }
        self.release().await;
        self.status.disconnected("stopped");
    }

    /// Gives the lease back, so that another instance need not wait for its end.
    async fn release(&self) {
        if let Err(error) = store::release(&self.db, self.holder).await {
            tracing::debug!(role = self.service, error = %error::chain(&error), "the lease runs out by itself");
        }
    }

    async fn measure(&self) {
        match store::oldest_unsent(&self.db).await {
            Ok(age) => self.status.measured(age),
            Err(error) => {
                tracing::debug!(role = self.service, error = %error::chain(&error), "backlog not measured");
            }
        }
    }
}
