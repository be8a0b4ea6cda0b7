//! The only way to tenant tables.

use std::time::Duration;

use auth::{Lease, VerifiedTenant};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::long_turn::LongTurn;
use crate::session::{BEGUN, KEPT_PLANS, PLANS_THAT_PAY, SNAPSHOT, Session};
use crate::shares::{NoPlace, Place};
use crate::{Db, DbError};

/// A statement may run this much longer than its call: the call's own end comes first and is told as such.
const SLACK: Duration = Duration::from_millis(100);

/// A transaction bound to one tenant. Store functions take `&mut TenantTx`, so a query without a tenant does not compile;
/// row-level security sees the same tenant, so a query that forgets it finds nothing.
///
/// Dropped at any point, also while it begins, runs a statement or ends, it leaves nothing: the statement is cancelled, the
/// transaction rolls back, and the connection is nobody's until then.
#[derive(Debug)]
pub struct TenantTx {
    session: Session,
    tenant: VerifiedTenant,
    read_only: bool,
    lease: Option<Lease>,
}

impl TenantTx {
    /// Begins a transaction and sets its tenant, in one round trip.
    pub async fn begin(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, ("BEGIN", ""), Some(Self::place(db, tenant).await?)).await
    }

    /// As [`TenantTx::begin`], for statements about single records by their ids, whose best plan is the same for all values: PostgreSQL
    /// plans each of them once for a connection as soon as that pays. Of the database's time for a change, planning was half
    /// (`bench board`).
    pub async fn begin_with_kept_plans(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, ("BEGIN", PLANS_THAT_PAY), Some(Self::place(db, tenant).await?)).await
    }

    /// Begins a read-only transaction in which every statement sees the same state.
    pub async fn begin_snapshot(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, (SNAPSHOT, ""), Some(Self::place(db, tenant).await?)).await
    }

    /// As [`TenantTx::begin_snapshot`], for statements that have one best plan whatever their values are: by primary key, or along an
    /// index until a page is full. PostgreSQL plans each of them once for a connection, not at every call (ADR 0014).
    pub async fn begin_snapshot_with_kept_plans(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        let place = Self::place(db, tenant).await?;
        Self::start(db, tenant, (SNAPSHOT, KEPT_PLANS), Some(place)).await
    }

    /// Begins a transaction of a job or a consumer, outside the tenant's share: what its callers hold must not keep back the
    /// events and jobs of others, which wait behind this tenant's in one line. Such a loop has few transactions at once, each
    /// within a bound of its own.
    pub async fn begin_job(db: &Db, tenant: VerifiedTenant) -> Result<Self, DbError> {
        Self::start(db, tenant, ("BEGIN", ""), None).await
    }

    async fn place(db: &Db, tenant: VerifiedTenant) -> Result<Place, DbError> {
        db.shares.take(tenant.id().uuid(), db.home.acquire).await.map_err(|why| match why {
            NoPlace::OwnShare => {
                db.home.counters.busy();
                DbError::Busy
            }
            NoPlace::AllTaken => DbError::Unavailable(sqlx::Error::PoolTimedOut),
        })
    }

    async fn start(
        db: &Db,
        tenant: VerifiedTenant,
        (begin, settings): (&str, &str),
        place: Option<Place>,
    ) -> Result<Self, DbError> {
        let id = tenant.id();
        // The id is printed from a UUID: hexadecimal digits and hyphens only.
        let mut text = format!("{begin}; {BEGUN}, set_config('app.tenant', '{id}', true){settings}");
        // A statement outlives its call by no more than the slack, also when this process is gone.
        if let Some(left) = host::deadline::remaining() {
            let most = (left + SLACK).min(db.statement_timeout).as_millis();
            text.push_str(&format!(", set_config('statement_timeout', '{most}', true)"));
        }
        let session = Session::begin(&db.home, place, text).await?;
        Ok(Self { session, tenant, read_only: begin == SNAPSHOT, lease: None })
    }

    /// Keeps a turn until the connection is at rest, also when this is dropped while a statement runs.
    pub fn keep(&mut self, turn: LongTurn) {
        self.session.keep(turn);
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
        self.session.conn()
    }

    /// Binds the commit to the permissions that the caller began on ([`crate::fence::check`]).
    pub(crate) fn confirm_before_commit(&mut self, lease: Lease) {
        self.lease = Some(lease);
    }

    /// Commits. What a caller writes commits under a live lease of its permissions only; one that has ended is confirmed.
    pub async fn commit(self) -> Result<(), DbError> {
        if let Some(lease) = &self.lease
            && let Err(refusal) = lease.confirm().await
        {
            if let Err(error) = self.rollback().await {
                tracing::debug!(error = %error::chain(&error), "the connection is gone, and the transaction with it");
            }
            return Err(DbError::Refused(refusal));
        }
        if self.read_only { self.session.end().await } else { self.session.commit().await }
    }

    /// Ends as `result` says: commits what went well, takes back what did not, and gives `result` on.
    ///
    /// The way back is waited for: a dropped transaction ends a moment after the answer, and holds its locks until then, so
    /// that an immediate second try with the same `Idempotency-Key` would be refused as still running.
    pub async fn settle<T, E: From<DbError>>(self, result: Result<T, E>) -> Result<T, E> {
        if result.is_ok() {
            self.commit().await?;
        } else if let Err(error) = self.rollback().await {
            tracing::debug!(error = %error::chain(&error), "the connection is gone, and its locks with it");
        }
        result
    }

    /// Rolls back; dropping does the same without waiting for it.
    pub async fn rollback(self) -> Result<(), DbError> {
        self.session.rollback().await
    }
}
