//! Writes begun before a revoke.

use std::time::Duration;

use anyhow::Result;
use auth::{Call, Context, Gate};
use config::SecretString;
use db::{DbError, TenantTx};
use ids::{Clock, TenantId};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use crate::database::{Database, until_blocked};
use crate::waiting;
use crate::world::{ALL, Ground, NOTHING, Principal, TestGate};

const BOUND: Duration = Duration::from_secs(20);

struct World {
    ground: Ground,
    gates: TestGate,
    who: Principal,
}

impl World {
    async fn new(name: &'static str) -> Result<Self> {
        let ground =
            Ground::on(Database::fresh(name, &[fields::MIGRATIONS]).await?, "fields", Clock::system())?;
        let gates = TestGate::new(&ground.clock)?;
        let who = gates.somebody(&ground.clock, ground.tenant(), &ALL)?;
        Ok(Self { ground, gates, who })
    }

    async fn open(&self) -> Result<Context> {
        open(&self.gates.gate, &self.who).await
    }

    async fn tx(&self) -> Result<TenantTx> {
        self.ground.tx(self.who.tenant).await
    }

    /// A writing transaction with a row in it that has not been committed.
    async fn written(&self, cx: &Context) -> Result<TenantTx> {
        let mut tx = self.tx().await?;
        db::fence::check(&mut tx, cx).await?;
        sqlx::query("INSERT INTO object_version (tenant_id, object, version, next_ordinal) VALUES ($1, 'contact', 1, 1)")
            .bind(tx.tenant_id())
            .execute(tx.conn())
            .await?;
        Ok(tx)
    }

    async fn rows(&self) -> Result<i64> {
        self.ground.count(&mut self.ground.sql().await?, "object_version", self.who.tenant).await
    }

    /// Waits until the gate decides by `version`, that is until every lease from before has ended.
    async fn until_decided_by(&self, version: i64) {
        waiting::until(BOUND, "older leases have ended", async || {
            self.open().await.is_ok_and(|cx| cx.snapshot.version() == version)
        })
        .await;
    }
}

async fn open(gate: &Gate, who: &Principal) -> Result<Context> {
    let token = who.bearer().trim_start_matches("Bearer ").to_owned();
    Ok(gate.open(Call::read(&MetadataMap::new())?, SecretString::from(token)).await?)
}

fn refused(error: DbError) -> (u16, String) {
    let error = error::Error::from(error);
    (error.code().http(error.reason()), error.reason().to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_begun_before_a_revoke_does_not_commit_after_its_answer() -> Result<()> {
    let world = World::new("globcrm_test_leases").await?;
    let cx = world.open().await?;
    let tx = world.written(&cx).await?;
    // The permission goes; a revoke answers when the leases have ended, whether its event has come or not.
    world.gates.allow(world.who.id, 6, &NOTHING);
    world.until_decided_by(6).await;
    let error = tx.commit().await.expect_err("the revoke has answered");
    assert_eq!(refused(error), (409, "PERMISSIONS_CHANGED".to_owned()));
    assert_eq!(world.rows().await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_write_of_somebody_whose_permissions_are_the_same_commits() -> Result<()> {
    let world = World::new("globcrm_test_long_writes").await?;
    let cx = world.open().await?;
    let tx = world.written(&cx).await?;
    let asked = world.gates.asked.lock().unwrap().len();
    waiting::until(BOUND, "the lease has ended", async || {
        world.open().await.is_ok() && world.gates.asked.lock().unwrap().len() > asked
    })
    .await;
    tx.commit().await?;
    assert_eq!(world.rows().await?, 1);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_fence_of_a_tenant_waits_for_its_writers() -> Result<()> {
    let world = World::new("globcrm_test_first_fence").await?;
    let cx = world.open().await?;
    for whom in [Some(world.who.id), None] {
        let writer = world.written(&cx).await?;
        let mut raising = world.tx().await?;
        let raised = db::fence::raise(&mut raising, whom, 6).await;
        assert!(matches!(raised, Err(DbError::Timeout(_))), "a writer goes on: {raised:?}");
        raising.rollback().await?;
        writer.rollback().await?;
    }
    // Without writers it is raised, and holds.
    let mut raising = world.tx().await?;
    db::fence::raise(&mut raising, Some(world.who.id), 6).await?;
    raising.commit().await?;
    let mut late = world.tx().await?;
    let error = db::fence::check(&mut late, &cx).await.expect_err("older than the fence");
    assert_eq!(error.reason(), "PERMISSIONS_CHANGED");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_comes_while_the_first_fence_is_raised_sees_it() -> Result<()> {
    let world = World::new("globcrm_test_coming_writer").await?;
    let cx = world.open().await?;
    let mut raising = world.tx().await?;
    db::fence::raise(&mut raising, Some(world.who.id), 6).await?;
    let mut writer = world.tx().await?;
    let mut sql = world.ground.sql().await?;
    let check = db::fence::check(&mut writer, &cx);
    let commit = async {
        until_blocked(&mut sql, "authz_fence_hold").await;
        raising.commit().await
    };
    let (checked, committed) = tokio::join!(check, commit);
    committed?;
    assert_eq!(checked.expect_err("older than the fence").reason(), "PERMISSIONS_CHANGED");
    Ok(())
}

/// Somebody else's writers, and another tenant's, are not waited for.
#[tokio::test(flavor = "multi_thread")]
async fn a_fence_waits_for_nobody_whom_it_does_not_concern() -> Result<()> {
    let world = World::new("globcrm_test_other_writers").await?;
    let cx = world.open().await?;
    let _writer = world.written(&cx).await?;
    let mut raising = world.tx().await?;
    db::fence::raise(&mut raising, Some(Uuid::from_u128(7)), 6).await?;
    raising.commit().await?;
    let other = TenantId::from(Uuid::from_u128(8));
    let mut raising = world.ground.tx(other).await?;
    db::fence::raise(&mut raising, None, 6).await?;
    raising.commit().await?;
    Ok(())
}
