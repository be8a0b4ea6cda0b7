//! The one statement that looks across tenants.

use db::{DbError, WorkerTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// An upload's place in the order of their age.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) created_at: OffsetDateTime,
    pub(super) tenant_id: Uuid,
    pub(super) id: Uuid,
}

/// Before all.
impl Default for Place {
    fn default() -> Self {
        Self { created_at: OffsetDateTime::UNIX_EPOCH, tenant_id: Uuid::nil(), id: Uuid::nil() }
    }
}

impl FromRow<'_, PgRow> for Place {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            created_at: row.try_get("created_at")?,
            tenant_id: row.try_get("tenant_id")?,
            id: row.try_get("id")?,
        })
    }
}

/// Uploads made before a moment, the oldest first, from behind a place.
pub(super) async fn due(
    tx: &mut WorkerTx,
    before: OffsetDateTime,
    after: Place,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let query = sqlx::query_as(
        "SELECT created_at, tenant_id, id FROM records.upload
         WHERE created_at < $1 AND (created_at, tenant_id, id) > ($2, $3, $4)
         ORDER BY created_at, tenant_id, id LIMIT $5",
    );
    let query = query.bind(before).bind(after.created_at).bind(after.tenant_id).bind(after.id);
    Ok(query.bind(limit).fetch_all(tx.conn()).await?)
}
