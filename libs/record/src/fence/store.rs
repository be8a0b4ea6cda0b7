//! SQL of the fence; the objects' own statements take it as well.

use db::{DbError, TenantTx};

use crate::Object;

pub(crate) async fn share(tx: &mut TenantTx, object: &Object) -> Result<Option<i64>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = $2 FOR SHARE",
    );
    Ok(query.bind(tx.tenant_id()).bind(object.name).fetch_optional(tx.conn()).await?)
}

pub(crate) async fn version(tx: &mut TenantTx, object: &Object) -> Result<Option<i64>, DbError> {
    let query =
        sqlx::query_scalar("SELECT version FROM definitions_fence WHERE tenant_id = $1 AND object = $2");
    Ok(query.bind(tx.tenant_id()).bind(object.name).fetch_optional(tx.conn()).await?)
}

pub(crate) async fn read(tx: &mut TenantTx, object: &Object) -> Result<Option<Vec<u8>>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT fields FROM definitions_fence WHERE tenant_id = $1 AND object = $2 FOR SHARE",
    );
    Ok(query.bind(tx.tenant_id()).bind(object.name).fetch_optional(tx.conn()).await?)
}

/// Waits for whoever holds the row for share, three tenths of a second at most. The first raise puts the records of the tenant on the list of the job that
/// compares what is derived.
pub(crate) async fn raise(
    tx: &mut TenantTx,
    object: &Object,
    version: i64,
    fields: &[u8],
) -> Result<(), DbError> {
    sqlx::query("SELECT set_config('lock_timeout', '300ms', true)").execute(tx.conn()).await?;
    sqlx::query(
        "WITH listed AS (
             INSERT INTO derived_check (tenant_id, object, due_at) VALUES ($1, $2, now())
             ON CONFLICT (tenant_id, object) DO NOTHING)
         INSERT INTO definitions_fence AS f (tenant_id, object, version, fields) VALUES ($1, $2, $3, $4)
         ON CONFLICT (tenant_id, object) DO UPDATE SET version = EXCLUDED.version, fields = EXCLUDED.fields
         WHERE f.version < EXCLUDED.version",
    )
    .bind(tx.tenant_id())
    .bind(object.name)
    .bind(version)
    .bind(fields)
    .execute(tx.conn())
    .await?;
    Ok(())
}
