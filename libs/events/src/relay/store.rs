//! All SQL of the relay. It runs as the worker role: the outbox of every tenant, read-only, and the relay's own state.

use std::time::Duration;

use db::{DbError, WorkerDb, WorkerTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::cursor::{Cursor, Hole};
use crate::Lane;

/// A row of the outbox.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) part: i16,
    pub(super) event_id: Uuid,
    pub(super) kind: String,
    pub(super) envelope: Vec<u8>,
    pub(super) traceparent: Option<String>,
    pub(super) recorded_at: OffsetDateTime,
}

impl<'r> FromRow<'r, PgRow> for Row {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            seq: row.try_get("seq")?,
            part: row.try_get("part")?,
            event_id: row.try_get("event_id")?,
            kind: row.try_get("type")?,
            envelope: row.try_get("envelope")?,
            traceparent: row.try_get("traceparent")?,
            recorded_at: row.try_get("recorded_at")?,
        })
    }
}

/// The bounds of the transactions that a snapshot may not see whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Snapshot {
    pub(super) xmin: i64,
    pub(super) xmax: i64,
}

/// The lease's length, seconds, by the database's clock.
const LEASE: f64 = 15.0;

/// Takes the lease when it is free or ours; gives its epoch.
pub(super) async fn acquire(db: &WorkerDb, holder: Uuid) -> Result<Option<i64>, DbError> {
    let mut tx = db.begin().await?;
    let epoch = sqlx::query_scalar(
        "UPDATE relay_lease SET holder = $1, epoch = epoch + 1, expires_at = clock_timestamp() + make_interval(secs => $2)
         WHERE id = 1 AND (expires_at < clock_timestamp() OR holder = $1) RETURNING epoch",
    )
    .bind(holder)
    .bind(LEASE)
    .fetch_optional(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(epoch)
}

/// Extends the lease; `false` when it is somebody else's.
pub(super) async fn renew(db: &WorkerDb, holder: Uuid, epoch: i64) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    let renewed = extend(&mut tx, holder, epoch).await?;
    tx.commit().await?;
    Ok(renewed)
}

async fn extend(tx: &mut WorkerTx, holder: Uuid, epoch: i64) -> Result<bool, DbError> {
    let done = sqlx::query(
        "UPDATE relay_lease SET expires_at = clock_timestamp() + make_interval(secs => $3)
         WHERE id = 1 AND holder = $1 AND epoch = $2",
    )
    .bind(holder)
    .bind(epoch)
    .bind(LEASE)
    .execute(tx.conn())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Ends the lease, if it is ours.
pub(super) async fn release(db: &WorkerDb, holder: Uuid) -> Result<(), DbError> {
    let mut tx = db.begin().await?;
    sqlx::query("UPDATE relay_lease SET expires_at = '-infinity' WHERE id = 1 AND holder = $1")
        .bind(holder)
        .execute(tx.conn())
        .await?;
    tx.commit().await
}

/// The saved cursor of a lane; `None` when it makes no sense.
pub(super) async fn load(db: &WorkerDb, lane: Lane) -> Result<Option<Cursor>, DbError> {
    let mut tx = db.begin().await?;
    let (high, holes): (i64, Vec<i64>) =
        sqlx::query_as("SELECT high, holes FROM relay_cursor WHERE lane = $1")
            .bind(lane.number())
            .fetch_one(tx.conn())
            .await?;
    tx.commit().await?;
    Ok(Cursor::read(high, &holes))
}

/// Saves cursors and extends the lease; `false`, and nothing saved, when the lease is somebody else's.
pub(super) async fn save(
    db: &WorkerDb,
    holder: Uuid,
    epoch: i64,
    cursors: &[(Lane, &Cursor)],
) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    // The lease row stays locked until commit: nobody can take it between this check and the cursors.
    if !extend(&mut tx, holder, epoch).await? {
        return Ok(false);
    }
    for (lane, cursor) in cursors {
        sqlx::query("UPDATE relay_cursor SET low_watermark = $2, high = $3, holes = $4 WHERE lane = $1")
            .bind(lane.number())
            .bind(cursor.low_watermark())
            .bind(cursor.high())
            .bind(cursor.flat())
            .execute(tx.conn())
            .await?;
    }
    tx.commit().await?;
    Ok(true)
}

