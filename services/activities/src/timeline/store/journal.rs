//! SQL of the journal.

use db::{DbError, TenantTx};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::timeline::fact::Fact;

/// Facts of one activity or note that the journal keeps: the newest ones.
pub(in crate::timeline) const MAX_OWN_FACTS: i64 = 1_000;

impl FromRow<'_, PgRow> for Fact {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let Json(changes) = row.try_get("changes")?;
        Ok(Self {
            event_id: row.try_get("event_id")?,
            object: row.try_get("object")?,
            record_id: row.try_get("record_id")?,
            verb: row.try_get("verb")?,
            happened_at: row.try_get("happened_at")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            changes,
        })
    }
}

/// Writes a fact into the journal, unless it is there.
pub(in crate::timeline) async fn keep(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let query = sqlx::query(
        "INSERT INTO activities.timeline_event
             (tenant_id, record_id, event_id, object, verb, happened_at, actor_kind, actor_id, changes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
    );
    let query = query.bind(tx.tenant_id()).bind(fact.record_id).bind(fact.event_id).bind(&fact.object);
    let query = query.bind(&fact.verb).bind(fact.happened_at).bind(&fact.actor_kind).bind(fact.actor_id);
    query.bind(Json(&fact.changes)).execute(tx.conn()).await?;
    Ok(())
}

/// Deletes the facts of an activity or a note beyond those that the journal keeps, and their entries.
pub(in crate::timeline) async fn trim(tx: &mut TenantTx, record: Uuid) -> Result<(), DbError> {
    let query = sqlx::query(
        "WITH old AS (
             DELETE FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2 AND event_id <= (
                 SELECT f.event_id FROM activities.timeline_event AS f WHERE f.tenant_id = $1 AND f.record_id = $2
                 ORDER BY f.event_id DESC OFFSET $3 LIMIT 1)
             RETURNING event_id)
         DELETE FROM activities.timeline_entry
         WHERE tenant_id = $1 AND source_id = $2 AND event_id IN (SELECT event_id FROM old)",
    );
    query.bind(tx.tenant_id()).bind(record).bind(MAX_OWN_FACTS).execute(tx.conn()).await?;
    Ok(())
}

/// One purge fact of each of these records that was purged, without the records that were linked to it.
pub(in crate::timeline) async fn purges(tx: &mut TenantTx, records: &[Uuid]) -> Result<Vec<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT DISTINCT ON (record_id) record_id, event_id, object, verb, happened_at, actor_kind, actor_id,
             '[]'::jsonb AS changes
         FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = ANY($2) AND verb = 'purged'
         ORDER BY record_id, event_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(records).fetch_all(tx.conn()).await?)
}

/// Adds records to those whose timelines have an entry of a purge.
pub(in crate::timeline) async fn add_linked(
    tx: &mut TenantTx,
    purge: &Fact,
    linked: &Value,
) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE activities.timeline_event SET changes = changes || $4
         WHERE tenant_id = $1 AND record_id = $2 AND event_id = $3",
    );
    let query = query.bind(tx.tenant_id()).bind(purge.record_id).bind(purge.event_id);
    query.bind(Json(linked)).execute(tx.conn()).await?;
    Ok(())
}

/// The facts of an activity or a note.
pub(in crate::timeline) async fn facts_of(tx: &mut TenantTx, record: Uuid) -> Result<Vec<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2
         ORDER BY event_id DESC LIMIT $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(MAX_OWN_FACTS).fetch_all(tx.conn()).await?)
}

/// The keys of the next facts of the journal, after a record and an event.
pub(in crate::timeline) async fn keys(
    tx: &mut TenantTx,
    (record, event): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<(Uuid, Uuid)>, DbError> {
    let query = sqlx::query_as(
        "SELECT record_id, event_id FROM activities.timeline_event
         WHERE tenant_id = $1 AND (record_id, event_id) > ($2, $3) ORDER BY record_id, event_id LIMIT $4",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(event).bind(limit).fetch_all(tx.conn()).await?)
}

/// A fact of the journal, if it is still there.
pub(in crate::timeline) async fn fact(
    tx: &mut TenantTx,
    (record, event): (Uuid, Uuid),
) -> Result<Option<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2 AND event_id = $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(event).fetch_optional(tx.conn()).await?)
}

/// Deletes some facts of a purged record; gives how many.
pub(in crate::timeline) async fn delete_some(
    tx: &mut TenantTx,
    record: Uuid,
    limit: i64,
) -> Result<u64, DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_event AS f USING (
             SELECT event_id FROM activities.timeline_event
             WHERE tenant_id = $1 AND record_id = $2 AND verb <> 'purged' LIMIT $3) AS next
         WHERE f.tenant_id = $1 AND f.record_id = $2 AND f.event_id = next.event_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(limit).execute(tx.conn()).await?.rows_affected())
}
