//! Changes a record.

use auth::{Context, FieldMask};
use db::TenantTx;
use error::{Error, Reason, Violation};
use input::Violations;
use query::RowScope;
use uuid::Uuid;

use super::change::{Author, diff};
use super::commit::commit;
use super::create::finish_fields;
use super::definitions::FieldSet;
use super::draft::Draft;
use super::fence::Tries;
use super::get::parse_id;
use super::reference::{self, Reference, records};
use super::{Answer, Fields, Object, Record, conflict, custom, fence, store, tree, unique, write};
use crate::Env;

/// Changes what was sent and nothing else. Without a difference nothing happens: same version, no event.
pub(crate) async fn update(
    env: &Env,
    cx: &Context,
    object: &Object,
    id: &str,
    etag: Option<&str>,
    draft: Draft<'_>,
) -> Result<Answer, Error> {
    let mut tries = Tries::default();
    loop {
        match attempt(env, cx, object, id, etag, &draft).await {
            Err(error) if tries.again(&error) => fence::renew(env, cx, object).await?,
            done => return done,
        }
    }
}

async fn attempt(
    env: &Env,
    cx: &Context,
    object: &Object,
    id: &str,
    etag: Option<&str>,
    draft: &Draft<'_>,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, draft.custom.keys().map(String::as_str)).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let id = parse_id(object, id)?;
    let sent = draft.open(&set, &mask)?;
    let mut violations = sent.violations;
    let etag = conflict::parse_etag(etag).unwrap_or_else(|violation| {
        violations.push(violation);
        None
    });
    let people = env.people.check(cx, &named_people(&sent.fields)).await?;

    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let change = Change {
        id,
        fields: sent.fields,
        custom: sent.custom,
        broken: sent.broken,
        etag,
        people,
        violations,
    };
    let result = store(&mut tx, env, cx, object, &set, mask, &RowScope::from(cx.reached()), change).await;
    commit(env, tx, result).await
}

/// What is to be changed, with what is known of it.
struct Change {
    id: Uuid,
    fields: Fields,
    custom: Fields,
    broken: Vec<String>,
    /// The version that the body's `etag` names.
    etag: Option<i64>,
    /// Violations of users and teams.
    people: Vec<Violation>,
    violations: Violations,
}

#[allow(clippy::too_many_arguments, reason = "one step of one operation: each argument is another thing")]
async fn store(
    tx: &mut TenantTx,
    env: &Env,
    cx: &Context,
    object: &Object,
    set: &FieldSet,
    mask: FieldMask,
    scope: &RowScope,
    change: Change,
) -> Result<Answer, Error> {
    let mut violations = change.violations;
    db::fence::check(tx, cx).await?;
    tree::lock(tx, object, &change.fields).await?;
    let before = lock_live(tx, cx, object, change.id, "update").await?;
    let mut after = before.clone();
    for (name, value) in change.fields {
        after.set(&name, value);
    }
    violations.extend(custom::merge(set, &mask, &mut after.custom, &change.custom, env.region));
    let yours = diff(object, &before, &after);
    let sees_all = RowScope::from(&cx.snapshot.predicate(object.name, "read")).all;
    if let Some(version) = cx.stale(before.version) {
        let base = store::base(tx, object, before.id, version, sees_all).await?;
        return Err(conflict::version_stale(before.version, &yours, &base));
    }
    if change.etag.is_some_and(|version| version > before.version) {
        violations.note("/etag", Reason::ETAG_INVALID, "the record has no such version yet");
    }
    if let Some(version) = change.etag.filter(|version| *version < before.version) {
        let base = store::base(tx, object, before.id, version, sees_all).await?;
        conflict::check_merge(before.version, &yours, &base)?;
    }
    violations.extend(broken_rules(object, &mask, (&before, &after), &change.broken));
    let references = reference::all(object, set, Some(&before), &after);
    violations.extend(still_named(change.people, &references));
    violations.extend(lookup_people(env, cx, &references).await?);
    violations.extend(to_itself(object, before.id, &references));
    violations.extend(records(env, tx, cx, &references).await?);
    tree::check(tx, cx, object, before.id, &references, &mut violations).await?;
    violations.into_result()?;
    if yours.is_empty() {
        return Ok(Answer::new(before, mask));
    }
    check_owner(cx, object, &before, &after)?;
    after.version += 1;
    let author = Author::of(env, cx);
    write::touch(&mut after, &author);
    finish_fields(object, &mut after);
    check_unique(tx, cx, object, set, (&before, &after)).await?;
    write::update(tx, &author, object, set, (&before, &after), scope, Vec::new()).await?;
    Ok(Answer::new(after, mask))
}

