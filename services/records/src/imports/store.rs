//! SQL of the import job: claims, checkpoints, row errors, addresses.

use auth::VerifiedTenant;
use db::{DbError, TenantTx, WorkerTx};
use query::RowScope;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::operations::store::RowError;

/// How long a claim holds without being renewed.
pub(crate) const CLAIM: Duration = Duration::seconds(5);

/// A claimed operation.
#[derive(Clone, Debug)]
pub(crate) struct Claimed {
    pub(crate) tenant_id: Uuid,
    pub(crate) id: Uuid,
    pub(crate) principal_id: Uuid,
    pub(crate) request: Vec<u8>,
    pub(crate) claim_number: i64,
    /// Claims since the last batch that was done, this one with them.
    pub(crate) attempts: i64,
    /// Contacts made so far.
    pub(crate) created: i64,
    pub(crate) created_at: OffsetDateTime,
    /// Rows that are done and need not be read again.
    pub(crate) done: i64,
}

impl Claimed {
    /// The tenant whose operation it is.
    pub(crate) fn tenant(&self) -> VerifiedTenant {
        VerifiedTenant::from_claim(self.tenant_id.into())
    }
}

impl FromRow<'_, PgRow> for Claimed {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            tenant_id: row.try_get("tenant_id")?,
            id: row.try_get("id")?,
            principal_id: row.try_get("principal_id")?,
            request: row.try_get("request")?,
            claim_number: row.try_get("claim_number")?,
            attempts: row.try_get("attempts")?,
            created: row.try_get("created")?,
            created_at: row.try_get("created_at")?,
            done: row.try_get("done")?,
        })
    }
}

/// What a batch adds to its operation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) done: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) skipped: i64,
    pub(crate) failed: i64,
    /// Errors of rows that are kept, their bytes, and those that are not.
    pub(crate) errors_kept: i64,
    pub(crate) error_bytes: i64,
    pub(crate) errors_omitted: i64,
}

/// A claimed operation under its lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Held {
    /// It shall stop.
    pub(crate) cancelled: bool,
    /// Errors of rows that it has kept, and their bytes.
    pub(crate) errors: (i64, i64),
}

/// Claims an operation that nobody works on, of the tenant whose last turn is longest ago; of its own the oldest. One whose file
/// another worker has open is left to it until the claim ends. `worker` is who asks.
pub(crate) async fn claim(
    tx: &mut WorkerTx,
    worker: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Claimed>, DbError> {
    let query = sqlx::query_as(
        "WITH next AS (
             SELECT o.tenant_id, o.id FROM records.operation AS o
             LEFT JOIN records.import_turn AS t ON t.tenant_id = o.tenant_id
             WHERE o.state IN ('queued', 'running') AND (o.claim_until <= $1 OR o.held_by = $3)
             ORDER BY t.served_at NULLS FIRST, o.created_at, o.id LIMIT 1 FOR UPDATE OF o SKIP LOCKED),
         turn AS (
             INSERT INTO records.import_turn (tenant_id, served_at) SELECT tenant_id, $1 FROM next
             ON CONFLICT (tenant_id) DO UPDATE SET served_at = EXCLUDED.served_at)
         UPDATE records.operation AS o
         SET state = 'running', claim_until = $2, claim_number = o.claim_number + 1, attempts = o.attempts + 1,
             held_by = NULL
         FROM next
         WHERE o.tenant_id = next.tenant_id AND o.id = next.id
         RETURNING o.tenant_id, o.id, o.principal_id, o.request, o.claim_number, o.attempts, o.created, o.created_at,
             o.done",
    );
    Ok(query.bind(now).bind(now + CLAIM).bind(worker).fetch_optional(tx.conn()).await?)
}

/// Locks a claimed operation; `None`: the claim was lost. No statement of the transaction waits or works for longer than
/// `longest` milliseconds.
pub(crate) async fn hold(
    tx: &mut TenantTx,
    claimed: &Claimed,
    longest: i32,
) -> Result<Option<Held>, DbError> {
    let query = sqlx::query_as(
        "WITH bound AS MATERIALIZED (
             SELECT set_config('lock_timeout', $4, true), set_config('statement_timeout', $4, true))
         SELECT o.cancel_requested, o.errors_kept, o.error_bytes FROM bound, records.operation AS o
         WHERE o.tenant_id = $1 AND o.id = $2 AND o.claim_number = $3 AND o.state = 'running' FOR UPDATE OF o",
    );
    let query = query.bind(tx.tenant_id()).bind(claimed.id).bind(claimed.claim_number);
    let held: Option<(bool, i64, i64)> = query.bind(longest.to_string()).fetch_optional(tx.conn()).await?;
    Ok(held.map(|(cancelled, kept, bytes)| Held { cancelled, errors: (kept, bytes) }))
}

