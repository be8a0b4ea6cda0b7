//! SQL of a page of entries.

use db::{DbError, TenantTx};
use query::RowScope;
use query::page::{Newest, Phased};
use serde_json::Value;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row};
use uuid::Uuid;

use crate::timeline::project::Named;

/// Entries of each type that one page looks at, whether the caller sees them or not.
const MAX_LOOKED_AT: i64 = 1_000;

/// Which rows of activities and notes a caller sees.
#[derive(Clone, Debug)]
pub(in crate::timeline) struct Sight {
    /// Its entries are wanted, and the links are not hidden.
    pub(in crate::timeline) is_wanted: bool,
    pub(in crate::timeline) scope: RowScope,
}

/// What is asked of a timeline.
#[derive(Clone, Debug)]
pub(in crate::timeline) struct Wanted<'a> {
    pub(in crate::timeline) record_id: Uuid,
    /// Those of records alone.
    pub(in crate::timeline) types: &'a [&'static str],
    pub(in crate::timeline) activities: Sight,
    pub(in crate::timeline) notes: Sight,
    /// Fields that are hidden, by object and name.
    pub(in crate::timeline) hidden: &'a [String],
    pub(in crate::timeline) after: Phased,
    pub(in crate::timeline) limit: i64,
}

/// An entry, with what its activity or note is now.
#[derive(Clone, Debug)]
pub(in crate::timeline) struct Stored {
    pub(in crate::timeline) place: Phased,
    pub(in crate::timeline) event_id: Uuid,
    pub(in crate::timeline) kind: String,
    pub(in crate::timeline) object: String,
    pub(in crate::timeline) event: String,
    /// The event that made its source: a link that a new record came with is told at the time of its creation.
    pub(in crate::timeline) is_of_creation: bool,
    pub(in crate::timeline) source_object: String,
    pub(in crate::timeline) source_id: Uuid,
    pub(in crate::timeline) actor_kind: String,
    pub(in crate::timeline) actor_id: Uuid,
    pub(in crate::timeline) other: Option<Named>,
    pub(in crate::timeline) data: Value,
    pub(in crate::timeline) now: Value,
}

/// What a look at a timeline found.
#[derive(Debug)]
pub(in crate::timeline) struct Found {
    /// Entries that the caller sees.
    pub(in crate::timeline) entries: Vec<Stored>,
    /// Where it ended early, as it had looked at many entries of one type; `None` where it went on as far as it was asked to.
    pub(in crate::timeline) stopped: Option<Phased>,
}

/// A row: an entry, whether the caller sees it, and whether it is the last of its type that is looked at.
struct Looked {
    entry: Stored,
    is_seen: bool,
    is_last: bool,
}

impl FromRow<'_, PgRow> for Looked {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let other: Option<String> = row.try_get("other_object")?;
        let (data, now): (Option<Json<Value>>, Option<Json<Value>>) =
            (row.try_get("data")?, row.try_get("now")?);
        let newest = Newest { created_at: row.try_get("happened_at")?, id: row.try_get("id")? };
        let entry = Stored {
            place: Phased { is_last_phase: false, newest },
            event_id: row.try_get("event_id")?,
            kind: row.try_get("type")?,
            object: row.try_get("object")?,
            event: row.try_get("event")?,
            is_of_creation: row.try_get("is_of_creation")?,
            source_object: row.try_get("source_object")?,
            source_id: row.try_get("source_id")?,
            actor_kind: row.try_get("actor_kind")?,
            actor_id: row.try_get("actor_id")?,
            other: other.zip(row.try_get("other_id")?),
            data: data.map(|Json(data)| data).unwrap_or_default(),
            now: now.map(|Json(now)| now).unwrap_or_default(),
        };
        Ok(Self { entry, is_seen: row.try_get("is_seen")?, is_last: row.try_get("is_last")? })
    }
}

