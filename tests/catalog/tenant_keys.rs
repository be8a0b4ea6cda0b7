//! Keys of tenants (`libs/seal`): one a tenant, whoever makes it at the same time, and no key that the worker sees. No schema of the fleet is
//! needed: any that has the group of migrations will do.

use anyhow::Result;
use auth::VerifiedTenant;
use config::SecretString;
use db::{Db, Migrations, TenantTx, WorkerDb};
use ids::Clock;
use seal::store::{outdated, rewrap, tenant_key};
use seal::{OperatorKeys, Place};
use uuid::Uuid;

use crate::database::{Database, until_blocked};

const SCHEMA: Migrations = Migrations { schema: "fields", groups: &[seal::TENANT_KEYS], own: &[] };
const PLACE: Place = Place::new("fields.example.secret", Uuid::from_u128(9));

const EARLIER: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const NEWER: &str = "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeffe0e1e2e3e4e5e6e7e8e9eaebecedeeef";

fn keys(text: &str) -> Result<OperatorKeys> {
    Ok(OperatorKeys::new(&SecretString::from(text))?)
}

fn tenant(number: u128) -> VerifiedTenant {
    VerifiedTenant::from_claim(Uuid::from_u128(number).into())
}

#[tokio::test]
async fn of_two_that_make_a_key_at_once_the_second_takes_the_first_ones_unless_that_is_taken_back()
-> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_keys_race", &[SCHEMA]).await?;
    let (mut sql, db) = (database.admin().await?, Db::new(&database.config("fields"), "fields")?);
    let (keys, now) = (keys(EARLIER)?, Clock::system().now());
    for (number, commits) in [(1, true), (2, false)] {
        let mut first = TenantTx::begin(&db, tenant(number)).await?;
        let mut second = TenantTx::begin(&db, tenant(number)).await?;
        let sealed = tenant_key(&mut first, &keys, now).await?.seal(&PLACE, b"secret")?;
        let (key, ended) = tokio::join!(tenant_key(&mut second, &keys, now), async {
            until_blocked(&mut sql, "INSERT INTO tenant_key").await;
            if commits { first.commit().await } else { first.rollback().await }
        });
        ended?;
        let key = key?;
        assert_eq!(key.open(&PLACE, &sealed).is_ok(), commits);
        let sealed = key.seal(&PLACE, b"secret")?;
        second.commit().await?;
        let mut later = TenantTx::begin(&db, tenant(number)).await?;
        tenant_key(&mut later, &keys, now).await?.open(&PLACE, &sealed)?;
        later.rollback().await?;
    }
    db.close().await;
    Ok(())
}

#[tokio::test]
async fn a_key_that_an_earlier_one_wraps_is_found_and_wrapped_anew_and_the_worker_sees_none() -> Result<()> {
    let database = Database::fresh("globcrm_test_catalog_keys_rewrap", &[SCHEMA]).await?;
    let config = database.config("fields");
    let (db, worker) = (Db::new(&config, "fields")?, WorkerDb::new(&config, "fields", 1)?);
    let (earlier, both, newer) = (keys(EARLIER)?, keys(&format!("{NEWER} {EARLIER}"))?, keys(NEWER)?);
    let found = async |keys: &OperatorKeys| -> Result<Vec<Uuid>> {
        let mut tx = worker.begin().await?;
        let found = outdated(&mut tx, keys.newest(), Uuid::nil(), 10).await?;
        tx.commit().await?;
        Ok(found)
    };

    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    let key = tenant_key(&mut tx, &earlier, Clock::system().now()).await?;
    let sealed = key.seal(&PLACE, b"secret")?;
    tx.commit().await?;
    assert!(found(&earlier).await?.is_empty());
    assert_eq!(found(&both).await?, [Uuid::from_u128(1)]);

    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    assert!(rewrap(&mut tx, &both).await?);
    assert!(!rewrap(&mut tx, &both).await?, "there is nothing left to do");
    tx.commit().await?;
    assert!(found(&both).await?.is_empty());
    let mut tx = TenantTx::begin(&db, tenant(1)).await?;
    tenant_key(&mut tx, &newer, Clock::system().now()).await?.open(&PLACE, &sealed)?;
    tx.rollback().await?;
    let mut tx = TenantTx::begin(&db, tenant(2)).await?;
    assert!(!rewrap(&mut tx, &both).await?, "a tenant without a key");
    tx.rollback().await?;

    let mut tx = worker.begin().await?;
    let refused = sqlx::query("SELECT wrapped FROM tenant_key").execute(tx.conn()).await.unwrap_err();
    let code = refused.as_database_error().and_then(|error| error.code().map(|code| code.into_owned()));
    assert_eq!(code.as_deref(), Some("42501"));
    drop(tx);
    worker.close().await;
    db.close().await;
    Ok(())
}
