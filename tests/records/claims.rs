//! Claims of operations, their turns, checkpoints and ends, by a job of the test's own.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use db::TenantTx;
use fleet::Role;
use ids::TenantId;
use operations::{Claim, Env, Job, Kept, Stop, Tally, Worked};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use query::CursorKey;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::retention::alone;
use super::world::{Caller, World};
use crate::waiting::until;

const WAIT: Duration = Duration::from_secs(60);

/// Works so many batches of each operation, if the test lets it, and notes what it was given.
#[derive(Clone)]
struct Worker {
    env: Env,
    kinds: &'static [&'static str],
    batches: i64,
    /// A permit for each batch.
    permits: Arc<Semaphore>,
    claimed: Arc<Mutex<Vec<Uuid>>>,
    lost: Arc<Mutex<usize>>,
}

impl Job for Worker {
    fn kinds(&self) -> &'static [&'static str] {
        self.kinds
    }

    async fn work(&mut self, claim: &Claim) -> Result<Worked, Stop> {
        self.claimed.lock().unwrap().push(claim.id);
        if let Ok(permit) = self.permits.acquire().await {
            permit.forget();
        }
        if claim.done == self.batches {
            return Ok(Worked::All);
        }
        let mut tx = TenantTx::begin_job(&self.env.db, claim.tenant()).await?;
        let Some(held) = claim.hold(&mut tx, 5_000).await? else {
            *self.lost.lock().unwrap() += 1;
            return Ok(Worked::All);
        };
        let now = self.env.clock.now_micros();
        if held.cancelled {
            held.cancel(&mut tx, now).await?;
            tx.commit().await?;
            return Err(Stop::Over);
        }
        held.checkpoint(&mut tx, Tally { done: 1, created: 2, ..Tally::default() }, now).await?;
        tx.commit().await?;
        Ok(Worked::Batch)
    }

    fn kept(&self) -> impl Kept {}
}

impl Worker {
    fn new(world: &World, kinds: &'static [&'static str], batches: i64) -> Result<Self> {
        let env = Env {
            role: Role::Records,
            kinds: &["import", "export"],
            db: world.db.clone(),
            worker: world.worker()?,
            clock: world.clock.clone(),
            cursor_key: CursorKey::new(&"0123456789abcdef0123456789abcdef".into())?,
        };
        let (claimed, lost) = (Arc::default(), Arc::default());
        let permits = Arc::new(Semaphore::new(Semaphore::MAX_PERMITS));
        Ok(Self { env, kinds, batches, permits, claimed, lost })
    }

    /// The same with a permit for each batch.
    fn held_up(self) -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), ..self }
    }

    async fn run(&self) {
        operations::run(&self.env, &Notify::new(), self.clone(), CancellationToken::new()).await;
    }

    fn claims(&self) -> Vec<Uuid> {
        self.claimed.lock().unwrap().clone()
    }
}

/// A database whose operations may be of any kind.
async fn world(database: &'static str) -> Result<World> {
    let world = alone(database).await?;
    let mut sql = world.sql().await?;
    sqlx::query("ALTER TABLE records.operation DROP CONSTRAINT operation_kind_check")
        .execute(&mut sql)
        .await?;
    Ok(world)
}

/// A queued operation that was asked for so many seconds ago.
async fn queue(world: &World, owner: &Caller, kind: &str, seconds: i32) -> Result<Uuid> {
    let query = sqlx::query_scalar(
        "INSERT INTO records.operation (tenant_id, id, kind, state, principal_id, request, claim_until, created_at)
         SELECT $1, $2, $3, 'queued', $4, '', at, at FROM (SELECT now() - make_interval(secs => $5) AS at) AS asked
         RETURNING id",
    );
    let query = query.bind(owner.tenant.uuid()).bind(world.clock.new_uuid()).bind(kind).bind(owner.id);
    Ok(query.bind(f64::from(seconds)).fetch_one(&mut world.sql().await?).await?)
}

/// State, rows done, records created, number of the claim, attempts.
type Row = (String, i64, i64, i64, i64);

async fn row(world: &World, id: Uuid) -> Result<Row> {
    let query = sqlx::query_as(
        "SELECT state, done, created, claim_number, attempts FROM records.operation WHERE id = $1",
    );
    Ok(query.bind(id).fetch_one(&mut world.sql().await?).await?)
}

async fn over(world: &World, id: Uuid) {
    until(WAIT, "the operation is over", async || {
        row(world, id).await.is_ok_and(|row| row.0 != "queued" && row.0 != "running")
    })
    .await;
}

async fn served(world: &World, tenant: TenantId, kind: &str, hours: i32) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO records.operation_turn (tenant_id, kind, served_at) VALUES ($1, $2, now() + make_interval(hours => $3))",
    );
    query.bind(tenant.uuid()).bind(kind).bind(hours).execute(&mut world.sql().await?).await?;
    Ok(())
}

