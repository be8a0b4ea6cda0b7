//! SQL of the audit log, as it is read.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use time::macros::datetime;
use uuid::Uuid;

use crate::changes::AuditRow;

/// Before everything, and after it.
const EVER: (OffsetDateTime, OffsetDateTime) =
    (datetime!(0001-01-01 00:00 UTC), datetime!(9999-12-31 23:59:59 UTC));

/// What entries are wanted; `None` is all of them.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) actor: Option<Uuid>,
    pub(super) record: Option<Uuid>,
    pub(super) action: Option<String>,
    pub(super) object: Option<String>,
    pub(super) from: Option<OffsetDateTime>,
    pub(super) to: Option<OffsetDateTime>,
    /// The number that the wanted ones come after.
    pub(super) after: i64,
}

macro_rules! select_entry {
    ($rest:literal) => {
        concat!(
            "SELECT sequence, at, actor_kind, actor_id, action, record_id, before::text, after::text, reason, request_id,
                 permission_version, hash
             FROM identity.audit_log WHERE tenant_id = $1 AND ",
            $rest
        )
    };
}

/// The newest entries that come after a place in the list. A condition that is not asked for is gone before the statement is planned,
/// so each of the others has its index.
pub(super) async fn list(
    tx: &mut TenantTx,
    wanted: &Wanted,
    (at, sequence): (OffsetDateTime, i64),
    limit: i64,
) -> Result<Vec<AuditRow>, DbError> {
    let rows = sqlx::query_as(select_entry!(
        "at >= $2 AND at < $3 AND (at, sequence) < ($4, $5)
             AND ($6::uuid IS NULL OR actor_id = $6) AND ($7::uuid IS NULL OR record_id = $7)
             AND sequence > $11
             AND ($8::text IS NULL OR action = $8) AND ($9::text IS NULL OR split_part(action, '.', 2) = $9)
         ORDER BY at DESC, sequence DESC LIMIT $10"
    ))
    .bind(tx.tenant_id())
    .bind(wanted.from.unwrap_or(EVER.0))
    .bind(wanted.to.unwrap_or(EVER.1))
    .bind(at)
    .bind(sequence)
    .bind(wanted.actor)
    .bind(wanted.record)
    .bind(&wanted.action)
    .bind(&wanted.object)
    .bind(limit)
    .bind(wanted.after)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows)
}

/// The entries after a number, in order.
pub(super) async fn after(tx: &mut TenantTx, sequence: i64, limit: i64) -> Result<Vec<AuditRow>, DbError> {
    let rows = sqlx::query_as(select_entry!("sequence > $2 ORDER BY sequence LIMIT $3"));
    Ok(rows.bind(tx.tenant_id()).bind(sequence).bind(limit).fetch_all(tx.conn()).await?)
}

/// The hash of one entry.
pub(super) async fn hash(tx: &mut TenantTx, sequence: i64) -> Result<Option<Vec<u8>>, DbError> {
    let query =
        sqlx::query_scalar("SELECT hash FROM identity.audit_log WHERE tenant_id = $1 AND sequence = $2");
    Ok(query.bind(tx.tenant_id()).bind(sequence).fetch_optional(tx.conn()).await?)
}

/// Whether a principal is an API key.
pub(super) async fn is_key(tx: &mut TenantTx, principal: Uuid) -> Result<bool, DbError> {
    let query =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM identity.api_key WHERE tenant_id = $1 AND id = $2)");
    Ok(query.bind(tx.tenant_id()).bind(principal).fetch_one(tx.conn()).await?)
}
