//! SQL of roles.

use db::{DbError, TenantTx};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::Role;
use super::body::{FieldRule, ObjectPermission, RoleBody};
use crate::page::Page;
use crate::reach::Reach;

type Row = (
    Uuid,
    i64,
    String,
    bool,
    Json<Vec<ObjectPermission>>,
    Json<Vec<FieldRule>>,
    OffsetDateTime,
    Uuid,
    OffsetDateTime,
);

fn role((id, version, name, system, permissions, fields, created_at, created_by, updated_at): Row) -> Role {
    let body = RoleBody { permissions: permissions.0, fields: fields.0 };
    Role { id, version, name, system, body, created_at, created_by, updated_at }
}

/// Inserts; a name that a live role has is a duplicate of `role_name`.
pub(crate) async fn insert(tx: &mut TenantTx, role: &Role) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO identity.role (tenant_id, id, version, name, name_key, system, permissions, fields, created_at,
             created_by, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $9, $10)",
    )
    .bind(tx.tenant_id())
    .bind(role.id)
    .bind(role.version)
    .bind(&role.name)
    .bind(role.name.to_lowercase())
    .bind(role.system)
    .bind(Json(&role.body.permissions))
    .bind(Json(&role.body.fields))
    .bind(role.created_at)
    .bind(role.created_by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Those of these roles that exist.
pub(crate) async fn existing(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<Uuid>, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT id FROM identity.role WHERE tenant_id = $1 AND id = ANY($2) AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.conn())
    .await?)
}

/// Writes name and body with the version that `role` has.
pub(crate) async fn update(tx: &mut TenantTx, role: &Role, by: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.role SET version = $3, name = $4, name_key = $5, permissions = $6, fields = $7, updated_at = $8,
             updated_by = $9
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(role.id)
    .bind(role.version)
    .bind(&role.name)
    .bind(role.name.to_lowercase())
    .bind(Json(&role.body.permissions))
    .bind(Json(&role.body.fields))
    .bind(role.updated_at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn delete(tx: &mut TenantTx, id: Uuid, at: OffsetDateTime, by: Uuid) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE identity.role SET version = version + 1, deleted_at = $3, deleted_by = $4
         WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .bind(at)
    .bind(by)
    .execute(tx.conn())
    .await?;
    Ok(())
}

pub(crate) async fn get(tx: &mut TenantTx, id: Uuid) -> Result<Option<Role>, DbError> {
    let row: Option<Row> = sqlx::query_as(
        "SELECT id, version, name, system, permissions, fields, created_at, created_by, updated_at
         FROM identity.role WHERE tenant_id = $1 AND id = $2 AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_optional(tx.conn())
    .await?;
    Ok(row.map(role))
}

/// One page of the roles reached, the newest first.
pub(crate) async fn list(tx: &mut TenantTx, reach: &Reach, page: &Page<'_>) -> Result<Vec<Role>, DbError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, version, name, system, permissions, fields, created_at, created_by, updated_at
         FROM identity.role
         WHERE tenant_id = $1 AND deleted_at IS NULL AND (created_at, id) < ($2, $3)
           AND ($4::uuid[] IS NULL OR created_by = ANY($4))
         ORDER BY created_at DESC, id DESC LIMIT $5",
    )
    .bind(tx.tenant_id())
    .bind(page.after.created_at)
    .bind(page.after.id)
    .bind(reach.only_owners())
    .bind(page.limit())
    .fetch_all(tx.conn())
    .await?;
    Ok(rows.into_iter().map(role).collect())
}

/// The bodies of those of these roles that exist.
pub(crate) async fn bodies(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<(Uuid, RoleBody)>, DbError> {
    type Row = (Uuid, Json<Vec<ObjectPermission>>, Json<Vec<FieldRule>>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT id, permissions, fields FROM identity.role
         WHERE tenant_id = $1 AND id = ANY($2) AND deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(ids)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, permissions, fields)| (id, RoleBody { permissions: permissions.0, fields: fields.0 }))
        .collect())
}

/// The bodies of the roles that a user holds.
pub(crate) async fn bodies_of_user(
    tx: &mut TenantTx,
    user_id: Uuid,
) -> Result<Vec<(Uuid, RoleBody)>, DbError> {
    type Row = (Uuid, Json<Vec<ObjectPermission>>, Json<Vec<FieldRule>>);
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT r.id, r.permissions, r.fields FROM identity.user_role ur
         JOIN identity.role r ON r.tenant_id = ur.tenant_id AND r.id = ur.role_id
         WHERE ur.tenant_id = $1 AND ur.user_id = $2 AND r.deleted_at IS NULL",
    )
    .bind(tx.tenant_id())
    .bind(user_id)
    .fetch_all(tx.conn())
    .await?;
    Ok(rows
        .into_iter()
        .map(|(id, permissions, fields)| (id, RoleBody { permissions: permissions.0, fields: fields.0 }))
        .collect())
}

/// Whether anybody holds the role.
pub(crate) async fn is_held(tx: &mut TenantTx, id: Uuid) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM identity.user_role WHERE tenant_id = $1 AND role_id = $2)",
    )
    .bind(tx.tenant_id())
    .bind(id)
    .fetch_one(tx.conn())
    .await?)
}