/// What the rules between fields say of a change, by the fields that the caller sees: whether a hidden one has a value must not
/// be told by whether a visible one may be cleared. What the visible fields did not fulfil before, they need not fulfil now.
fn broken_rules(
    object: &Object,
    mask: &FieldMask,
    (before, after): (&Record, &Record),
    broken: &[String],
) -> Vec<Violation> {
    let has = |record: &Record, name: &str| !mask.hides(name) && record.fields.contains_key(name);
    if !(object.check)(&|name| has(before, name)).is_empty() {
        return Vec::new();
    }
    (object.check)(&|name| has(after, name) || broken.iter().any(|broken| broken == name))
}

/// Whoever moves a record to another owner or team must reach it there as well, or may assign it: a change is no way around
/// what is refused of a new record.
fn check_owner(cx: &Context, object: &Object, before: &Record, after: &Record) -> Result<(), Error> {
    let (was, is) = (before.facts(), after.facts());
    let stays = (was.owner_id, was.team_id) == (is.owner_id, is.team_id);
    if stays || cx.reaches(object.name, "update", &is) || cx.reaches(object.name, "assign", &was) {
        return Ok(());
    }
    Err(Error::permission_denied(object.name, "assign"))
}

/// Locks a live record that the action reaches. One that the caller may not read answers as one that does not exist; one
/// that may be read but not changed is 403.
pub async fn lock_live(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    id: Uuid,
    action: &str,
) -> Result<Record, Error> {
    let found = store::lock(tx, object, id).await?;
    let visible =
        found.filter(|record| !record.is_deleted() && cx.reaches(object.name, "read", &record.facts()));
    let record = visible.ok_or_else(|| Error::not_found(object.not_found))?;
    if !cx.reaches(object.name, action, &record.facts()) {
        return Err(Error::permission_denied(object.name, action));
    }
    Ok(record)
}

/// The users and teams that standard fields name; whether they are new is not known before the row is read.
fn named_people(fields: &Fields) -> Vec<Reference> {
    let named = [("owner_id", "user"), ("team_id", "team")].into_iter();
    let named = named.filter_map(|(name, object)| {
        let id = Uuid::try_parse(fields.get(name)?.as_str()?).ok()?;
        Some(Reference { object: object.to_owned(), id, pointer: format!("/{name}") })
    });
    named.collect()
}

/// A value that stands already is not looked at again: its user may have left since.
fn still_named(people: Vec<Violation>, references: &[Reference]) -> impl Iterator<Item = Violation> {
    people.into_iter().filter(|violation| references.iter().any(|r| r.pointer == violation.pointer))
}

/// Users and teams that custom lookups name. They are rare enough for a call within the transaction, which is bounded by
/// the call's deadline.
async fn lookup_people(env: &Env, cx: &Context, references: &[Reference]) -> Result<Vec<Violation>, Error> {
    let lookups: Vec<Reference> =
        references.iter().filter(|r| r.pointer.starts_with("/custom/")).cloned().collect();
    env.people.check(cx, &lookups).await
}

fn to_itself(object: &Object, id: Uuid, references: &[Reference]) -> Vec<Violation> {
    let own = references.iter().filter(|r| r.object == object.name && r.id == id);
    own.map(|r| Violation::new(r.pointer.clone(), Reason::REFERENCE_CYCLE, "a record cannot refer to itself"))
        .collect()
}

/// Only a change of a unique value can collide.
async fn check_unique(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    set: &FieldSet,
    (before, after): (&Record, &Record),
) -> Result<(), Error> {
    let sides = object.sides.iter().filter(|side| side.holders.is_some());
    let mut changed = sides.map(|side| before.fields.get(side.field) != after.fields.get(side.field));
    if changed.any(|changed| changed)
        || custom::uniques(set, &before.custom) != custom::uniques(set, &after.custom)
    {
        unique::check(tx, cx, object, set, after).await?;
    }
    Ok(())
}
