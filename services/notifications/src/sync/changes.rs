//! What has changed behind a place in the journal: of each record once, in its latest state.

use std::collections::{BTreeMap, HashMap};

use auth::{Context, RowFacts, RowPredicate};
use db::TenantTx;
use error::Error;
use proto::notifications::v1 as pb;
use time::OffsetDateTime;
use uuid::Uuid;

use super::cursor::Cursor;
use super::objects::{self, Synced};
use super::owners::{Asked, Shown, page};
use super::store::{self, Row};
use crate::app::App;
use crate::journal;

/// Numbers that a statement looks at, of whatever objects.
const WINDOW: i64 = 5_000;
/// Such looks of one call: the next call goes on behind them.
const LOOKS: usize = 10;
/// Records that their owner is asked for at once: as many as a filter may list.
const AT_ONCE: usize = 100;
/// Bytes of records behind which an answer ends.
const MOST_BYTES: usize = 2 << 20;

/// Changes, and whether there are more.
pub(super) type Told = (Vec<pb::SyncChange>, bool);

/// A record with what some changes say of it.
#[derive(Clone, Debug)]
struct Latest {
    synced: &'static Synced,
    id: Uuid,
    /// The first of the changes, and when it was written down.
    first: (i64, OffsetDateTime),
    /// After the last of them.
    version: i64,
    /// What the last of them did.
    verb: Verb,
    /// The caller could see it before one of the changes, or after one.
    was_seen: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Deleted,
    Purged,
    Other,
}

/// The next changes behind the cursor, which comes behind them.
pub(super) async fn next(app: &App, cx: &Context, cursor: &mut Cursor, limit: usize) -> Result<Told, Error> {
    let objects: Vec<String> = cursor.types.iter().map(|followed| followed.object.clone()).collect();
    for _ in 0..LOOKS {
        let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
        let head = journal::head(&mut tx).await?;
        cursor.check(head)?;
        let upto = head.last.min(cursor.number.saturating_add(WINDOW));
        let range = (cursor.number, upto);
        let rows = if upto > cursor.number {
            store::rows(&mut tx, range, cursor.not_before(), &objects, limit as i64).await?
        } else {
            Vec::new()
        };
        tx.commit().await?;

        let last = rows.last().map(|row| (row.number, row.written_at));
        let (changes, cut) = tell(app, cx, &latest(cx, &rows)).await?;
        match (cut, last) {
            (Some((number, written_at)), _) => cursor.reach(number, written_at),
            // There may be more up to the end of the window.
            (None, Some((number, written_at))) if rows.len() >= limit => cursor.reach(number, written_at),
            (None, _) if upto == head.last => cursor.reach(upto, head.asked_at),
            (None, Some((_, written_at))) => cursor.reach(upto, written_at),
            (None, None) => cursor.number = upto,
        }
        let more = cursor.number < head.last;
        if !changes.is_empty() || !more {
            return Ok((changes, more));
        }
    }
    Ok((Vec::new(), true))
}

