//! SQL of heads, permission versions and the audit log.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// The counters of a tenant, as its locked row has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) permission_version: i64,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_hash: Vec<u8>,
}

impl Head {
    /// Of a new tenant. Version 0 means "no snapshot" to callers, so versions begin at 1.
    pub(crate) fn first() -> Self {
        Self { permission_version: 1, audit_sequence: 0, audit_hash: vec![0; 32] }
    }
}

/// One row of the audit log.
#[derive(Debug)]
pub(super) struct AuditRow {
    pub(super) sequence: i64,
    pub(super) at: OffsetDateTime,
    pub(super) actor_kind: &'static str,
    pub(super) actor_id: Uuid,
    pub(super) action: String,
    pub(super) record_id: Uuid,
    pub(super) before: Option<String>,
    pub(super) after: Option<String>,
    pub(super) reason: &'static str,
    pub(super) request_id: String,
    pub(super) permission_version: i64,
    pub(super) hash: Vec<u8>,
}

/// Locks the tenant's head until the transaction ends.
pub(super) async fn lock_head(tx: &mut TenantTx) -> Result<Option<Head>, DbError> {
    let row: Option<(i64, i64, Vec<u8>)> = sqlx::query_as(
        "SELECT permission_version, audit_sequence, audit_hash FROM identity.tenant_head
         WHERE tenant_id = $1 FOR UPDATE",
    )
    .bind(tx.tenant_id())
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(|(permission_version, audit_sequence, audit_hash)| Head {
        permission_version,
        audit_sequence,
        audit_hash,
    }))
}

pub(super) async fn insert_head(tx: &mut TenantTx, head: &Head) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.tenant_head (tenant_id, permission_version, audit_sequence, audit_hash)
         VALUES ($1, $2, $3, $4)",
    )
    .bind(tx.tenant_id())
    .bind(head.permission_version)
    .bind(head.audit_sequence)
    .bind(&head.audit_hash)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn update_head(tx: &mut TenantTx, head: &Head) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.tenant_head SET permission_version = $2, audit_sequence = $3, audit_hash = $4
         WHERE tenant_id = $1",
    )
    .bind(tx.tenant_id())
    .bind(head.permission_version)
    .bind(head.audit_sequence)
    .bind(&head.audit_hash)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Sets the version that concerns a principal (nil: everyone). Versions come from the locked head, so this one is the greatest.
pub(super) async fn touch(tx: &mut TenantTx, principal: Uuid, version: i64) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.permission_version (tenant_id, principal_id, version) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, principal_id) DO UPDATE SET version = EXCLUDED.version",
    )
    .bind(tx.tenant_id())
    .bind(principal)
    .bind(version)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn insert_audit(tx: &mut TenantTx, row: &AuditRow) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.audit_log (tenant_id, sequence, at, actor_kind, actor_id, action, record_id, before, after,
             reason, request_id, permission_version, hash)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::json, $9::text::json, $10, $11, $12, $13)",
    )
    .bind(tx.tenant_id())
    .bind(row.sequence)
    .bind(row.at)
    .bind(row.actor_kind)
    .bind(row.actor_id)
    .bind(&row.action)
    .bind(row.record_id)
    .bind(&row.before)
    .bind(&row.after)
    .bind(row.reason)
    .bind(&row.request_id)
    .bind(row.permission_version)
    .bind(&row.hash)
    .execute(tx.conn())
    .await?;
    Ok(())
}
