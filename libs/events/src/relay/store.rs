//! All SQL of the relay. It runs as the worker role: the outbox of every tenant, read-only, and the relay's own state.

use std::time::Duration;

use db::{DbError, WorkerDb, WorkerTx};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row as _};
use time::OffsetDateTime;
use uuid::Uuid;

use super::RelayError;
use super::cursor::Cursor;
use super::part::{Looked, Most, Outbox};
use super::sent::{self, Numbers};
use super::waves::WAVES;
use crate::Lane;

/// A row of the outbox.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) seq: i64,
    pub(super) part: i16,
    pub(super) event_id: Uuid,
    pub(super) record_id: Uuid,
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
            record_id: row.try_get("record_id")?,
            kind: row.try_get("type")?,
            envelope: row.try_get("envelope")?,
            traceparent: row.try_get("traceparent")?,
            recorded_at: row.try_get("recorded_at")?,
        })
    }
}

impl<'r> FromRow<'r, PgRow> for Looked {
    fn from_row(row: &'r PgRow) -> Result<Self, sqlx::Error> {
        let envelope: Option<&[u8]> = row.try_get("envelope")?;
        Ok(Self {
            seq: row.try_get("seq")?,
            record_id: row.try_get("record_id")?,
            row: envelope.map(|_| Row::from_row(row)).transpose()?,
        })
    }
}

/// What a snapshot says besides its rows.
#[derive(Clone, Debug)]
pub(super) struct Snapshot {
    /// Every transaction with a lower id had ended.
    pub(super) xmin: i64,
    /// `high` and `low_watermark` as saved, by lane.
    pub(super) cursors: Vec<(i64, i64)>,
}

/// What `outbox_maintain` does at most, in rows: when it did, there may be more.
pub(super) const MAINTAINED: i32 = 20_000;

/// The lease's length, seconds, by the database's clock.
const LEASE: f64 = 15.0;

/// Takes the lease when it is free or ours; gives its epoch.
///
/// The lease before it may have been that of an older program, which does not write down what the broker took: then all that the
/// cursor passed until now counts as taken, else it would be sent again and reported as lost.
pub(super) async fn acquire(db: &WorkerDb, holder: Uuid) -> Result<Option<i64>, DbError> {
    let mut tx = db.begin().await?;
    let taken: Option<(i64, bool)> = sqlx::query_as(
        "WITH was AS (SELECT epoch, counted FROM relay_lease
                      WHERE id = 1 AND (expires_at < clock_timestamp() OR holder = $1) FOR UPDATE)
         UPDATE relay_lease AS l SET holder = $1, epoch = was.epoch + 1, counted = was.epoch + 1,
             expires_at = clock_timestamp() + make_interval(secs => $2)
         FROM was WHERE l.id = 1
         RETURNING l.epoch, was.counted = was.epoch",
    )
    .bind(holder)
    .bind(LEASE)
    .fetch_optional(tx.conn())
    .await?;
    if let Some((_, false)) = taken {
        sqlx::query(
            "INSERT INTO relay_sent AS s (lane, bucket, sent)
             SELECT c.lane, b, int8multirange(int8range(GREATEST(b * $1, 1), LEAST((b + 1) * $1, c.high + 1)))
                 - coalesce((SELECT range_agg(int8range(c.holes[i], c.holes[i + 1], '[]'))
                             FROM generate_series(1, cardinality(c.holes), 3) AS i), '{}')
             FROM relay_cursor AS c
             CROSS JOIN LATERAL (SELECT seq FROM outbox WHERE lane = c.lane ORDER BY seq LIMIT 1) AS oldest
             CROSS JOIN LATERAL generate_series(oldest.seq / $1, c.high / $1) AS b
             WHERE c.high > 0
             ON CONFLICT (lane, bucket) DO UPDATE SET sent = s.sent + EXCLUDED.sent",
        )
        .bind(sent::BUCKET)
        .execute(tx.conn())
        .await?;
    }
    tx.commit().await?;
    Ok(taken.map(|(epoch, _)| epoch))
}

/// Extends the lease; `false` when it is somebody else's.
pub(super) async fn renew(db: &WorkerDb, holder: Uuid, epoch: i64) -> Result<bool, DbError> {
    let mut tx = db.begin().await?;
    let renewed = extend(&mut tx, holder, epoch).await?.is_some();
    tx.commit().await?;
    Ok(renewed)
}