/// The entries of a timeline after a place that the caller sees, the newest first, of one phase.
///
/// Of each type, a range of the key is read from its end until there are as many as the page may have, or [`MAX_LOOKED_AT`] were looked at.
/// The last of these is among the rows also where the caller does not see it: there the page ends, as nothing is known of what follows. The
/// activity or note of an entry is read by its own key, whatever the statistics say of the number of entries.
pub(in crate::timeline) async fn page(tx: &mut TenantTx, wanted: &Wanted<'_>) -> Result<Found, DbError> {
    let query = sqlx::query_as(
        "SELECT * FROM (
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.event = 'created' OR e.is_of_creation AS is_of_creation, e.source_object, e.source_id, e.event_id, e.actor_kind,
                  e.actor_id, e.other_object, e.other_id, e.data, NULL::jsonb AS now, e.is_seen, e.number = $16 AS is_last
              FROM unnest($2::text[]) AS wanted (type) CROSS JOIN LATERAL (
                  SELECT r.*, (r.fields = '{}' OR NOT r.fields <@ $6) AND r.is_time_hidden = $17 AS is_seen FROM (
                      SELECT i.*, row_number() OVER (ORDER BY i.happened_at DESC, i.id DESC) AS number,
                          i.source_object || CASE WHEN i.event = 'created' OR i.is_of_creation THEN '.created_at'
                              WHEN i.type = 'stage_change' THEN '.stage_entered_at' ELSE '.updated_at' END = ANY($6) AS is_time_hidden
                      FROM activities.timeline_entry AS i
                      WHERE i.tenant_id = $1 AND i.record_id = $3 AND i.type = wanted.type AND (i.happened_at, i.id) < ($4, $5)
                      ORDER BY i.happened_at DESC, i.id DESC LIMIT $16) AS r
                  WHERE ((r.fields = '{}' OR NOT r.fields <@ $6) AND r.is_time_hidden = $17) OR r.number = $16
                  ORDER BY r.happened_at DESC, r.id DESC LIMIT $7) AS e)
             UNION ALL
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.event = 'created' OR e.is_of_creation AS is_of_creation, e.source_object, e.source_id, e.event_id, e.actor_kind,
                  e.actor_id, e.other_object, e.other_id, e.data,
                  jsonb_build_object('kind', t.kind, 'state', t.state, 'subject', t.subject),
                  t.kind IS NOT NULL AND (e.fields = '{}' OR NOT e.fields <@ $6) AND e.is_time_hidden = $17, e.number = $16
              FROM (
                  SELECT i.*, row_number() OVER (ORDER BY i.happened_at DESC, i.id DESC) AS number,
                      CASE WHEN i.event = 'created' OR i.is_of_creation THEN 'activity.created_at' ELSE 'activity.updated_at' END = ANY($6)
                          AS is_time_hidden
                  FROM activities.timeline_entry AS i
                  WHERE $8 AND i.tenant_id = $1 AND i.record_id = $3 AND i.type = 'activity' AND (i.happened_at, i.id) < ($4, $5)
                  ORDER BY i.happened_at DESC, i.id DESC LIMIT $16) AS e
              LEFT JOIN LATERAL (
                  SELECT a.kind, a.state, a.subject FROM activities.activities AS a
                  WHERE a.tenant_id = $1 AND a.id = e.source_id AND a.deleted_at IS NULL
                    AND ($9 OR a.owner_id = ANY($10) OR a.team_id = ANY($11)) LIMIT 1) AS t ON true
              WHERE (t.kind IS NOT NULL AND (e.fields = '{}' OR NOT e.fields <@ $6) AND e.is_time_hidden = $17) OR e.number = $16
              ORDER BY e.happened_at DESC, e.id DESC LIMIT $7)
             UNION ALL
             (SELECT e.id, e.happened_at, e.type, e.object, e.event, e.event = 'created' OR e.is_of_creation AS is_of_creation, e.source_object, e.source_id, e.event_id, e.actor_kind,
                  e.actor_id, e.other_object, e.other_id, e.data,
                  jsonb_build_object('pinned', t.pinned, 'body', left(t.body, 301)),
                  t.pinned IS NOT NULL AND (e.fields = '{}' OR NOT e.fields <@ $6) AND e.is_time_hidden = $17, e.number = $16
              FROM (
                  SELECT i.*, row_number() OVER (ORDER BY i.happened_at DESC, i.id DESC) AS number,
                      CASE WHEN i.event = 'created' OR i.is_of_creation THEN 'note.created_at' ELSE 'note.updated_at' END = ANY($6) AS is_time_hidden
                  FROM activities.timeline_entry AS i
                  WHERE $12 AND i.tenant_id = $1 AND i.record_id = $3 AND i.type = 'note' AND (i.happened_at, i.id) < ($4, $5)
                  ORDER BY i.happened_at DESC, i.id DESC LIMIT $16) AS e
              LEFT JOIN LATERAL (
                  SELECT n.pinned, n.body FROM activities.notes AS n
                  WHERE n.tenant_id = $1 AND n.id = e.source_id AND n.deleted_at IS NULL
                    AND ($13 OR n.owner_id = ANY($14) OR n.team_id = ANY($15)) LIMIT 1) AS t ON true
              WHERE (t.pinned IS NOT NULL AND (e.fields = '{}' OR NOT e.fields <@ $6) AND e.is_time_hidden = $17)
                 OR e.number = $16
              ORDER BY e.happened_at DESC, e.id DESC LIMIT $7)) AS entries
         ORDER BY happened_at DESC, id DESC LIMIT $7",
    );
    let Wanted { activities, notes, after, .. } = wanted;
    let query = query.bind(tx.tenant_id()).bind(wanted.types).bind(wanted.record_id);
    let query = query.bind(after.newest.created_at).bind(after.newest.id).bind(wanted.hidden);
    let query = query.bind(wanted.limit).bind(activities.is_wanted).bind(activities.scope.all);
    let query = query.bind(&activities.scope.owners).bind(&activities.scope.teams);
    let query = query.bind(notes.is_wanted).bind(notes.scope.all);
    let query = query.bind(&notes.scope.owners).bind(&notes.scope.teams);
    let rows: Vec<Looked> = query.bind(MAX_LOOKED_AT).bind(after.is_last_phase).fetch_all(tx.conn()).await?;
    let mut found = Found { entries: Vec::new(), stopped: None };
    for Looked { mut entry, is_seen, is_last } in rows {
        entry.place.is_last_phase = after.is_last_phase;
        let place = entry.place;
        if is_seen {
            found.entries.push(entry);
        }
        if is_last {
            found.stopped = Some(place);
            break;
        }
    }
    Ok(found)
}
