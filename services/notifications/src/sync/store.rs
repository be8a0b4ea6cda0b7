//! SQL of what has changed.

use db::{DbError, TenantTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

/// What happened to a record.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) number: i64,
    pub(super) written_at: OffsetDateTime,
    pub(super) kind: String,
    pub(super) object: String,
    pub(super) record_id: Uuid,
    pub(super) version: i64,
    pub(super) owner_id: Option<Uuid>,
    pub(super) team_id: Option<Uuid>,
    pub(super) owner_before: Option<Uuid>,
    pub(super) team_before: Option<Uuid>,
    pub(super) before_unknown: bool,
}

impl FromRow<'_, PgRow> for Row {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        Ok(Self {
            number: row.try_get("number")?,
            written_at: row.try_get("written_at")?,
            kind: row.try_get("type")?,
            object: row.try_get("object")?,
            record_id: row.try_get("record_id")?,
            version: row.try_get("version")?,
            owner_id: row.try_get("owner_id")?,
            team_id: row.try_get("team_id")?,
            owner_before: row.try_get("owner_before")?,
            team_before: row.try_get("team_before")?,
            before_unknown: row.try_get("before_unknown")?,
        })
    }
}

/// The first events of these objects behind a number, up to another. None of them was written before `not_before`: older days are not looked at.
pub(super) async fn rows(
    tx: &mut TenantTx,
    (after, upto): (i64, i64),
    not_before: OffsetDateTime,
    objects: &[String],
    limit: i64,
) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(
        "SELECT number, written_at, type, object, record_id, version, owner_id, team_id, owner_before, team_before, before_unknown
         FROM notifications.journal
         WHERE tenant_id = $1 AND number > $2 AND number <= $3 AND written_at >= $4 AND object = ANY($5)
         ORDER BY number LIMIT $6",
    )
    .bind(tx.tenant_id())
    .bind(after)
    .bind(upto)
    .bind(not_before)
    .bind(objects)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?)
}
