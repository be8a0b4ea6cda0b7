//! SQL of the journal and of the entries that are made from it.

use db::{DbError, TenantTx};
use query::page::Newest;
use serde_json::{Value, json};
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::fact::Fact;
use super::project::{Entry, Named};

/// Facts of an activity or a note that timelines tell of: the newest ones.
const FACTS: i64 = 1_000;

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

/// Writes a fact into the journal, unless it has it.
pub(super) async fn keep(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
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

/// Those of records that were purged.
pub(super) async fn purges(tx: &mut TenantTx, records: &[Uuid]) -> Result<Vec<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = ANY($2) AND verb = 'purged'",
    );
    Ok(query.bind(tx.tenant_id()).bind(records).fetch_all(tx.conn()).await?)
}

/// Adds records to those whose timelines tell of a purge.
pub(super) async fn state(tx: &mut TenantTx, purge: &Fact, statements: &Value) -> Result<(), DbError> {
    let query = sqlx::query(
        "UPDATE activities.timeline_event SET changes = changes || $4
         WHERE tenant_id = $1 AND record_id = $2 AND event_id = $3",
    );
    let query = query.bind(tx.tenant_id()).bind(purge.record_id).bind(purge.event_id);
    query.bind(Json(statements)).execute(tx.conn()).await?;
    Ok(())
}

/// The newest facts of an activity or a note.
pub(super) async fn facts_of(tx: &mut TenantTx, record: Uuid) -> Result<Vec<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2
         ORDER BY event_id DESC LIMIT $3",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(FACTS).fetch_all(tx.conn()).await?)
}

/// The next facts of the journal, behind a record and an event.
pub(super) async fn facts(
    tx: &mut TenantTx,
    (record, event): (Uuid, Uuid),
    limit: i64,
) -> Result<Vec<Fact>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM activities.timeline_event WHERE tenant_id = $1 AND (record_id, event_id) > ($2, $3)
         ORDER BY record_id, event_id LIMIT $4",
    );
    Ok(query.bind(tx.tenant_id()).bind(record).bind(event).bind(limit).fetch_all(tx.conn()).await?)
}

/// Whether the journal still has a fact, which is then locked.
pub(super) async fn is_kept(tx: &mut TenantTx, fact: &Fact) -> Result<bool, DbError> {
    let query = sqlx::query(
        "SELECT FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2 AND event_id = $3 FOR SHARE",
    );
    let query = query.bind(tx.tenant_id()).bind(fact.record_id).bind(fact.event_id);
    Ok(query.fetch_optional(tx.conn()).await?.is_some())
}

/// Puts entries of a fact that are not there.
pub(super) async fn put(tx: &mut TenantTx, fact: &Fact, entries: &[Entry]) -> Result<(), DbError> {
    if entries.is_empty() {
        return Ok(());
    }
    let rows: Vec<Value> = entries.iter().map(|entry| row(fact, entry)).collect();
    sqlx::query(
        "INSERT INTO activities.timeline_entry (tenant_id, record_id, type, happened_at, id, object, event, source_object,
             source_id, event_id, actor_kind, actor_id, other_object, other_id, fields, data)
         SELECT $1, e.record_id, e.type, $3, e.id, e.object, e.event, $4, $5, $6, $7, $8, e.other_object, e.other_id,
             e.fields, e.data
         FROM jsonb_to_recordset($2) AS e (record_id uuid, type text, id uuid, object text, event text, other_object text,
             other_id uuid, fields text[], data jsonb)
         ON CONFLICT DO NOTHING",
    )
    .bind(tx.tenant_id())
    .bind(Json(rows))
    .bind(fact.happened_at)
    .bind(&fact.object)
    .bind(fact.record_id)
    .bind(fact.event_id)
    .bind(&fact.actor_kind)
    .bind(fact.actor_id)
    .execute(tx.conn())
    .await?;
    Ok(())
}

