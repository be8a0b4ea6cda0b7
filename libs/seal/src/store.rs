//! SQL of tenants' keys. One statement looks across tenants.

use db::{DbError, TenantTx, WorkerTx};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{KeyId, OperatorKeys, SealError, TenantKey, WrappedKey};

/// Why a tenant's key was not got.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The database failed.
    #[error("the key of a tenant could not be read or kept")]
    Database(#[from] DbError),
    /// What it holds does not open, or no key could be made.
    #[error("the key of a tenant could not be opened or made")]
    Seal(#[from] SealError),
}

impl From<KeyError> for error::Error {
    fn from(cause: KeyError) -> Self {
        match cause {
            KeyError::Database(cause) => cause.into(),
            KeyError::Seal(cause) => cause.into(),
        }
    }
}

/// The tenant's key, which is made where there is none. `now` is when it is made. The transaction must not be a snapshot: of two that make
/// a key at once, one waits for the other and then must see what that one has committed.
pub async fn tenant_key(
    tx: &mut TenantTx,
    keys: &OperatorKeys,
    now: OffsetDateTime,
) -> Result<TenantKey, KeyError> {
    let tenant = tx.tenant().id();
    if let Some(wrapped) = find(tx).await? {
        return Ok(keys.unwrap_key(tenant, &wrapped)?);
    }
    let (key, wrapped) = keys.create(tenant)?;
    if insert(tx, &wrapped, now).await? {
        return Ok(key);
    }
    // Another was faster, and has committed: only its key will open what both seal. A statement of its own, which sees it.
    match find(tx).await? {
        Some(wrapped) => Ok(keys.unwrap_key(tenant, &wrapped)?),
        None => Err(SealError::Failed("the key that another transaction made is not seen").into()),
    }
}

/// Wraps the tenant's key anew where it is not wrapped by the key that seals; `false` where nothing was to be done.
pub async fn rewrap(tx: &mut TenantTx, keys: &OperatorKeys) -> Result<bool, KeyError> {
    let tenant = tx.tenant().id();
    let Some(wrapped) = find(tx).await? else { return Ok(false) };
    if crate::key_id(&wrapped)? == keys.newest() {
        return Ok(false);
    }
    let fresh = keys.rewrap(tenant, &wrapped)?;
    // Whoever was faster has done the same.
    let query =
        sqlx::query("UPDATE tenant_key SET wrapped = $3, key_id = $4 WHERE tenant_id = $1 AND wrapped = $2");
    let query = query.bind(tenant.uuid()).bind(&wrapped).bind(&fresh.bytes).bind(fresh.by.to_string());
    let done = query.execute(tx.conn()).await.map_err(DbError::from)?;
    Ok(done.rows_affected() == 1)
}

/// Up to `limit` tenants after `after` whose keys another key than `newest` has wrapped, in the order of their ids.
pub async fn outdated(
    tx: &mut WorkerTx,
    newest: KeyId,
    after: Uuid,
    limit: i64,
) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT tenant_id FROM tenant_key WHERE key_id <> $1 AND tenant_id > $2 ORDER BY tenant_id LIMIT $3",
    );
    Ok(query.bind(newest.to_string()).bind(after).bind(limit).fetch_all(tx.conn()).await?)
}

async fn find(tx: &mut TenantTx) -> Result<Option<Vec<u8>>, DbError> {
    let query = sqlx::query_scalar("SELECT wrapped FROM tenant_key WHERE tenant_id = $1");
    Ok(query.bind(tx.tenant_id()).fetch_optional(tx.conn()).await?)
}

/// `false` where there is a key by now.
async fn insert(tx: &mut TenantTx, wrapped: &WrappedKey, now: OffsetDateTime) -> Result<bool, DbError> {
    let query = sqlx::query(
        "INSERT INTO tenant_key (tenant_id, wrapped, key_id, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id) DO NOTHING",
    );
    let query = query.bind(tx.tenant_id()).bind(&wrapped.bytes).bind(wrapped.by.to_string()).bind(now);
    Ok(query.execute(tx.conn()).await?.rows_affected() == 1)
}
