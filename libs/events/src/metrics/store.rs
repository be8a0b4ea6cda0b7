//! All SQL of what waits. As the worker role, which sees across tenants; every part is served by an index and bounded.

use std::time::Duration;

use db::{DbError, WorkerDb, WorkerTx};

use crate::Lane;

/// Events of one kind are counted so far and no further: beyond, the exact number changes nothing.
const MOST: i64 = 10_000;

/// Holes of a lane that are looked into, the oldest ones; usually there are none.
const HOLES: i32 = 1_000;

/// What waits in a schema.
#[derive(Debug)]
pub(super) struct Backlog {
    pub(super) unsent: Vec<Unsent>,
    /// By consumer.
    pub(super) parked: Vec<(String, u64)>,
    /// By consumer.
    pub(super) dead: Vec<(String, u64)>,
}

/// What one lane of the outbox has not sent.
#[derive(Debug)]
pub(super) struct Unsent {
    pub(super) lane: Lane,
    pub(super) events: u64,
    /// Of the oldest; zero when there is none.
    pub(super) age: Duration,
}

pub(super) async fn look(db: &WorkerDb) -> Result<Backlog, DbError> {
    let mut tx = db.begin().await?;
    // Whoever waits no longer does not end a statement: it would go on holding the connection that the relay needs.
    sqlx::query("SET LOCAL statement_timeout = '1500ms'").execute(tx.conn()).await?;
    let backlog = Backlog {
        unsent: unsent(&mut tx).await?,
        parked: by_consumer(&mut tx, PARKED).await?,
        dead: by_consumer(&mut tx, DEAD).await?,
    };
    tx.commit().await?;
    Ok(backlog)
}

/// Above the cursor numbers are subtracted instead of rows counted: a backlog of days costs two index probes a lane, and
/// only numbers that were rolled back count too much. Late events, in holes below the cursor, are counted.
async fn unsent(tx: &mut WorkerTx) -> Result<Vec<Unsent>, DbError> {
    let rows: Vec<(i16, i64, f64)> = sqlx::query_as(
        "SELECT c.lane, GREATEST(last.seq - c.high, 0) + late.events,
                extract(epoch FROM GREATEST(clock_timestamp() - LEAST(first.recorded_at, late.recorded_at),
                                            '0'::interval))::float8
         FROM relay_cursor AS c
         LEFT JOIN LATERAL (SELECT recorded_at FROM outbox WHERE lane = c.lane AND seq > c.high
                            ORDER BY seq LIMIT 1) AS first ON true
         LEFT JOIN LATERAL (SELECT seq FROM outbox WHERE lane = c.lane AND seq > c.high
                            ORDER BY seq DESC LIMIT 1) AS last ON true
         CROSS JOIN LATERAL (
             SELECT count(*) AS events, min(recorded_at) AS recorded_at
             FROM (SELECT o.recorded_at FROM generate_series(1, LEAST(cardinality(c.holes), 3 * $2), 3) AS i
                   CROSS JOIN LATERAL (SELECT recorded_at FROM outbox
                                       WHERE lane = c.lane AND seq BETWEEN c.holes[i] AND c.holes[i + 1]
                                       ORDER BY seq LIMIT $1) AS o
                   LIMIT $1) AS o) AS late",
    )
    .bind(MOST)
    .bind(HOLES)
    .fetch_all(tx.conn())
    .await?;
    let unsent = |(lane, events, age): (i16, i64, f64)| Unsent {
        lane: if lane == Lane::Bulk.number() { Lane::Bulk } else { Lane::Interactive },
        events: events.unsigned_abs(),
        age: Duration::try_from_secs_f64(age).unwrap_or_default(),
    };
    Ok(rows.into_iter().map(unsent).collect())
}

const PARKED: &str = "WITH RECURSIVE names (consumer) AS (
         (SELECT consumer FROM inbox_retry ORDER BY consumer LIMIT 1)
         UNION ALL
         SELECT (SELECT r.consumer FROM inbox_retry AS r WHERE r.consumer > n.consumer ORDER BY r.consumer LIMIT 1)
         FROM names AS n WHERE n.consumer IS NOT NULL)
     SELECT n.consumer, (SELECT count(*) FROM (SELECT FROM inbox_retry AS r WHERE r.consumer = n.consumer LIMIT $1) AS c)
     FROM names AS n WHERE n.consumer IS NOT NULL";

const DEAD: &str = "WITH RECURSIVE names (consumer) AS (
         (SELECT consumer FROM dead_event ORDER BY consumer LIMIT 1)
         UNION ALL
         SELECT (SELECT d.consumer FROM dead_event AS d WHERE d.consumer > n.consumer ORDER BY d.consumer LIMIT 1)
         FROM names AS n WHERE n.consumer IS NOT NULL)
     SELECT n.consumer, (SELECT count(*) FROM (SELECT FROM dead_event AS d WHERE d.consumer = n.consumer LIMIT $1) AS c)
     FROM names AS n WHERE n.consumer IS NOT NULL";

/// Runs [`PARKED`] or [`DEAD`]. The names come out of the index itself, one probe each, so that the events of a consumer that
/// is no more are seen too.
async fn by_consumer(tx: &mut WorkerTx, sql: &'static str) -> Result<Vec<(String, u64)>, DbError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(sql).bind(MOST).fetch_all(tx.conn()).await?;
    Ok(rows.into_iter().map(|(consumer, events)| (consumer, events.unsigned_abs())).collect())
}
