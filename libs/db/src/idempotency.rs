//! `Idempotency-Key`: the first answer is kept in the business transaction and given again.
//!
//! The record commits with the change it answers for, so a crash leaves both or neither. A transaction-level try-lock on
//! the key makes a second call that runs at the same time fail at once instead of waiting.
//!
//! The lock is 64 bits of SHA-256. Two keys that meet in them by chance do no harm: the one is told that its first call still
//! runs (409, come again in a second), and what was answered is found by the whole key, never by the lock. But the locks of all
//! tenants are one space, and the fences lie in it too: with a hash that can be steered, a caller could choose a key that holds
//! up another tenant's writers. Of SHA-256 that takes 2^64 trials.

use std::time::Duration;

use auth::Context;
use error::{Code, Error, Reason};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::{Db, DbError, TenantTx};

/// How long an answer is kept.
const KEPT: Duration = Duration::from_secs(24 * 3_600);

/// What became of a claim.
#[derive(Debug, PartialEq, Eq)]
pub enum Claim {
    /// No key was sent: nothing is kept.
    Unkeyed,
    /// The first call with this key: do the work, then [`Claim::keep`] the answer.
    First(Ticket),
    /// The same call was answered before; these are its bytes.
    Replay(Vec<u8>),
}

/// The right to keep an answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Ticket {
    principal: uuid::Uuid,
    rpc: &'static str,
    key: String,
    request_hash: Vec<u8>,
    now: OffsetDateTime,
}

/// Claims the call's key within `tx`, at this time. `rpc` is the operation's full name; `request` its encoded request, to which belongs the
/// version that its `If-Match` names. After a day an answer is not given again.
///
/// Errors: 409 `IDEMPOTENCY_KEY_IN_USE` while the first call runs, 422 `IDEMPOTENCY_KEY_REUSED` for another request.
pub async fn claim(
    tx: &mut TenantTx,
    cx: &Context,
    rpc: &'static str,
    request: &impl prost::Message,
    now: OffsetDateTime,
) -> Result<Claim, Error> {
    let Some(key) = cx.call.idempotency_key.clone() else { return Ok(Claim::Unkeyed) };
    let principal = cx.principal.id;
    let tenant = tx.tenant_id();
    let name = format!("idempotency/{tenant}/{principal}/{rpc}/{key}");
    let lock = crate::lock_of(&Sha256::digest(name).into());
    let locked: bool = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)")
        .bind(lock)
        .fetch_one(tx.conn())
        .await
        .map_err(DbError::from)?;
    if !locked {
        return Err(Error::new(
            Code::Aborted,
            Reason::IDEMPOTENCY_KEY_IN_USE,
            "a call with this Idempotency-Key is still running",
        )
        .with_retry_after(Duration::from_secs(1)));
    }
    let mut request_hash = Sha256::new_with_prefix(request.encode_to_vec());
    if let Some(if_match) = &cx.call.if_match {
        request_hash.update(format!("{if_match:?}"));
    }
    let request_hash = request_hash.finalize().to_vec();
    let kept: Option<(Vec<u8>, Vec<u8>)> = sqlx::query_as(
        "WITH expired AS (
             DELETE FROM idempotency
             WHERE tenant_id = $1 AND principal_id = $2 AND rpc = $3 AND key = $4 AND created_at < $5)
         SELECT request_hash, answer FROM idempotency
         WHERE tenant_id = $1 AND principal_id = $2 AND rpc = $3 AND key = $4 AND created_at >= $5",
    )
    .bind(tenant)
    .bind(principal)
    .bind(rpc)
    .bind(&key)
    .bind(now - KEPT)
    .fetch_optional(tx.conn())
    .await
    .map_err(DbError::from)?;
    match kept {
        None => Ok(Claim::First(Ticket { principal, rpc, key, request_hash, now })),
        Some((hash, answer)) if hash == request_hash => Ok(Claim::Replay(answer)),
        Some(_) => Err(Error::new(
            Code::Unprocessable,
            Reason::IDEMPOTENCY_KEY_REUSED,
            "this Idempotency-Key was used for another request",
        )),
    }
}

/// The answer that the same call was given before, for a call that would need other services before it could claim its key. Errors: as
/// [`claim`].
pub async fn kept<T: prost::Message + Default>(
    db: &Db,
    cx: &Context,
    rpc: &'static str,
    request: &impl prost::Message,
    now: OffsetDateTime,
) -> Result<Option<T>, Error> {
    if cx.call.idempotency_key.is_none() {
        return Ok(None);
    }
    let mut tx = TenantTx::begin(db, cx.tenant).await?;
    let looked = async {
        crate::fence::check(&mut tx, cx).await?;
        claim(&mut tx, cx, rpc, request, now).await
    };
    let looked = looked.await;
    tx.settle(looked).await?.replayed()
}

impl Claim {
    /// The answer that the same call was given before, if there was one.
    pub fn replayed<T: prost::Message + Default>(&self) -> Result<Option<T>, Error> {
        let Self::Replay(kept) = self else { return Ok(None) };
        T::decode(kept.as_slice()).map(Some).map_err(Error::internal)
    }

    /// Keeps the answer of a first call; to be called before commit. Every answer kept takes two old ones of the tenant away,
    /// so that there are never many more than a day's.
    pub async fn keep(self, tx: &mut TenantTx, answer: &impl prost::Message) -> Result<(), DbError> {
        let Self::First(ticket) = self else { return Ok(()) };
        sqlx::query(
            "WITH old AS (
                 SELECT principal_id, rpc, key FROM idempotency WHERE tenant_id = $1 AND created_at < $8
                 ORDER BY created_at LIMIT 2 FOR UPDATE SKIP LOCKED),
             gone AS (
                 DELETE FROM idempotency AS i USING old
                 WHERE i.tenant_id = $1 AND i.principal_id = old.principal_id AND i.rpc = old.rpc AND i.key = old.key)
             INSERT INTO idempotency (tenant_id, principal_id, rpc, key, request_hash, answer, created_at)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(tx.tenant_id())
        .bind(ticket.principal)
        .bind(ticket.rpc)
        .bind(ticket.key)
        .bind(ticket.request_hash)
        .bind(answer.encode_to_vec())
        .bind(ticket.now)
        .bind(ticket.now - KEPT)
        .execute(tx.conn())
        .await?;
        Ok(())
    }
}
