//! What a handler is told after the commit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use db::{Db, TenantTx};
use events::{Delivery, Handler, HandlerError};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::consuming::{delete_queues, failing, started};
use super::world::{World, note, until};

/// An event that was told of, and whether another transaction saw its effect then.
type Told = (Uuid, bool);

/// Refuses the events of [`failing`] until it is healed, and looks at the ledger when it is told of a commit.
struct Watching {
    db: Db,
    healed: Arc<AtomicBool>,
    told: Arc<Mutex<Vec<Told>>>,
}

impl Watching {
    async fn sees(&self, delivery: &Delivery) -> Result<bool> {
        let mut tx =
            TenantTx::begin(&self.db, auth::VerifiedTenant::from_claim(delivery.event.tenant)).await?;
        let query =
            sqlx::query_scalar("SELECT count(*) > 0 FROM ledger WHERE tenant_id = $1 AND event_id = $2");
        let seen = query.bind(tx.tenant_id()).bind(delivery.event.id).fetch_one(tx.conn()).await?;
        tx.rollback().await?;
        Ok(seen)
    }
}

impl Handler for Watching {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        note(tx, delivery).await?;
        if delivery.event.changes.is_empty() || self.healed.load(Ordering::SeqCst) {
            return Ok(());
        }
        Err(HandlerError::retry("not now"))
    }

    fn committed(&self, delivery: &Delivery) {
        // Nothing else runs on this task meanwhile: a commit that came after it would not be seen.
        let seen = tokio::task::block_in_place(|| Handle::current().block_on(self.sees(delivery)));
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        told.push((delivery.event.id, seen.unwrap_or(false)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_is_told_once_of_each_effect_and_when_others_see_it() -> Result<()> {
    const NAME: &str = "events_it.committed";
    let world = World::new("globcrm_events_committed").await?;
    let (healed, told) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let handler = Watching { db: world.db.clone(), healed: Arc::clone(&healed), told: Arc::clone(&told) };
    let running = started(&world, NAME, handler).await?;
    let record = world.clock.new_uuid();
    let all = world.write(vec![failing(&world, record, 1, "retry"), world.event(record, 2)]).await?;
    let well = world.write_some(3).await?;
    world.await_applied(&well.iter().collect::<Vec<_>>()).await?;
    until("both wait", async || Ok(world.number("SELECT count(*) FROM events_it.inbox_retry").await? == 2))
        .await?;
    let of = |id: Uuid| -> Vec<bool> {
        let told = told.lock().unwrap_or_else(PoisonError::into_inner);
        told.iter().filter(|(other, _)| *other == id).map(|(_, seen)| *seen).collect()
    };
    for waiting in &all {
        assert!(of(waiting.id).is_empty(), "its effect was rolled back, or it waits");
    }
    healed.store(true, Ordering::SeqCst);
    world.await_applied(&[&all[0], &all[1]]).await?;
    running.stop().await?;
    for applied in all.iter().chain(&well) {
        assert_eq!(of(applied.id), [true]);
    }
    delete_queues(&world, NAME).await
}
