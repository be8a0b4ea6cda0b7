//! SQL that writes entries.

use db::{DbError, TenantTx};
use serde_json::{Value, json};
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::timeline::fact::Fact;
use crate::timeline::project::{Entry, Named};

/// Entries written by one statement.
const ROWS: usize = 5_000;

/// Writes entries of facts that are not there.
pub(in crate::timeline) async fn put(tx: &mut TenantTx, entries: &[(&Fact, Entry)]) -> Result<(), DbError> {
    for entries in entries.chunks(ROWS) {
        put_some(tx, entries).await?;
    }
    Ok(())
}

async fn put_some(tx: &mut TenantTx, entries: &[(&Fact, Entry)]) -> Result<(), DbError> {
    // Each fact once, and the entries with the numbers of their facts.
    let (mut facts, mut rows): (Vec<&Fact>, Vec<Value>) = (Vec::new(), Vec::new());
    for (fact, entry) in entries {
        if facts.last().is_none_or(|last| last.event_id != fact.event_id) {
            facts.push(fact);
        }
        rows.push(row(facts.len(), fact, entry));
    }
    let texts = |of: fn(&Fact) -> &String| facts.iter().map(|fact| of(fact).clone()).collect::<Vec<_>>();
    let ids = |of: fn(&Fact) -> Uuid| facts.iter().map(|fact| of(fact)).collect::<Vec<_>>();
    let moments: Vec<OffsetDateTime> = facts.iter().map(|fact| fact.happened_at).collect();
    sqlx::query(
        "INSERT INTO activities.timeline_entry (tenant_id, record_id, type, happened_at, id, object, event, source_object,
             source_id, event_id, actor_kind, actor_id, other_object, other_id, fields, data, is_of_creation)
         SELECT $1, e.record_id, e.type, f.happened_at, e.id, e.object, e.event, f.object, f.record_id, f.event_id,
             f.actor_kind, f.actor_id, e.other_object, e.other_id, e.fields, e.data, f.verb = 'created'
         FROM jsonb_to_recordset($2) AS e (fact bigint, record_id uuid, type text, id uuid, object text, event text,
             other_object text, other_id uuid, fields text[], data jsonb)
         JOIN unnest($3::timestamptz[], $4::text[], $5::uuid[], $6::uuid[], $7::text[], $8::uuid[], $9::text[]) WITH ORDINALITY
             AS f (happened_at, object, record_id, event_id, actor_kind, actor_id, verb, number) ON f.number = e.fact
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(Json(rows))
    .bind(moments)
    .bind(texts(|fact| &fact.object))
    .bind(ids(|fact| fact.record_id))
    .bind(ids(|fact| fact.event_id))
    .bind(texts(|fact| &fact.actor_kind))
    .bind(ids(|fact| fact.actor_id))
    .bind(texts(|fact| &fact.verb))
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn row(number: usize, fact: &Fact, entry: &Entry) -> Value {
    json!({
        "fact": number,
        "record_id": entry.subject.1,
        "type": entry.kind,
        "id": entry.id(fact),
        "object": entry.subject.0,
        "event": entry.event,
        "other_object": entry.other.as_ref().map(|other| &other.0),
        "other_id": entry.other.as_ref().map(|other| other.1),
        "fields": entry.fields,
        "data": entry.data,
    })
}

/// Deletes the entries of a fact.
pub(in crate::timeline) async fn delete_of(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND source_id = $2 AND event_id = $3",
    );
    query.bind(tx.tenant_id()).bind(fact.record_id).bind(fact.event_id).execute(tx.conn()).await?;
    Ok(())
}

/// Deletes the entries of an activity or a note, but for those in the timelines of these records.
pub(in crate::timeline) async fn delete_elsewhere(
    tx: &mut TenantTx,
    source: Uuid,
    about: &[Uuid],
) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_entry
         WHERE tenant_id = $1 AND source_id = $2 AND record_id <> ALL($3)",
    );
    query.bind(tx.tenant_id()).bind(source).bind(about).execute(tx.conn()).await?;
    Ok(())
}

/// Deletes what there is of an activity or a note: its facts, which are bounded, and their entries.
pub(in crate::timeline) async fn forget_own(tx: &mut TenantTx, source: Uuid) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND source_id = $2",
        "DELETE FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2",
    ] {
        sqlx::query(statement).bind(tx.tenant_id()).bind(source).execute(tx.conn()).await?;
    }
    Ok(())
}

/// The next records whose timelines name another in more than its purge, and in how many of the entries looked at.
pub(in crate::timeline) async fn naming(
    tx: &mut TenantTx,
    other: Uuid,
    limit: i64,
) -> Result<Vec<(Uuid, i64)>, DbError> {
    let query = sqlx::query_as(
        "SELECT record_id, count(*) FROM (
             SELECT record_id FROM activities.timeline_entry
             WHERE tenant_id = $1 AND other_id = $2 AND event <> 'purged' ORDER BY record_id LIMIT $3) AS next
         GROUP BY record_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(other).bind(limit).fetch_all(tx.conn()).await?)
}

/// Those of the records that are linked to another at a moment, as their timelines say, and whose timelines do not have its purge yet.
pub(in crate::timeline) async fn linked(
    tx: &mut TenantTx,
    other: Uuid,
    until: OffsetDateTime,
    records: &[Uuid],
) -> Result<Vec<Named>, DbError> {
    let query = sqlx::query_as(
        "SELECT object, record_id FROM (
             SELECT DISTINCT ON (record_id) object, record_id, event FROM activities.timeline_entry
             WHERE tenant_id = $1 AND other_id = $2 AND record_id = ANY($4) AND happened_at <= $3
             ORDER BY record_id, happened_at DESC, id DESC) AS last
         WHERE event = 'linked' AND NOT EXISTS (
             SELECT FROM activities.timeline_entry AS p
             WHERE p.tenant_id = $1 AND p.other_id = $2 AND p.record_id = last.record_id AND p.event = 'purged')
         ORDER BY record_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(other).bind(until).bind(records).fetch_all(tx.conn()).await?)
}

