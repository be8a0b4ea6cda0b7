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

    /// Rolls back; dropping does the same without waiting for it.
    pub async fn rollback(self) -> Result<(), DbError> {
        Ok(self.tx.rollback().await?)
    }
}