/// Gives the id of the transaction.
async fn extend(tx: &mut WorkerTx, holder: Uuid, epoch: i64) -> Result<Option<i64>, DbError> {
    Ok(sqlx::query_scalar(
        "UPDATE relay_lease SET expires_at = clock_timestamp() + make_interval(secs => $3)
         WHERE id = 1 AND holder = $1 AND epoch = $2 RETURNING pg_current_xact_id()::text::bigint",
    )
    .bind(holder)
    .bind(epoch)
    .bind(LEASE)
    .fetch_optional(tx.conn())
    .await?)
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

/// Begins to save and extends the lease; gives the transaction's id, or nothing when the lease is somebody else's.
pub(super) async fn begin_save(
    db: &WorkerDb,
    holder: Uuid,
    epoch: i64,
) -> Result<Option<(WorkerTx, i64)>, DbError> {
    let mut tx = db.begin().await?;
    // The lease row stays locked until commit: nobody can take it between this check and the cursors.
    Ok(extend(&mut tx, holder, epoch).await?.map(|id| (tx, id)))
}

/// Saves a lane's cursor and the numbers that were taken; `false` when the saved cursor is not the one it was.
pub(super) async fn save(
    tx: &mut WorkerTx,
    lane: Lane,
    was: &Cursor,
    cursor: &Cursor,
    taken: &[i64],
) -> Result<bool, DbError> {
    let (buckets, sent) = sent::buckets(taken);
    let moved: i64 = sqlx::query_scalar(
        "WITH moved AS (
             UPDATE relay_cursor SET low_watermark = $2, high = $3, holes = $4
             WHERE lane = $1 AND low_watermark = $5 AND high = $6 RETURNING lane),
         marked AS (
             INSERT INTO relay_sent AS s (lane, bucket, sent)
             SELECT m.lane, b.bucket, b.sent::int8multirange
             FROM moved AS m CROSS JOIN unnest($7::bigint[], $8::text[]) AS b (bucket, sent)
             ON CONFLICT (lane, bucket) DO UPDATE SET sent = s.sent + EXCLUDED.sent)
         SELECT count(*) FROM moved",
    )
    .bind(lane.number())
    .bind(cursor.low_watermark())
    .bind(cursor.high())
    .bind(cursor.flat())
    .bind(was.low_watermark())
    .bind(was.high())
    .bind(buckets)
    .bind(sent)
    .fetch_one(tx.conn())
    .await?;
    Ok(moved == 1)
}

/// The outbox in a transaction whose every statement sees the same snapshot.
pub(super) struct Reader {
    tx: WorkerTx,
    /// The last number that was given out in each lane, by lane: read after the snapshot was taken, so it shows none above.
    given: Vec<i64>,
}

impl Reader {
    /// Whether a number above this one was ever given out.
    fn may_have_above(&self, lane: Lane, high: i64) -> bool {
        usize::try_from(lane.number())
            .ok()
            .and_then(|lane| self.given.get(lane))
            .is_none_or(|last| *last > high)
    }

    /// Ends the transaction.
    pub(super) async fn end(self) -> Result<(), DbError> {
        self.tx.commit().await
    }
}

/// Takes a snapshot. The statement has no parameters, so PostgreSQL plans it once for a connection: most looks find nothing, and
/// planning is most of what those cost.
pub(super) async fn look(db: &WorkerDb) -> Result<(Reader, Snapshot), DbError> {
    let mut tx = db.begin_snapshot().await?;
    let (xmin, high, low, given): (i64, Vec<i64>, Vec<i64>, Vec<i64>) = sqlx::query_as(
        "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
                ARRAY(SELECT high FROM relay_cursor ORDER BY lane),
                ARRAY(SELECT low_watermark FROM relay_cursor ORDER BY lane),
                ARRAY[(SELECT last_value - (NOT is_called)::int FROM outbox_seq_0),
                      (SELECT last_value - (NOT is_called)::int FROM outbox_seq_1)]",
    )
    .fetch_one(tx.conn())
    .await?;
    Ok((Reader { tx, given }, Snapshot { xmin, cursors: high.into_iter().zip(low).collect() }))
}

impl Outbox for Reader {
    /// The ordinals keep the ranges in their order, so that the scan ends with the last row that is asked for: sorted as a
    /// whole, every range would be read.
    async fn probe(
        &mut self,
        lane: Lane,
        unknown: &Numbers,
        most: usize,
    ) -> Result<Vec<(i64, Uuid)>, RelayError> {
        let (first, last): (Vec<i64>, Vec<i64>) = unknown.ranges().iter().copied().unzip();
        let found = sqlx::query_as(
            "SELECT o.seq, o.record_id
             FROM unnest($2::bigint[], $3::bigint[]) WITH ORDINALITY AS h (first, last, n)
             CROSS JOIN LATERAL (SELECT seq, record_id FROM outbox WHERE lane = $1 AND seq BETWEEN h.first AND h.last
                                 ORDER BY seq LIMIT $4) AS o
             ORDER BY h.n, o.seq LIMIT $4",
        )
        .bind(lane.number())
        .bind(first)
        .bind(last)
        .bind(most as i64)
        .fetch_all(self.tx.conn())
        .await;
        Ok(found.map_err(DbError::from)?)
    }