#[tokio::test]
async fn a_kind_that_a_worker_cannot_do_is_left_alone() -> Result<()> {
    let world = world("globcrm_test_claims_kinds").await?;
    let admin = world.admin()?;
    let strange = queue(&world, &admin, "strange", 20).await?;
    let export = queue(&world, &admin, "export", 10).await?;
    let import = queue(&world, &admin, "import", 0).await?;
    let job = Worker::new(&world, &["import"], 1)?;
    tokio::select! {
        () = job.run() => unreachable!(),
        () = over(&world, import) => {}
    }
    for id in [strange, export] {
        assert_eq!(row(&world, id).await?, ("queued".to_owned(), 0, 0, 0, 0));
    }
    Ok(())
}

#[tokio::test]
async fn tenants_take_turns_batch_by_batch() -> Result<()> {
    let world = world("globcrm_test_claims_turns").await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let first = queue(&world, &admin, "import", 20).await?;
    let second = queue(&world, &other, "import", 10).await?;
    let job = Worker::new(&world, &["import"], 2)?;
    tokio::select! {
        () = job.run() => unreachable!(),
        () = over(&world, second) => {}
    }
    assert_eq!(job.claims(), [first, second, first, second, first, second]);
    Ok(())
}

/// What another worker does for a tenant does not put it behind those of whom it does nothing.
#[tokio::test]
async fn each_kind_has_turns_of_its_own() -> Result<()> {
    let world = world("globcrm_test_claims_turns_of_kinds").await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    served(&world, admin.tenant, "import", 1).await?;
    served(&world, admin.tenant, "export", -2).await?;
    served(&world, other.tenant, "export", -1).await?;
    let younger = queue(&world, &admin, "export", 10).await?;
    let older = queue(&world, &other, "export", 20).await?;
    let job = Worker::new(&world, &["export"], 0)?;
    tokio::select! {
        () = job.run() => unreachable!(),
        () = over(&world, older) => {}
    }
    assert_eq!(job.claims(), [younger, older]);
    Ok(())
}

#[tokio::test]
async fn whoever_lost_a_claim_writes_nothing_and_ends_nothing() -> Result<()> {
    let world = world("globcrm_test_claims_lost").await?;
    let admin = world.admin()?;
    let id = queue(&world, &admin, "import", 0).await?;
    let slow = Worker::new(&world, &["import"], 9)?.held_up();
    let quick = Worker::new(&world, &["import"], 9)?.held_up();
    let watch = async {
        until(WAIT, "the slow one has it", async || slow.claims().len() == 1).await;
        sqlx::query("UPDATE records.operation SET claim_until = now() - interval '1 second' WHERE id = $1")
            .bind(id)
            .execute(&mut world.sql().await?)
            .await?;
        let other = async {
            until(WAIT, "the other has it", async || quick.claims().len() == 1).await;
            slow.permits.add_permits(1);
            until(WAIT, "the slow one sees it", async || *slow.lost.lock().unwrap() == 1).await;
            // The end that it asks for has been refused when it asks for work again.
            let asked = "SELECT claim_until FROM records.operation WHERE id = $1";
            sqlx::query(asked).bind(id).execute(&mut world.sql().await?).await?;
            assert_eq!(row(&world, id).await?, ("running".to_owned(), 0, 0, 2, 2));
            quick.permits.add_permits(10);
            over(&world, id).await;
            Ok::<_, anyhow::Error>(())
        };
        tokio::select! {
            () = quick.run() => unreachable!(),
            done = other => done,
        }
    };
    tokio::select! {
        () = slow.run() => unreachable!(),
        done = watch => done?,
    }
    assert_eq!((row(&world, id).await?.1, *slow.lost.lock().unwrap()), (9, 1));
    Ok(())
}

#[tokio::test]
async fn checkpoints_add_up_and_end_a_series_of_attempts() -> Result<()> {
    let world = world("globcrm_test_claims_checkpoints").await?;
    let admin = world.admin()?;
    let id = queue(&world, &admin, "import", 0).await?;
    let job = Worker::new(&world, &["import"], 3)?;
    tokio::select! {
        () = job.run() => unreachable!(),
        () = over(&world, id) => {}
    }
    // Three batches, and a claim in which there was nothing left.
    assert_eq!(row(&world, id).await?, ("succeeded".to_owned(), 3, 6, 4, 1));
    Ok(())
}

#[tokio::test]
async fn an_operation_that_is_worked_on_stops_before_its_next_batch_when_its_owner_cancels_it() -> Result<()>
{
    let world = world("globcrm_test_claims_cancel").await?;
    let admin = world.admin()?;
    let id = queue(&world, &admin, "import", 0).await?;
    let job = Worker::new(&world, &["import"], 9)?.held_up();
    let watch = async {
        job.permits.add_permits(1);
        until(WAIT, "the second batch begins", async || job.claims().len() == 2).await;
        let request = pb::CancelOperationRequest { id: format!("records.{id}") };
        admin.service.cancel_operation(admin.request(request, &[])).await?;
        job.permits.add_permits(20);
        over(&world, id).await;
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        () = job.run() => unreachable!(),
        done = watch => done?,
    }
    assert_eq!(row(&world, id).await?, ("cancelled".to_owned(), 1, 2, 2, 1));
    Ok(())
}
