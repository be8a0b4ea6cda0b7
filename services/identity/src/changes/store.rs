//! SQL of heads, permission versions and the audit log.

use db::{DbError, TenantTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain;
use super::key::AuditKey;

/// The counters of a tenant, as its locked row has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) permission_version: i64,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_hash: Vec<u8>,
    pub(crate) audit_seal: Vec<u8>,
}

impl Head {
    /// Of a new tenant. Version 0 means "no snapshot" to callers, so versions begin at 1.
    pub(crate) fn first(key: &AuditKey, tenant: Uuid) -> Self {
        let mut head = Self {
            permission_version: 1,
            audit_sequence: 0,
            audit_hash: FIRST_HASH.to_vec(),
            audit_seal: Vec::new(),
        };
        head.audit_seal = chain::seal(key, tenant, &head);
        head
    }
}

/// What the first entry of a log comes after.
pub(crate) const FIRST_HASH: [u8; 32] = [0; 32];

/// One row of the audit log.
#[derive(Debug)]
pub(crate) struct AuditRow {
    pub(crate) sequence: i64,
    pub(crate) at: OffsetDateTime,
    pub(crate) actor_kind: String,
    pub(crate) actor_id: Uuid,
    pub(crate) action: String,
    pub(crate) record_id: Uuid,
    pub(crate) before: Option<String>,
    pub(crate) after: Option<String>,
    pub(crate) reason: String,
    pub(crate) request_id: String,
    pub(crate) permission_version: i64,
    pub(crate) hash: Vec<u8>,
}

impl<'r> FromRow<'r, PgRow> for AuditRow {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            sequence: row.try_get("sequence")?,
            at: row.try_get("at")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            action: row.try_get("action")?,
            record_id: row.try_get("record_id")?,
            before: row.try_get("before")?,
            after: row.try_get("after")?,
            reason: row.try_get("reason")?,
            request_id: row.try_get("request_id")?,
            permission_version: row.try_get("permission_version")?,
            hash: row.try_get("hash")?,
        })
    }
}

macro_rules! select_head {
    ($rest:literal) => {
        concat!(
            "SELECT permission_version, audit_sequence, audit_hash, audit_seal FROM identity.tenant_head
             WHERE tenant_id = $1",
            $rest
        )
    };
}

/// Locks the tenant's head until the transaction ends.
pub(super) async fn lock_head(tx: &mut TenantTx) -> Result<Option<Head>, DbError> {
    let head = sqlx::query_as(select_head!(" FOR UPDATE"));
    Ok(head.bind(tx.tenant_id()).fetch_optional(tx.conn()).await?)
}

/// The tenant's head as it is now.
pub(crate) async fn head(tx: &mut TenantTx) -> Result<Option<Head>, DbError> {
    Ok(sqlx::query_as(select_head!("")).bind(tx.tenant_id()).fetch_optional(tx.conn()).await?)
}

impl<'r> FromRow<'r, PgRow> for Head {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            permission_version: row.try_get("permission_version")?,
            audit_sequence: row.try_get("audit_sequence")?,
            audit_hash: row.try_get("audit_hash")?,
            audit_seal: row.try_get("audit_seal")?,
        })
    }
}

pub(super) async fn insert_head(tx: &mut TenantTx, head: &Head) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.tenant_head (tenant_id, permission_version, audit_sequence, audit_hash, audit_seal)
         VALUES ($1, $2, $3, $4, $5)",
    )
    .bind(tx.tenant_id())
    .bind(head.permission_version)
    .bind(head.audit_sequence)
    .bind(&head.audit_hash)
    .bind(&head.audit_seal)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(super) async fn update_head(tx: &mut TenantTx, head: &Head) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.tenant_head SET permission_version = $2, audit_sequence = $3, audit_hash = $4, audit_seal = $5
         WHERE tenant_id = $1",
    )
    .bind(tx.tenant_id())
    .bind(head.permission_version)
    .bind(head.audit_sequence)
    .bind(&head.audit_hash)
    .bind(&head.audit_seal)
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
    .bind(&row.actor_kind)
    .bind(row.actor_id)
    .bind(&row.action)
    .bind(row.record_id)
    .bind(&row.before)
    .bind(&row.after)
    .bind(&row.reason)
    .bind(&row.request_id)
    .bind(row.permission_version)
    .bind(&row.hash)
    .execute(tx.conn())
    .await?;
    Ok(())
}