/// A transaction whose every statement sees the same snapshot.
pub(super) async fn look(db: &WorkerDb) -> Result<(WorkerTx, Snapshot), DbError> {
    let mut tx = db.begin_snapshot().await?;
    let (xmin, xmax) = sqlx::query_as(
        "SELECT pg_snapshot_xmin(s)::text::bigint, pg_snapshot_xmax(s)::text::bigint FROM pg_current_snapshot() AS s",
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((tx, Snapshot { xmin, xmax }))
}

/// The numbers inside `holes` that the snapshot shows, in order, at most `limit`.
pub(super) async fn probe(
    tx: &mut WorkerTx,
    lane: Lane,
    holes: &[Hole],
    limit: i64,
) -> Result<Vec<i64>, DbError> {
    let (first, last): (Vec<i64>, Vec<i64>) = holes.iter().map(|h| (h.first, h.last)).unzip();
    Ok(sqlx::query_scalar(
        "SELECT o.seq FROM unnest($2::bigint[], $3::bigint[]) AS h (first, last)
         CROSS JOIN LATERAL (SELECT seq FROM outbox WHERE lane = $1 AND seq BETWEEN h.first AND h.last
                             ORDER BY seq LIMIT $4) AS o
         ORDER BY o.seq LIMIT $4",
    )
    .bind(lane.number())
    .bind(first)
    .bind(last)
    .bind(limit)
    .fetch_all(tx.conn())
    .await?)
}

/// Rows by number, in order.
pub(super) async fn rows(
    tx: &mut WorkerTx,
    lane: Lane,
    seqs: &[i64],
    bytes: i64,
) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(
        "SELECT seq, part, event_id, type, envelope, traceparent, recorded_at
         FROM (SELECT o.*, sum(octet_length(o.envelope)) OVER (ORDER BY o.seq) - octet_length(o.envelope) AS before
               FROM outbox AS o WHERE o.lane = $1 AND o.seq = ANY($2)) AS w
         WHERE before < $3 ORDER BY seq",
    )
    .bind(lane.number())
    .bind(seqs)
    .bind(bytes)
    .fetch_all(tx.conn())
    .await?)
}

/// The rows above `high`, in order: at most `limit`, and at most about `bytes` of envelopes (one row at least).
pub(super) async fn next(
    tx: &mut WorkerTx,
    lane: Lane,
    high: i64,
    limit: i64,
    bytes: i64,
) -> Result<Vec<Row>, DbError> {
    Ok(sqlx::query_as(
        "SELECT seq, part, event_id, type, envelope, traceparent, recorded_at
         FROM (SELECT o.*, sum(octet_length(o.envelope)) OVER (ORDER BY o.seq) - octet_length(o.envelope) AS before
               FROM (SELECT * FROM outbox WHERE lane = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS o) AS w
         WHERE before < $4 ORDER BY seq",
    )
    .bind(lane.number())
    .bind(high)
    .bind(limit)
    .bind(bytes)
    .fetch_all(tx.conn())
    .await?)
}

/// The age of the oldest event above the saved cursors.
pub(super) async fn oldest_unsent(db: &WorkerDb) -> Result<Option<Duration>, DbError> {
    let mut tx = db.begin().await?;
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - min(o.recorded_at))::float8 FROM relay_cursor AS c
         CROSS JOIN LATERAL (SELECT recorded_at FROM outbox WHERE lane = c.lane AND seq > c.high ORDER BY seq LIMIT 1) AS o",
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(seconds.and_then(|s| Duration::try_from_secs_f64(s.max(0.0)).ok()))
}

/// Makes partitions ahead and drops old ones.
pub(super) async fn maintain(db: &WorkerDb) -> Result<i32, DbError> {
    let mut tx = db.begin().await?;
    let changed = sqlx::query_scalar("SELECT outbox_maintain('7 days')").fetch_one(tx.conn()).await?;
    tx.commit().await?;
    Ok(changed)
}
