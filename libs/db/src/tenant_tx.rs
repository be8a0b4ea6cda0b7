//! The only way to tenant tables.

use auth::VerifiedTenant;
use sqlx::{PgConnection, Postgres, Transaction};
use uuid::Uuid;

use crate::{Db, DbError};

/// A transaction bound to one tenant. Store functions take `&mut TenantTx`, so a query without a tenant does not compile;
/// row-level security sees the same tenant, so a query that forgets it finds nothing.
///
/// Dropped without [`TenantTx::commit`], it rolls back.
#[derive(Debug)]
pub struct TenantTx {
    tx: Transaction<'static, Postgres>,
    tenant: VerifiedTenant,
}

impl TenantTx {
    /// Begins a transaction and sets its tenant, in one round trip.
    pub async fn begin(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, "BEGIN").await
    }

    /// Begins a read-only transaction in which every statement sees the same state.
    pub async fn begin_snapshot(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await
    }

    async fn start(db: &Db, tenant: VerifiedTenant, begin: &str) -> Result<Self, DbError> {
        // The id is printed from a UUID: hexadecimal digits and hyphens only.
        let text = format!("{begin}; SELECT set_config('app.tenant', '{}', true)", tenant.id());
        #[allow(
            clippy::disallowed_methods,
            reason = "begin and tenant in one round trip; nothing else can begin"
        )]
        let tx = db.pool.begin_with(sqlx::AssertSqlSafe(text)).await?;
        Ok(Self { tx, tenant })
    }

    /// The tenant to bind as `$1`.
    pub fn tenant_id(&self) -> Uuid {
        self.tenant.id().uuid()
    }

    /// The tenant.
    pub fn tenant(&self) -> VerifiedTenant {
        self.tenant
    }

    /// The connection, for `store.rs` functions.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx
    }

    /// Commits.
    pub async fn commit(self) -> Result<(), DbError> {
        Ok(self.tx.commit().await?)
    }

    /// Ends as `result` says: commits what went well, takes back what did not, and gives `result` on.
    ///
    /// The way back is waited for: a dropped transaction ends a moment after the answer, and holds its locks until then, so
    /// that an immediate second try with the same `Idempotency-Key` would be refused as still running.
    pub async fn settle<T, E: From<DbError>>(self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() {
            self.commit().await?;
        } else if let Err(error) = self.rollback().await {
            tracing::debug!(%error, "the connection is gone, and its locks with it");
        }
        result
    }

    /// Rolls back; dropping does the same without waiting for it.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.tx.rollback().await?)
    }
}
