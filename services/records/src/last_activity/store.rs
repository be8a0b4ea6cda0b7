//! SQL of the activities that name contacts and companies.

use db::{DbError, TenantTx};
use time::OffsetDateTime;
use uuid::Uuid;

/// The statements for the records of one object.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) object: &'static str,
    held: &'static str,
    lock: &'static str,
    clear: &'static str,
    put: &'static str,
    refresh: &'static str,
}

pub(super) const CONTACTS: Named = Named {
    object: "contact",
    held: "SELECT contact_id FROM records.contact_activity WHERE tenant_id = $1 AND activity_id = $2",
    lock: "SELECT id FROM records.contacts WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
    clear: "DELETE FROM records.contact_activity WHERE tenant_id = $1 AND activity_id = $2",
    put: "INSERT INTO records.contact_activity (tenant_id, contact_id, activity_id, completed_at)
     SELECT $1, id, $2, $4 FROM records.contacts WHERE tenant_id = $1 AND id = ANY($3)",
    refresh: "UPDATE records.contacts AS t SET last_activity_at = (
         SELECT max(a.completed_at) FROM records.contact_activity AS a WHERE a.tenant_id = $1 AND a.contact_id = t.id)
     WHERE t.tenant_id = $1 AND t.id = ANY($2)",
};

pub(super) const COMPANIES: Named = Named {
    object: "company",
    held: "SELECT company_id FROM records.company_activity WHERE tenant_id = $1 AND activity_id = $2",
    lock: "SELECT id FROM records.companies WHERE tenant_id = $1 AND id = ANY($2) ORDER BY id FOR NO KEY UPDATE",
    clear: "DELETE FROM records.company_activity WHERE tenant_id = $1 AND activity_id = $2",
    put: "INSERT INTO records.company_activity (tenant_id, company_id, activity_id, completed_at)
     SELECT $1, id, $2, $4 FROM records.companies WHERE tenant_id = $1 AND id = ANY($3)",
    refresh: "UPDATE records.companies AS t SET last_activity_at = (
         SELECT max(a.completed_at) FROM records.company_activity AS a WHERE a.tenant_id = $1 AND a.company_id = t.id)
     WHERE t.tenant_id = $1 AND t.id = ANY($2)",
};

/// Remembers the version of an activity; says whether it is the newest. Its row is then locked.
pub(super) async fn is_news(tx: &mut TenantTx, activity: Uuid, version: i64) -> Result<bool, DbError> {
    let query = sqlx::query(
        "INSERT INTO records.heard_activity (tenant_id, activity_id, version) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, activity_id) DO UPDATE SET version = EXCLUDED.version
         WHERE heard_activity.version < EXCLUDED.version",
    );
    let query = query.bind(tx.tenant_id()).bind(activity).bind(version);
    Ok(query.execute(tx.conn()).await?.rows_affected() > 0)
}

/// Forgets an activity that is no more.
pub(super) async fn forget(tx: &mut TenantTx, activity: Uuid) -> Result<(), DbError> {
    let query = sqlx::query("DELETE FROM records.heard_activity WHERE tenant_id = $1 AND activity_id = $2");
    query.bind(tx.tenant_id()).bind(activity).execute(tx.conn()).await?;
    Ok(())
}

/// The records that an activity names.
pub(super) async fn held(tx: &mut TenantTx, named: &Named, activity: Uuid) -> Result<Vec<Uuid>, DbError> {
    let query = sqlx::query_scalar(named.held).bind(tx.tenant_id()).bind(activity);
    Ok(query.fetch_all(tx.conn()).await?)
}

pub(super) async fn lock(tx: &mut TenantTx, named: &Named, ids: &[Uuid]) -> Result<(), DbError> {
    sqlx::query(named.lock).bind(tx.tenant_id()).bind(ids).execute(tx.conn()).await?;
    Ok(())
}

pub(super) async fn clear(tx: &mut TenantTx, named: &Named, activity: Uuid) -> Result<(), DbError> {
    sqlx::query(named.clear).bind(tx.tenant_id()).bind(activity).execute(tx.conn()).await?;
    Ok(())
}

/// Those of the records that exist are named by the activity.
pub(super) async fn put(
    tx: &mut TenantTx,
    named: &Named,
    activity: Uuid,
    ids: &[Uuid],
    completed_at: OffsetDateTime,
) -> Result<(), DbError> {
    let query = sqlx::query(named.put).bind(tx.tenant_id()).bind(activity).bind(ids).bind(completed_at);
    query.execute(tx.conn()).await?;
    Ok(())
}

pub(super) async fn refresh(tx: &mut TenantTx, named: &Named, ids: &[Uuid]) -> Result<(), DbError> {
    sqlx::query(named.refresh).bind(tx.tenant_id()).bind(ids).execute(tx.conn()).await?;
    Ok(())
}
