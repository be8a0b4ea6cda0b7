//! All SQL of definitions.

use std::str::FromStr;

use db::{DbError, TenantTx};
use field_types::SlotColumn;
use ids::FieldId;
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};

use super::definition::{Definition, Object, State};
use super::limits::Usage;

macro_rules! select_definition {
    ($rest:literal) => {
        concat!(
            "SELECT id, object, key, label, type, is_required, is_unique, options, default_value, description, state,
                    lookup_object, is_filling, slot_assignment, ordinal, version, created_at, created_by, updated_at, updated_by,
                    CASE WHEN is_filling AND slot IS NULL THEN (
                        SELECT u.slot FROM fields.slot_use AS u
                        WHERE u.tenant_id = field_definition.tenant_id AND u.field_id = field_definition.id) ELSE slot END AS slot
             FROM fields.field_definition ",
            $rest
        )
    };
}

/// Locks the definitions of an object for change, raises its version and takes `ordinals` ordinals; gives the first.
///
/// Every change calls it before it reads, so changes of one object happen one after the other.
pub(crate) async fn lock_object(tx: &mut TenantTx, object: Object, ordinals: i32) -> Result<i32, DbError> {
    let next: i32 = sqlx::query_scalar(
        "INSERT INTO fields.object_version AS v (tenant_id, object, version, next_ordinal) VALUES ($1, $2, 1, $3)
         ON CONFLICT (tenant_id, object)
         DO UPDATE SET version = v.version + 1, next_ordinal = v.next_ordinal + $3
         RETURNING v.next_ordinal",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .bind(ordinals)
    .fetch_one(tx.conn())
    .await?;
    Ok(next - ordinals)
}

/// The version of an object's definitions; 0 before the first.
pub(crate) async fn object_version(tx: &mut TenantTx, object: Object) -> Result<i64, DbError> {
    let version =
        sqlx::query_scalar("SELECT version FROM fields.object_version WHERE tenant_id = $1 AND object = $2")
            .bind(tx.tenant_id())
            .bind(object.as_str())
            .fetch_optional(tx.conn())
            .await?;
    Ok(version.unwrap_or(0))
}

/// One definition of an object.
pub(crate) async fn find(
    tx: &mut TenantTx,
    object: Object,
    id: FieldId,
) -> Result<Option<Definition>, DbError> {
    let found = sqlx::query_as(select_definition!("WHERE tenant_id = $1 AND object = $2 AND id = $3"))
        .bind(tx.tenant_id())
        .bind(object.as_str())
        .bind(id.uuid())
        .fetch_optional(tx.conn())
        .await?;
    Ok(found)
}

/// Definitions of an object after an ordinal, at most `limit`, in order of creation, without the keys in `hidden`.
pub(crate) async fn list(
    tx: &mut TenantTx,
    object: Object,
    after: i32,
    limit: i64,
    hidden: &[String],
) -> Result<Vec<Definition>, DbError> {
    let found = sqlx::query_as(select_definition!(
        "WHERE tenant_id = $1 AND object = $2 AND ordinal > $3 AND key <> ALL($4) ORDER BY ordinal LIMIT $5"
    ))
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .bind(after)
    .bind(hidden)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?;
    Ok(found)
}

/// Whether the key stands for a field of the object, archived ones included.
pub(crate) async fn key_is_taken(tx: &mut TenantTx, object: Object, key: &str) -> Result<bool, DbError> {
    let taken = sqlx::query_scalar(
        "SELECT EXISTS (SELECT FROM fields.field_definition WHERE tenant_id = $1 AND object = $2 AND key = $3)",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .bind(key)
    .fetch_one(tx.conn())
    .await?;
    Ok(taken)
}

/// What an object uses of its limits.
pub(crate) async fn usage(tx: &mut TenantTx, object: Object) -> Result<Usage, DbError> {
    let (in_use, in_all, most_options, options_in_all) = sqlx::query_as(
        "SELECT count(*) FILTER (WHERE state <> 'archived'), count(*),
                coalesce(max(jsonb_array_length(options)), 0)::bigint,
                coalesce(sum(jsonb_array_length(options)), 0)::bigint
         FROM fields.field_definition WHERE tenant_id = $1 AND object = $2",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .fetch_one(tx.conn())
    .await?;
    Ok(Usage { in_use, in_all, most_options, options_in_all })
}

/// The slots of an object that are not free.
pub(crate) async fn slots_taken(tx: &mut TenantTx, object: Object) -> Result<Vec<SlotColumn>, DbError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT slot FROM fields.slot_use WHERE tenant_id = $1 AND object = $2 ORDER BY slot",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .fetch_all(tx.conn())
    .await?;
    Ok(names.iter().map(|name| known(name, "slot")).collect::<Result<_, _>>()?)
}

/// The slots of an object that archived fields keep.
pub(crate) async fn slots_of_archived(tx: &mut TenantTx, object: Object) -> Result<Vec<SlotColumn>, DbError> {
    let names: Vec<String> = sqlx::query_scalar(
        "SELECT slot FROM fields.slot_use WHERE tenant_id = $1 AND object = $2 AND state = 'clearing' ORDER BY slot",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .fetch_all(tx.conn())
    .await?;
    Ok(names.iter().map(|name| known(name, "slot")).collect::<Result<_, _>>()?)
}

/// The field that has a slot of an object, or keeps it.
pub(crate) async fn holder(
    tx: &mut TenantTx,
    object: Object,
    slot: SlotColumn,
) -> Result<Option<FieldId>, DbError> {
    let query = sqlx::query_scalar(
        "SELECT field_id FROM fields.slot_use WHERE tenant_id = $1 AND object = $2 AND slot = $3",
    );
    let query = query.bind(tx.tenant_id()).bind(object.as_str()).bind(slot.name());
    let found: Option<uuid::Uuid> = query.fetch_optional(tx.conn()).await?;
    Ok(found.map(FieldId::from))
}

/// The slot that is noted for a field.
pub(crate) async fn slot_of(tx: &mut TenantTx, field: FieldId) -> Result<Option<SlotColumn>, DbError> {
    let query = sqlx::query_scalar("SELECT slot FROM fields.slot_use WHERE tenant_id = $1 AND field_id = $2");
    let name: Option<String> =
        query.bind(tx.tenant_id()).bind(field.uuid()).fetch_optional(tx.conn()).await?;
    Ok(name.map(|name| known(&name, "slot")).transpose()?)
}

/// Notes that a field has a slot, which is free, its own already, or one that an archived field has given up.
pub(crate) async fn use_slot(
    tx: &mut TenantTx,
    object: Object,
    slot: SlotColumn,
    field: FieldId,
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO fields.slot_use (tenant_id, object, slot, field_id, state) VALUES ($1, $2, $3, $4, 'used')
         ON CONFLICT (tenant_id, object, slot) DO UPDATE SET field_id = EXCLUDED.field_id, state = 'used'
         WHERE slot_use.state = 'clearing'",
    )
    .bind(tx.tenant_id())
    .bind(object.as_str())
    .bind(slot.name())
    .bind(field.uuid())
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Writes a new definition, with its slot.
pub(crate) async fn insert(tx: &mut TenantTx, field: &Definition) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO fields.field_definition (tenant_id, id, object, key, label, type, is_required, is_unique, options,
             default_value, description, state, lookup_object, slot, is_filling, slot_assignment, ordinal, version, created_at,
             created_by, updated_at, updated_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)",
    )
    .bind(tx.tenant_id())
    .bind(field.id.uuid())
    .bind(field.object.as_str())
    .bind(&field.key)
    .bind(&field.label)
    .bind(field.field_type.as_str())
    .bind(field.required)
    .bind(field.unique)
    .bind(Json(&field.options))
    .bind(field.default.as_ref().map(Json))
    .bind(&field.description)
    .bind(field.state.as_str())
    .bind(field.lookup_object.map(Object::as_str))
    .bind(readable(field))
    .bind(field.filling)
    .bind(field.slot_assignment)
    .bind(field.ordinal)
    .bind(field.version)
    .bind(field.created_at)
    .bind(field.created_by)
    .bind(field.updated_at)
    .bind(field.updated_by)
    .execute(tx.conn())
    .await?;
    if let Some(slot) = field.slot {
        use_slot(tx, field.object, slot, field.id).await?;
    }
    Ok(())
}

/// Writes what may change of a definition, and the use of its slot that goes with its state.
///
/// The object is locked, so the version read is still the version stored.
pub(crate) async fn update(tx: &mut TenantTx, field: &Definition) -> Result<(), DbError> {
    sqlx::query(
        "UPDATE fields.field_definition
         SET label = $3, is_required = $4, options = $5, default_value = $6, description = $7, state = $8, version = $9,
             updated_at = $10, updated_by = $11, slot = $12, is_filling = $13, slot_assignment = $14
         WHERE tenant_id = $1 AND id = $2",
    )
    .bind(tx.tenant_id())
    .bind(field.id.uuid())
    .bind(&field.label)
    .bind(field.required)
    .bind(Json(&field.options))
    .bind(field.default.as_ref().map(Json))
    .bind(&field.description)
    .bind(field.state.as_str())
    .bind(field.version)
    .bind(field.updated_at)
    .bind(field.updated_by)
    .bind(readable(field))
    .bind(field.filling)
    .bind(field.slot_assignment)
    .execute(tx.conn())
    .await?;
    let slot_state = if field.state == State::Archived { "clearing" } else { "used" };
    sqlx::query(
        "UPDATE fields.slot_use SET state = $3 WHERE tenant_id = $1 AND field_id = $2 AND state <> $3",
    )
    .bind(tx.tenant_id())
    .bind(field.id.uuid())
    .bind(slot_state)
    .execute(tx.conn())
    .await?;
    Ok(())
}

impl<'r> FromRow<'r, PgRow> for Definition {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let Json(options) = row.try_get("options")?;
        let default: Option<Json<Value>> = row.try_get("default_value")?;
        let lookup_object: Option<&str> = row.try_get("lookup_object")?;
        let slot: Option<&str> = row.try_get("slot")?;
        Ok(Self {
            id: FieldId::from(row.try_get::<uuid::Uuid, _>("id")?),
            object: known(row.try_get("object")?, "object")?,
            key: row.try_get("key")?,
            label: row.try_get("label")?,
            field_type: known(row.try_get("type")?, "type")?,
            required: row.try_get("is_required")?,
            unique: row.try_get("is_unique")?,
            options,
            default: default.map(|Json(value)| value),
            description: row.try_get("description")?,
            state: known(row.try_get("state")?, "state")?,
            lookup_object: lookup_object.map(|name| known(name, "lookup_object")).transpose()?,
            slot: slot.map(|name| known(name, "slot")).transpose()?,
            filling: row.try_get("is_filling")?,
            slot_assignment: row.try_get("slot_assignment")?,
            ordinal: row.try_get("ordinal")?,
            version: row.try_get("version")?,
            created_at: row.try_get("created_at")?,
            created_by: row.try_get("created_by")?,
            updated_at: row.try_get("updated_at")?,
            updated_by: row.try_get("updated_by")?,
        })
    }
}

/// The slot that anybody may read. One that is being filled stands in `slot_use` alone: a program that does not know of filling
/// reads what is in the definition.
fn readable(field: &Definition) -> Option<&'static str> {
    field.slot.filter(|_| !field.filling).map(SlotColumn::name)
}

/// A stored name as its value; the table's checks let no other in.
fn known<T>(name: &str, column: &str) -> Result<T, sqlx::Error>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    name.parse()
        .map_err(|source| sqlx::Error::ColumnDecode { index: column.to_owned(), source: Box::new(source) })
}