/// Whether the timeline of a record has the purge of another.
pub(in crate::timeline) async fn has_purge(
    tx: &mut TenantTx,
    record: Uuid,
    other: Uuid,
) -> Result<bool, DbError> {
    let query = sqlx::query(
        "SELECT FROM activities.timeline_entry
         WHERE tenant_id = $1 AND other_id = $2 AND record_id = $3 AND event = 'purged' LIMIT 1",
    );
    Ok(query.bind(tx.tenant_id()).bind(other).bind(record).fetch_optional(tx.conn()).await?.is_some())
}

/// Deletes the entries that name a record in the timelines of others, but for its purge.
pub(in crate::timeline) async fn delete_naming(
    tx: &mut TenantTx,
    other: Uuid,
    records: &[Uuid],
) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_entry
         WHERE tenant_id = $1 AND other_id = $2 AND record_id = ANY($3) AND event <> 'purged'",
    );
    query.bind(tx.tenant_id()).bind(other).bind(records).execute(tx.conn()).await?;
    Ok(())
}

/// Deletes some entries of a timeline; gives how many.
pub(in crate::timeline) async fn delete_some(
    tx: &mut TenantTx,
    record: Uuid,
    limit: i64,
) -> Result<u64, DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_entry AS e USING (
             SELECT type, happened_at, id FROM activities.timeline_entry
             WHERE tenant_id = $1 AND record_id = $2 LIMIT $3) AS next
         WHERE e.tenant_id = $1 AND e.record_id = $2 AND e.type = next.type AND e.happened_at = next.happened_at
           AND e.id = next.id",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(limit).execute(tx.conn()).await?.rows_affected())
}

/// The records that an activity or a note is about; `None` if it does not exist.
pub(in crate::timeline) async fn about(
    tx: &mut TenantTx,
    object: &str,
    id: Uuid,
) -> Result<Option<Vec<Named>>, DbError> {
    let statement = match object {
        "note" => {
            "SELECT l.object, l.record_id FROM activities.notes AS t
             LEFT JOIN activities.note_link AS l ON l.tenant_id = $1 AND l.note_id = t.id
             WHERE t.tenant_id = $1 AND t.id = $2"
        }
        _ => {
            "SELECT l.object, l.record_id FROM activities.activities AS t
             LEFT JOIN activities.activity_link AS l ON l.tenant_id = $1 AND l.activity_id = t.id
             WHERE t.tenant_id = $1 AND t.id = $2"
        }
    };
    let query = sqlx::query_as(statement).bind(tx.tenant_id()).bind(id);
    let rows: Vec<(Option<String>, Option<Uuid>)> = query.fetch_all(tx.conn()).await?;
    let is_there = !rows.is_empty();
    Ok(is_there.then(|| rows.into_iter().filter_map(|(object, id)| object.zip(id)).collect()))
}

/// The key of an entry.
#[derive(Clone, Debug)]
pub(in crate::timeline) struct Key {
    record_id: Uuid,
    kind: String,
    happened_at: OffsetDateTime,
    id: Uuid,
}

/// Before all.
impl Default for Key {
    fn default() -> Self {
        let (record_id, id) = (Uuid::nil(), Uuid::nil());
        Self { record_id, kind: String::new(), happened_at: OffsetDateTime::UNIX_EPOCH, id }
    }
}

/// Looks at the next entries, and deletes those whose fact is not in the journal: the last one looked at and how many are deleted; `None`
/// after the last.
pub(in crate::timeline) async fn sweep(
    tx: &mut TenantTx,
    after: &Key,
    limit: i64,
) -> Result<Option<(Key, i64)>, DbError> {
    let query = sqlx::query_as(
        "WITH page AS MATERIALIZED (
             SELECT e.record_id, e.type, e.happened_at, e.id, e.source_id, e.event_id FROM activities.timeline_entry AS e
             WHERE e.tenant_id = $1 AND (e.record_id, e.type, e.happened_at, e.id) > ($2, $3, $4, $5)
             ORDER BY e.record_id, e.type, e.happened_at, e.id LIMIT $6),
         gone AS (
             DELETE FROM activities.timeline_entry AS e USING page AS p
             WHERE e.tenant_id = $1 AND e.record_id = p.record_id AND e.type = p.type
               AND e.happened_at = p.happened_at AND e.id = p.id
               AND NOT EXISTS (SELECT FROM activities.timeline_event AS f
                               WHERE f.tenant_id = $1 AND f.record_id = p.source_id AND f.event_id = p.event_id)
             RETURNING e.id)
         SELECT p.record_id, p.type, p.happened_at, p.id, (SELECT count(*) FROM gone) FROM page AS p
         ORDER BY p.record_id DESC, p.type DESC, p.happened_at DESC, p.id DESC LIMIT 1",
    );
    let query = query.bind(tx.tenant_id()).bind(after.record_id).bind(&after.kind);
    let query = query.bind(after.happened_at).bind(after.id).bind(limit);
    let last: Option<(Uuid, String, OffsetDateTime, Uuid, i64)> = query.fetch_optional(tx.conn()).await?;
    Ok(last.map(|(record_id, kind, happened_at, id, gone)| (Key { record_id, kind, happened_at, id }, gone)))
}