/// Adds what a batch did and gives the turn back: for a while to the same worker, then to anybody.
pub(crate) async fn checkpoint(
    tx: &mut TenantTx,
    claimed: &Claimed,
    worker: Uuid,
    tally: Tally,
    now: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET done = done + $3, created = created + $4, updated = updated + $5,
            skipped = skipped + $6, failed = failed + $7, claim_until = $8, errors_kept = errors_kept + $9,
            error_bytes = error_bytes + $10, errors_omitted = errors_omitted + $11, held_by = $12, attempts = 0
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(claimed.id)
    .bind(tally.done)
    .bind(tally.created)
    .bind(tally.updated)
    .bind(tally.skipped)
    .bind(tally.failed)
    .bind(now + CLAIM)
    .bind(tally.errors_kept)
    .bind(tally.error_bytes)
    .bind(tally.errors_omitted)
    .bind(worker)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes how many rows the file has.
pub(crate) async fn set_total(tx: &mut TenantTx, claimed: &Claimed, total: i64) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE records.operation SET total = $4
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claimed.id)
    .bind(claimed.claim_number)
    .bind(total)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Renews a claim between batches; `false` when it was lost.
pub(crate) async fn renew(
    tx: &mut TenantTx,
    claimed: &Claimed,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE records.operation SET claim_until = $4
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claimed.id)
    .bind(claimed.claim_number)
    .bind(now + CLAIM)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends an operation that is still held; `false` when it is not.
pub(crate) async fn finish(
    tx: &mut TenantTx,
    claimed: &Claimed,
    state: &str,
    failure: Option<&str>,
    now: OffsetDateTime,
) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE records.operation SET state = $4, failure = $5, finished_at = $6
         WHERE tenant_id = $1 AND id = $2 AND claim_number = $3 AND state = 'running'",
    )
    .bind(tx.tenant_id())
    .bind(claimed.id)
    .bind(claimed.claim_number)
    .bind(state)
    .bind(failure)
    .bind(now)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether an operation has come to an end, whoever brought it there.
pub(crate) async fn is_over(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    let query = sqlx::query_scalar(
        "SELECT finished_at IS NOT NULL FROM records.operation WHERE tenant_id = $1 AND id = $2",
    );
    Ok(query.bind(tx.tenant_id()).bind(id).fetch_optional(tx.conn()).await?.unwrap_or(false))
}

/// Adds row errors.
pub(crate) async fn add_errors(
    tx: &mut TenantTx,
    operation: Uuid,
    errors: &[RowError],
) -> Result<(), DbError> {
    let lines: Vec<i64> = errors.iter().map(|e| e.line).collect();
    let numbers: Vec<i32> = errors.iter().map(|e| e.number).collect();
    let texts = |pick: fn(&RowError) -> &String| errors.iter().map(pick).cloned().collect::<Vec<String>>();
    sqlx::query(
        "INSERT INTO records.operation_error (tenant_id, operation_id, line, number, column_name, reason, detail)
         SELECT $1, $2, line, number, column_name, reason, detail
         FROM unnest($3::bigint[], $4::integer[], $5::text[], $6::text[], $7::text[])
              AS e (line, number, column_name, reason, detail)",
    )
    .bind(tx.tenant_id())
    .bind(operation)
    .bind(lines)
    .bind(numbers)
    .bind(texts(|e| &e.column_name))
    .bind(texts(|e| &e.reason))
    .bind(texts(|e| &e.detail))
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Locks addresses until the transaction ends, in one order, so that two imports at once cannot both create. Clients choose the
/// addresses, and all locks are one space: a hash that can be steered would let them hold up another tenant (see `idempotency`).
pub(crate) async fn lock_addresses(tx: &mut TenantTx, addresses: &[&str]) -> Result<(), DbError> {
    sqlx::query(
        "SELECT pg_advisory_xact_lock(key) FROM (
            SELECT DISTINCT ('x' || encode(substr(sha256(convert_to('address/' || $1::text || '/' || address, 'UTF8')), 1, 8), 'hex'))
                ::bit(64)::bigint AS key
            FROM unnest($2::text[]) AS a (address) ORDER BY key) AS keys",
    )
    .bind(tx.tenant_id())
    .bind(addresses)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Per address, the newest of the live contacts that have it, of those within the scope and those that `import` has made: who,
/// since when. Without the latter, a row could not be told to repeat an earlier one of its file by who may import and not
/// read.
pub(crate) async fn holders(
    tx: &mut TenantTx,
    addresses: &[&str],
    scope: &RowScope,
    import: (Uuid, OffsetDateTime),
) -> Result<Vec<(String, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT DISTINCT ON (e.address) e.address, e.contact_id
         FROM records.contact_email AS e
         JOIN records.contacts AS t ON t.tenant_id = $1 AND t.id = e.contact_id
         WHERE e.tenant_id = $1 AND e.live AND e.address = ANY($2) AND t.deleted_at IS NULL
           AND ($3 OR t.owner_id = ANY($4) OR t.team_id = ANY($5)
                OR (t.created_by = $6 AND t.created_at >= $7 AND t.source = 'import'))
         ORDER BY e.address, e.contact_id DESC",
    );
    let query = query.bind(tx.tenant_id()).bind(addresses).bind(scope.all);
    let query = query.bind(&scope.owners).bind(&scope.teams).bind(import.0).bind(import.1);
    Ok(query.fetch_all(tx.conn()).await?)
}

/// Refreshes the statistics of contacts if so many new ones are much beside what was there; autovacuum does not analyse
/// partitioned parents.
pub(crate) async fn analyze(tx: &mut WorkerTx, made: i64) -> Result<(), DbError> {
    sqlx::query("SELECT records.analyze_contacts($1)").bind(made).execute(tx.conn()).await?;
    Ok(())
}
