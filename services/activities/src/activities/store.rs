//! SQL of reminders that have yet to come. One statement looks across tenants: what is due.

use db::{DbError, TenantTx, WorkerTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

/// A reminder's place in the order in which they are due.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) due_at: OffsetDateTime,
    pub(super) tenant_id: Uuid,
    pub(super) activity_id: Uuid,
}

/// Before all.
impl Default for Place {
    fn default() -> Self {
        Self { due_at: OffsetDateTime::UNIX_EPOCH, tenant_id: Uuid::nil(), activity_id: Uuid::nil() }
    }
}

impl FromRow<'_, PgRow> for Place {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            due_at: row.try_get("due_at")?,
            tenant_id: row.try_get("tenant_id")?,
            activity_id: row.try_get("activity_id")?,
        })
    }
}

/// What is due, the longest first, from behind a place.
pub(super) async fn due(
    tx: &mut WorkerTx,
    now: OffsetDateTime,
    after: Place,
    limit: i64,
) -> Result<Vec<Place>, DbError> {
    let query = sqlx::query_as(
        "SELECT due_at, tenant_id, activity_id FROM activities.reminder_due
         WHERE due_at <= $1 AND (due_at, tenant_id, activity_id) > ($2, $3, $4)
         ORDER BY due_at, tenant_id, activity_id LIMIT $5",
    );
    let query = query.bind(now).bind(after.due_at).bind(after.tenant_id).bind(after.activity_id);
    Ok(query.bind(limit).fetch_all(tx.conn()).await?)
}

/// Reminders of an activity: so many minutes before a moment.
pub(super) async fn schedule(
    tx: &mut TenantTx,
    activity: Uuid,
    moment: OffsetDateTime,
    minutes: &[i32],
) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO activities.reminder_due (tenant_id, activity_id, minutes_before, due_at)
         SELECT $1, $2, minutes, $3 - make_interval(mins => minutes) FROM unnest($4::integer[]) AS minutes",
    )
    .bind(tx.tenant_id())
    .bind(activity)
    .bind(moment)
    .bind(minutes)
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// There are no reminders of an activity but these.
pub(super) async fn keep(tx: &mut TenantTx, activity: Uuid, minutes: &[i32]) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.reminder_due
         WHERE tenant_id = $1 AND activity_id = $2 AND minutes_before <> ALL($3)",
    );
    query.bind(tx.tenant_id()).bind(activity).bind(minutes).execute(tx.conn()).await?;
    Ok(())
}

/// Takes the reminders of activities that are due, each with its activity. The rows of the activities are locked, so that no other takes them.
pub(super) async fn take(
    tx: &mut TenantTx,
    activities: &[Uuid],
    now: OffsetDateTime,
) -> Result<Vec<(Uuid, i32)>, DbError> {
    let query = sqlx::query_as(
        "DELETE FROM activities.reminder_due WHERE tenant_id = $1 AND activity_id = ANY($2) AND due_at <= $3
         RETURNING activity_id, minutes_before",
    );
    Ok(query.bind(tx.tenant_id()).bind(activities).bind(now).fetch_all(tx.conn()).await?)
}

/// Those that are due wait for their activities to come out of the trash.
pub(super) async fn park(tx: &mut TenantTx, activities: &[Uuid], now: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE activities.reminder_due SET due_at = NULL
         WHERE tenant_id = $1 AND activity_id = ANY($2) AND due_at <= $3",
    );
    query.bind(tx.tenant_id()).bind(activities).bind(now).execute(tx.conn()).await?;
    Ok(())
}

/// Those that waited for their activity are due.
pub(super) async fn unpark(tx: &mut TenantTx, activity: Uuid, now: OffsetDateTime) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE activities.reminder_due SET due_at = $3
         WHERE tenant_id = $1 AND activity_id = $2 AND due_at IS NULL",
    );
    query.bind(tx.tenant_id()).bind(activity).bind(now).execute(tx.conn()).await?;
    Ok(())
}
