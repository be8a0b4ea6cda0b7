//! What a test stands on: a database, a clock, and what is looked at when the test is over.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use anyhow::Result;
use auth::VerifiedTenant;
use db::{Db, TenantTx, WorkerDb};
use ids::{Clock, TenantId};
use sqlx::{AssertSqlSafe, PgConnection};

use super::left::{Look, left_behind};
use crate::database::Database;

/// The schema of a service, as the service reaches it and as the administrator does.
///
/// Its end looks for what must not stay, in the tenants made here ([`left_behind`]), unless the test has failed already.
pub struct Ground {
    pub db: Db,
    pub clock: Clock,
    pub database: Database,
    schema: &'static str,
    begun: Instant,
    tenants: Mutex<Vec<TenantId>>,
}

impl Ground {
    pub fn on(database: Database, schema: &'static str, clock: Clock) -> Result<Self> {
        let db = Db::new(&database.config(schema), schema)?;
        Ok(Self { db, clock, database, schema, begun: Instant::now(), tenants: Mutex::default() })
    }

    /// A tenant of the test's own.
    pub fn tenant(&self) -> TenantId {
        let tenant = TenantId::from(self.clock.new_uuid());
        self.watch(tenant);
        tenant
    }

    /// Looks at this tenant, too, when the test is over.
    pub fn watch(&self, tenant: TenantId) {
        self.tenants.lock().unwrap_or_else(PoisonError::into_inner).push(tenant);
    }

    /// A transaction in a tenant.
    pub async fn tx(&self, tenant: TenantId) -> Result<TenantTx> {
        Ok(TenantTx::begin(&self.db, VerifiedTenant::from_claim(tenant)).await?)
    }

    /// The worker role's pool.
    pub fn worker(&self) -> Result<WorkerDb> {
        Ok(WorkerDb::new(&self.database.config(self.schema), self.schema, 2)?)
    }

    /// The administrator, who sees all rows.
    pub async fn sql(&self) -> Result<PgConnection> {
        self.database.admin().await
    }

    /// How many rows a tenant has in a table.
    #[allow(clippy::disallowed_methods, reason = "the table's name is a constant of the test")]
    pub async fn count(&self, sql: &mut PgConnection, table: &str, tenant: TenantId) -> Result<i64> {
        let text = format!("SELECT count(*) FROM {}.{table} WHERE tenant_id = $1", self.schema);
        Ok(sqlx::query_scalar(AssertSqlSafe(text)).bind(tenant.uuid()).fetch_one(sql).await?)
    }

    /// What the end of this ground looks at.
    pub fn look(&self) -> Look {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        let tenants = tenants.iter().map(|tenant| tenant.uuid()).collect();
        Look { schema: self.schema, tenants, since: self.begun.elapsed() }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let (look, database) = (self.look(), self.database.clone());
        if look.tenants.is_empty() || std::thread::panicking() {
            return;
        }
        // On a thread of its own: the test's runtime may have no other than this one, which waits.
        let looking = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async { left_behind(&mut database.admin().await?, &look).await })
        });
        let left = looking.join().expect("the look did not panic").expect("the database can be asked");
        assert!(left.is_empty(), "the test, or the failure that ended it, left behind:\n{}", left.join("\n"));
    }
}