fn row(fact: &Fact, entry: &Entry) -> Value {
    json!({
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

/// Takes away what timelines tell of a fact.
pub(super) async fn withdraw(tx: &mut TenantTx, fact: &Fact) -> Result<(), DbError> {
    let query = sqlx::query(
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND source_id = $2 AND event_id = $3",
    );
    query.bind(tx.tenant_id()).bind(fact.record_id).bind(fact.event_id).execute(tx.conn()).await?;
    Ok(())
}

/// Takes away what timelines tell of an activity or a note, but for those of the records that it is about.
pub(super) async fn withdraw_elsewhere(
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

/// The records that are linked to another at a moment, as their timelines say.
pub(super) async fn linked(
    tx: &mut TenantTx,
    other: Uuid,
    until: OffsetDateTime,
) -> Result<Vec<Named>, DbError> {
    let query = sqlx::query_as(
        "SELECT object, record_id FROM (
             SELECT DISTINCT ON (record_id) object, record_id, event FROM activities.timeline_entry
             WHERE tenant_id = $1 AND other_id = $2 AND happened_at <= $3
             ORDER BY record_id, happened_at DESC, id DESC) AS last
         WHERE event = 'linked' ORDER BY record_id",
    );
    Ok(query.bind(tx.tenant_id()).bind(other).bind(until).fetch_all(tx.conn()).await?)
}

/// Forgets a record: its facts, its timeline, and what other timelines tell of it but for purges.
pub(super) async fn forget(tx: &mut TenantTx, record: Uuid) -> Result<(), DbError> {
    for statement in [
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND record_id = $2",
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND source_id = $2 AND event <> 'purged'",
        "DELETE FROM activities.timeline_entry WHERE tenant_id = $1 AND other_id = $2 AND event <> 'purged'",
        "DELETE FROM activities.timeline_event WHERE tenant_id = $1 AND record_id = $2 AND verb <> 'purged'",
    ] {
        sqlx::query(statement).bind(tx.tenant_id()).bind(record).execute(tx.conn()).await?;
    }
    Ok(())
}

/// The records that an activity or a note is about; `None` if it does not exist.
pub(super) async fn about(tx: &mut TenantTx, object: &str, id: Uuid) -> Result<Option<Vec<Named>>, DbError> {
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
pub(super) struct Key {
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

/// Looks at the next entries, and takes away those whose fact is not in the journal: the last one looked at and how many are gone; `None` behind
/// the last.
pub(super) async fn sweep(tx: &mut TenantTx, after: &Key, limit: i64) -> Result<Option<(Key, i64)>, DbError> {
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

/// Which rows of activities and notes a caller sees.
#[derive(Clone, Debug)]
pub(super) struct Sight {
    /// Its entries are wanted, and the links are not hidden.
    pub(super) is_wanted: bool,
    pub(super) scope: query::RowScope,
}

/// What is asked of a timeline.
#[derive(Clone, Debug)]
pub(super) struct Wanted<'a> {
    pub(super) record_id: Uuid,
    /// Those of records alone.
    pub(super) types: &'a [&'static str],
    pub(super) activities: Sight,
    pub(super) notes: Sight,
    /// Fields that are hidden, by object and name.
    pub(super) hidden: &'a [String],
    pub(super) after: Newest,
    pub(super) limit: i64,
}

/// An entry, with what its activity or note is now.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: Uuid,
    pub(super) happened_at: OffsetDateTime,
    pub(super) kind: String,
    pub(super) object: String,
    pub(super) event: String,
    pub(super) source_object: String,
    pub(super) source_id: Uuid,
    pub(super) actor_kind: String,
    pub(super) actor_id: Uuid,
    pub(super) other: Option<Named>,
    pub(super) data: Value,
    pub(super) now: Value,
}

impl FromRow<'_, PgRow> for Stored {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let other: Option<String> = row.try_get("other_object")?;
        let (data, now): (Option<Json<Value>>, Option<Json<Value>>) =
            (row.try_get("data")?, row.try_get("now")?);
        Ok(Self {
            id: row.try_get("id")?,
            happened_at: row.try_get("happened_at")?,
            kind: row.try_get("type")?,
            object: row.try_get("object")?,
            event: row.try_get("event")?,
            source_object: row.try_get("source_object")?,
            source_id: row.try_get("source_id")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            other: other.zip(row.try_get("other_id")?),
            data: data.map(|Json(data)| data).unwrap_or_default(),
            now: now.map(|Json(now)| now).unwrap_or_default(),
        })
    }
}

/// The entries of a timeline behind a place that the caller sees, the newest first. Of each type as many as the page may have: a range of the
/// key, read from its end.
pub(super) async fn page(tx: &mut TenantTx, wanted: &Wanted<'_>) -> Result<Vec<Stored>, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM (
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.source_object, e.source_id, e.actor_kind, e.actor_id,
                  e.other_object, e.other_id, e.data, NULL::jsonb AS now
              FROM unnest($2::text[]) AS wanted (type) CROSS JOIN LATERAL (
                  SELECT * FROM activities.timeline_entry AS r
                  WHERE r.tenant_id = $1 AND r.record_id = $3 AND r.type = wanted.type AND (r.happened_at, r.id) < ($4, $5)
                    AND (r.fields = '{}' OR NOT r.fields <@ $6)
                  ORDER BY r.happened_at DESC, r.id DESC LIMIT $7) AS e)
             UNION ALL
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.source_object, e.source_id, e.actor_kind, e.actor_id,
                  e.other_object, e.other_id, e.data,
                  jsonb_build_object('kind', t.kind, 'state', t.state, 'subject', t.subject)
              FROM activities.timeline_entry AS e
              JOIN activities.activities AS t ON t.tenant_id = $1 AND t.id = e.source_id
              WHERE $8 AND e.tenant_id = $1 AND e.record_id = $3 AND e.type = 'activity' AND (e.happened_at, e.id) < ($4, $5)
                AND (e.fields = '{}' OR NOT e.fields <@ $6)
                AND t.deleted_at IS NULL AND ($9 OR t.owner_id = ANY($10) OR t.team_id = ANY($11))
              ORDER BY e.happened_at DESC, e.id DESC LIMIT $7)
             UNION ALL
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.source_object, e.source_id, e.actor_kind, e.actor_id,
                  e.other_object, e.other_id, e.data,
                  jsonb_build_object('pinned', t.pinned, 'body', left(t.body, 301))
              FROM activities.timeline_entry AS e
              JOIN activities.notes AS t ON t.tenant_id = $1 AND t.id = e.source_id
              WHERE $12 AND e.tenant_id = $1 AND e.record_id = $3 AND e.type = 'note' AND (e.happened_at, e.id) < ($4, $5)
                AND (e.fields = '{}' OR NOT e.fields <@ $6)
                AND t.deleted_at IS NULL AND ($13 OR t.owner_id = ANY($14) OR t.team_id = ANY($15))
              ORDER BY e.happened_at DESC, e.id DESC LIMIT $7)) AS entries
         ORDER BY happened_at DESC, id DESC LIMIT $7",
    );
    let Wanted { activities, notes, after, .. } = wanted;
    let query = query.bind(tx.tenant_id()).bind(wanted.types).bind(wanted.record_id);
    let query = query.bind(after.created_at).bind(after.id).bind(wanted.hidden).bind(wanted.limit);
    let query = query.bind(activities.is_wanted).bind(activities.scope.all);
    let query = query.bind(&activities.scope.owners).bind(&activities.scope.teams);
    let query = query.bind(notes.is_wanted).bind(notes.scope.all);
    let query = query.bind(&notes.scope.owners).bind(&notes.scope.teams);
    Ok(query.fetch_all(tx.conn()).await?)
}
