//! Locks that clients can name: by SHA-256 of the whole name, so that nobody finds a name of their own with another's lock.
//!
//! The digests are worked out here by themselves: a lock that is held under such a number must be the one that the service meets.

use std::pin::pin;

use anyhow::Result;
use ids::TenantId;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use sha2::{Digest, Sha256};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::database::until_waited_for;
use crate::identity::world::{PASSWORD, World as Identity};
use crate::records::imports::{finished, import, upload};
use crate::records::world::{Refusal, World, mail, named};

/// The number of what has this name.
fn number(name: impl AsRef<[u8]>) -> i64 {
    let digest = Sha256::digest(name);
    i64::from_be_bytes(digest[..8].try_into().expect("eight bytes"))
}

/// The number of the lock under which a tenant's contacts with an address are made: addresses share 256 of them.
fn address(tenant: TenantId, address: &str) -> i64 {
    number(format!("address/{tenant}/{}", Sha256::digest(address)[0]))
}

async fn take(sql: &mut PgConnection, number: i64) -> Result<()> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(number).execute(sql).await?;
    Ok(())
}

async fn give_back(sql: &mut PgConnection, number: i64) -> Result<()> {
    let held: bool = sqlx::query_scalar("SELECT pg_advisory_unlock($1)").bind(number).fetch_one(sql).await?;
    anyhow::ensure!(held, "the lock was not held");
    Ok(())
}

/// So that the guesses that are judged before an account must wait are bounded, however many come at once.
#[tokio::test]
async fn attempts_at_one_account_are_judged_in_turn() -> Result<()> {
    let world = Identity::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let mut name = Vec::new();
    for part in ["account", &ada.slug, &ada.email] {
        name.extend((part.len() as u64).to_be_bytes());
        name.extend(part.bytes());
    }
    let (mut judge, mut sql) = (world.sql().await?, world.sql().await?);
    take(&mut judge, number(&name)).await?;
    let mut attempt = pin!(world.login(&ada.slug, &ada.email, PASSWORD));
    tokio::select! {
        early = &mut attempt => panic!("it was not its turn: {}", early.is_ok()),
        () = until_waited_for(&mut sql, number(&name)) => {}
    }
    // Another account has a turn of its own.
    world.login(&eve.slug, &eve.email, PASSWORD).await?;
    give_back(&mut judge, number(&name)).await?;
    attempt.await?;
    Ok(())
}

#[tokio::test]
async fn an_idempotency_key_is_one_of_its_tenant_its_principal_and_its_call() -> Result<()> {
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let rpc = "globcrm.records.v1.RecordsService/CreateContact";
    let held = number(format!("idempotency/{}/{}/{rpc}/k-1", admin.tenant, admin.id));
    let mut first = world.sql().await?;
    take(&mut first, held).await?;
    let contact = || named("Ada", "Berg");
    let refused = admin.create_as(contact(), &[("idempotency-key", "k-1")]).await.unwrap_err();
    assert_eq!(Refusal::from(refused).is(), (409, "IDEMPOTENCY_KEY_IN_USE"));
    admin.create_as(contact(), &[("idempotency-key", "k-2")]).await?;
    other.create_as(contact(), &[("idempotency-key", "k-1")]).await?;
    give_back(&mut first, held).await?;
    admin.create_as(contact(), &[("idempotency-key", "k-1")]).await?;
    Ok(())
}

/// Two imports at once must not both make the contact of an address.
#[tokio::test]
async fn an_import_waits_for_whoever_makes_the_contact_of_an_address() -> Result<()> {
    let world = World::alone("globcrm_test_attacks_locks").await?;
    let admin = world.admin()?;
    let held = address(admin.tenant, "a@x.test");
    let (mut making, mut sql) = (world.sql().await?, world.sql().await?);
    take(&mut making, held).await?;
    let file = upload(&world, &admin, "Mail,First\na@x.test,Ada\nb@x.test,Bob\n").await?;
    let request = import(file, &[("Mail", "emails.address"), ("First", "first_name")]);
    let id = admin.queue_import(request).await?.id;
    let over = async {
        until_waited_for(&mut sql, held).await;
        give_back(&mut making, held).await?;
        Ok::<_, anyhow::Error>(finished(&admin, &id).await?)
    };
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = over => operation?,
    };
    assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{operation:?}");
    assert_eq!(operation.result.expect("a result").created, 2);
    Ok(())
}

/// So that a call and an import do not both make it.
#[tokio::test]
async fn a_call_waits_for_whoever_makes_the_contact_of_an_address() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let held = address(admin.tenant, "a@x.test");
    let (mut making, mut sql) = (world.sql().await?, world.sql().await?);
    take(&mut making, held).await?;
    let contact = |address: &str| pb::Contact { emails: vec![mail(address)], ..named("Ada", "") };
    let mut made = pin!(admin.create(contact("a@x.test")));
    tokio::select! {
        early = &mut made => panic!("it was not its turn: {early:?}"),
        () = until_waited_for(&mut sql, held) => {}
    }
    // Another organization has locks of its own.
    world.admin()?.create(contact("a@x.test")).await?;
    give_back(&mut making, held).await?;
    made.await?;
    Ok(())
}

/// The server has one table of locks for everybody, and it is not large.
#[tokio::test]
async fn however_many_addresses_a_batch_has_its_locks_are_few() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let addresses: Vec<String> = (0..5_000).map(|n| format!("p{n}@x.test")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    let mut tx = world.tx(admin.tenant).await?;
    record::store::lock_values(&mut tx, "address", &addresses).await?;
    let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()";
    let held: i64 = sqlx::query_scalar(held).fetch_one(tx.conn()).await?;
    assert!((1..=256).contains(&held), "{held} locks");
    tx.rollback().await?;
    Ok(())
}