    async fn rows(&mut self, lane: Lane, seqs: &[i64], bytes: usize) -> Result<Vec<Row>, RelayError> {
        let rows = sqlx::query_as(
            "SELECT seq, part, event_id, record_id, type, envelope, traceparent, recorded_at
             FROM (SELECT o.*, u.n, sum(octet_length(o.envelope)) OVER (ORDER BY u.n) - octet_length(o.envelope) AS before
                   FROM unnest($2::bigint[]) WITH ORDINALITY AS u (seq, n)
                   CROSS JOIN LATERAL (SELECT * FROM outbox WHERE lane = $1 AND seq = u.seq LIMIT 1) AS o) AS w
             WHERE before < $3 ORDER BY n",
        )
        .bind(lane.number())
        .bind(seqs)
        .bind(bytes as i64)
        .fetch_all(self.tx.conn())
        .await;
        Ok(rows.map_err(DbError::from)?)
    }

    /// An event comes with its number when it is among the first of its record here, which is not held, and within the bounds.
    async fn next(
        &mut self,
        lane: Lane,
        high: i64,
        held: &[Uuid],
        most: Most,
    ) -> Result<Vec<Looked>, RelayError> {
        if !self.may_have_above(lane, high) {
            return Ok(Vec::new());
        }
        let looked = sqlx::query_as(
            "SELECT seq, part, event_id, record_id, type, traceparent, recorded_at, CASE WHEN due THEN envelope END AS envelope
             FROM (SELECT o.*, o.early
                       AND sum(CASE WHEN o.early THEN octet_length(o.envelope) ELSE 0 END) OVER (ORDER BY o.seq)
                           - octet_length(o.envelope) < $5
                       AND count(*) FILTER (WHERE o.early) OVER (ORDER BY o.seq) <= $4 AS due
                   FROM (SELECT *, row_number() OVER (PARTITION BY record_id ORDER BY seq) <= $6
                             AND record_id NOT IN (SELECT unnest($7::uuid[])) AS early
                         FROM (SELECT * FROM outbox WHERE lane = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS n) AS o) AS w
             ORDER BY seq",
        )
        .bind(lane.number())
        .bind(high)
        .bind(most.numbers as i64)
        .bind(most.events as i64)
        .bind(most.bytes as i64)
        .bind(WAVES as i64)
        .bind(held)
        .fetch_all(self.tx.conn())
        .await;
        Ok(looked.map_err(DbError::from)?)
    }
}

/// The age of the oldest event that is above the saved cursors or in the first of their holes.
pub(super) async fn oldest_unsent(db: &WorkerDb) -> Result<Option<Duration>, DbError> {
    let mut tx = db.begin().await?;
    let seconds: Option<f64> = sqlx::query_scalar(
        "SELECT extract(epoch FROM clock_timestamp() - min(o.recorded_at))::float8 FROM relay_cursor AS c
         CROSS JOIN LATERAL (
             (SELECT recorded_at FROM outbox WHERE lane = c.lane AND seq > c.high ORDER BY seq LIMIT 1)
             UNION ALL
             SELECT h.recorded_at FROM generate_series(1, LEAST(cardinality(c.holes), 300), 3) AS i
             CROSS JOIN LATERAL (SELECT recorded_at FROM outbox
                                 WHERE lane = c.lane AND seq BETWEEN c.holes[i] AND c.holes[i + 1]
                                 ORDER BY seq LIMIT 1) AS h) AS o",
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(seconds.and_then(|s| Duration::try_from_secs_f64(s.max(0.0)).ok()))
}

/// The lowest number that is kept.
pub(super) async fn oldest(db: &WorkerDb, lane: Lane) -> Result<Option<i64>, DbError> {
    let mut tx = db.begin().await?;
    let seq = sqlx::query_scalar("SELECT seq FROM outbox WHERE lane = $1 ORDER BY seq LIMIT 1")
        .bind(lane.number())
        .fetch_optional(tx.conn())
        .await?;
    tx.commit().await?;
    Ok(seq)
}

/// Committed numbers from the first to the last of `range` that were never taken and are not `missing`, the text of a
/// multirange: the holes of the cursor whose `high` the range does not pass.
pub(super) async fn lost(
    db: &WorkerDb,
    lane: Lane,
    range: (i64, i64),
    missing: &str,
    limit: i64,
) -> Result<Vec<i64>, DbError> {
    let mut tx = db.begin().await?;
    let seqs = sqlx::query_scalar(
        "SELECT o.seq FROM outbox AS o
         LEFT JOIN relay_sent AS s ON s.lane = $1 AND s.bucket = o.seq / $6
         WHERE o.lane = $1 AND o.seq BETWEEN $2 AND $3
             AND NOT coalesce(s.sent @> o.seq, false) AND NOT $4::text::int8multirange @> o.seq
         ORDER BY o.seq LIMIT $5",
    )
    .bind(lane.number())
    .bind(range.0)
    .bind(range.1)
    .bind(missing)
    .bind(limit)
    .bind(sent::BUCKET)
    .fetch_all(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(seqs)
}

/// Makes partitions ahead, drops old ones and deletes old rows; gives how much it did, which [`MAINTAINED`] bounds.
pub(super) async fn maintain(db: &WorkerDb) -> Result<i32, DbError> {
    let mut tx = db.begin().await?;
    let changed = sqlx::query_scalar("SELECT outbox_maintain('7 days')").fetch_one(tx.conn()).await?;
    tx.commit().await?;
    Ok(changed)
}