/// Each record once, in the order of their first changes: all changes before the first one of a record are of records before it.
fn latest(cx: &Context, rows: &[Row]) -> Vec<Latest> {
    let mut predicates: HashMap<&'static str, RowPredicate> = HashMap::new();
    let mut places: HashMap<(&'static str, Uuid), usize> = HashMap::new();
    let mut latest: Vec<Latest> = Vec::new();
    for row in rows {
        let Some(synced) = objects::named(&row.object) else { continue };
        let predicate =
            predicates.entry(synced.object).or_insert_with(|| cx.snapshot.predicate(synced.object, "read"));
        let was_seen = was_seen(row, predicate);
        let place = *places.entry((synced.object, row.record_id)).or_insert(latest.len());
        match latest.get_mut(place) {
            Some(record) => {
                (record.version, record.verb) = (row.version, Verb::of(&row.kind));
                record.was_seen |= was_seen;
            }
            None => latest.push(Latest {
                synced,
                id: row.record_id,
                first: (row.number, row.written_at),
                version: row.version,
                verb: Verb::of(&row.kind),
                was_seen,
            }),
        }
    }
    latest
}

/// Whether the predicate reaches the record as it was before the change, or after it. Where the event does not say what it was, it may have been.
fn was_seen(row: &Row, predicate: &RowPredicate) -> bool {
    let before = RowFacts { owner_id: row.owner_before, team_id: row.team_before };
    let after = RowFacts { owner_id: row.owner_id, team_id: row.team_id };
    let may_have_been = row.before_unknown && *predicate != RowPredicate::Never;
    may_have_been || predicate.evaluate(&before) || predicate.evaluate(&after)
}

/// What the records are to the caller now. Ends behind [`MOST_BYTES`]: then the place before the first change of the next record is given, so
/// that no change of a record that was not told is passed by.
async fn tell(
    app: &App,
    cx: &Context,
    records: &[Latest],
) -> Result<(Vec<pb::SyncChange>, Option<(i64, OffsetDateTime)>), Error> {
    let (mut changes, mut bytes) = (Vec::new(), 0);
    for some in records.chunks(AT_ONCE) {
        let mut shown = shown(app, cx, some).await?;
        for record in some {
            if bytes > MOST_BYTES {
                let (number, written_at) = record.first;
                return Ok((changes, Some((number - 1, written_at))));
            }
            match shown.remove(&(record.synced.object, record.id)) {
                Some(now) => {
                    bytes += now.data.len();
                    changes.push(upsert(record.synced.object, now));
                }
                None if record.was_seen => changes.push(remove(record)),
                // Nobody is told of a record that there never was for them.
                None => {}
            }
        }
    }
    Ok((changes, None))
}

/// Those of the records that the caller may see now.
async fn shown(
    app: &App,
    cx: &Context,
    records: &[Latest],
) -> Result<HashMap<(&'static str, Uuid), Shown>, Error> {
    let mut by_object: BTreeMap<&'static str, (&'static Synced, Vec<Uuid>)> = BTreeMap::new();
    // What was purged does not come back.
    for record in records.iter().filter(|record| record.verb != Verb::Purged) {
        let object = record.synced.object;
        by_object.entry(object).or_insert_with(|| (record.synced, Vec::new())).1.push(record.id);
    }
    let mut shown = HashMap::new();
    for (object, (synced, ids)) in by_object {
        // A page may end by its bytes. Each has one record at least, so there are no more pages than records.
        let mut page_token = String::new();
        for _ in 0..=ids.len() {
            let asked = Asked { synced, ids: ids.clone(), page_size: AT_ONCE, page_token };
            let listed = page(&app.ask, cx, asked).await?;
            shown.extend(listed.records.into_iter().map(|record| ((object, record.id), record)));
            page_token = listed.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
    }
    Ok(shown)
}

/// A record to be stored.
pub(super) fn upsert(object: &str, shown: Shown) -> pb::SyncChange {
    pb::SyncChange {
        r#type: object.to_owned(),
        id: shown.id.to_string(),
        version: shown.version,
        op: pb::SyncOp::Upsert.into(),
        reason: None,
        data: Some(shown.data),
    }
}

fn remove(record: &Latest) -> pb::SyncChange {
    let reason = match record.verb {
        Verb::Deleted => pb::SyncReason::Deleted,
        Verb::Purged => pb::SyncReason::Purged,
        Verb::Other => pb::SyncReason::Access,
    };
    pb::SyncChange {
        r#type: record.synced.object.to_owned(),
        id: record.id.to_string(),
        version: record.version,
        op: pb::SyncOp::Remove.into(),
        reason: Some(reason.into()),
        data: None,
    }
}

impl Verb {
    /// Of `records.contact.deleted.v1`.
    fn of(kind: &str) -> Self {
        match kind.split('.').nth(2) {
            Some("deleted") => Self::Deleted,
            Some("purged") => Self::Purged,
            _ => Self::Other,
        }
    }
}
