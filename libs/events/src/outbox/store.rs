//! All SQL of the outbox's writing side.

use db::{DbError, TenantTx};
use uuid::Uuid;

use crate::{NewEvent, partition};

/// Rows per statement: bounds the memory of a bulk append.
pub(super) const CHUNK: usize = 500;

/// One statement, whatever the number of events. `outbox_next` draws the number (see the module above for its order).
pub(super) async fn insert(tx: &mut TenantTx, events: &[NewEvent]) -> Result<(), DbError> {
    let tenant = tx.tenant_id();
    let lanes: Vec<i16> = events.iter().map(|e| e.lane.number()).collect();
    let parts: Vec<i16> = events.iter().map(|e| i16::from(partition(e.record_id))).collect();
    let ids: Vec<Uuid> = events.iter().map(|e| e.id).collect();
    let kinds: Vec<String> = events.iter().map(NewEvent::kind).collect();
    let records: Vec<Uuid> = events.iter().map(|e| e.record_id).collect();
    let versions: Vec<i64> = events.iter().map(|e| e.version).collect();
    let envelopes: Vec<Vec<u8>> = events.iter().map(|e| e.encode(tenant)).collect();
    let traces: Vec<Option<String>> = events.iter().map(|e| e.traceparent.clone()).collect();
    sqlx::query(
        "INSERT INTO outbox (tenant_id, lane, seq, part, event_id, type, record_id, version, envelope, traceparent)
         SELECT $1, e.lane, outbox_next(e.lane), e.part, e.event_id, e.type, e.record_id, e.version, e.envelope, e.traceparent
         FROM (SELECT * FROM unnest($2::smallint[], $3::smallint[], $4::uuid[], $5::text[], $6::uuid[], $7::bigint[],
                                    $8::bytea[], $9::text[]) WITH ORDINALITY
                 AS u (lane, part, event_id, type, record_id, version, envelope, traceparent, n)
               ORDER BY n) AS e",
    )
    .bind(tenant)
    .bind(lanes)
    .bind(parts)
    .bind(ids)
    .bind(kinds)
    .bind(records)
    .bind(versions)
    .bind(envelopes)
    .bind(traces)
    .execute(tx.conn())
    .await?;
    Ok(())
}
