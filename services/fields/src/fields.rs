//! Definitions of custom fields: one file per operation, all SQL in `store`.

mod convert;
mod definition;
mod draft;
mod give_slot;
mod patch;
mod rules;
mod slots;
mod store;
mod transition;

pub(crate) mod archive;
pub(crate) mod assign_slot;
pub(crate) mod create;
pub(crate) mod deprecate;
pub(crate) mod field_set;
pub(crate) mod finish_slot;
pub(crate) mod get;
pub(crate) mod limits;
pub(crate) mod list;
pub(crate) mod restore;
pub(crate) mod update;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use events::{Change, Lane, NewEvent};
use ids::{Clock, FieldId};

use definition::{Definition, Object};

/// The same 404 for a malformed, random, foreign and hidden id, and for one of another object.
fn not_found() -> Error {
    Error::not_found(Reason::FIELD_NOT_FOUND)
}

/// A definition that the caller may know of: a hidden field is an unknown one.
async fn find_visible(
    tx: &mut TenantTx,
    cx: &Context,
    object: Object,
    id: &str,
) -> error::Result<Definition> {
    let id = FieldId::parse(id).ok_or_else(not_found)?;
    let found = store::find(tx, object, id).await?.ok_or_else(not_found)?;
    if cx.mask(object.as_str()).hides(&found.rule_name()) { Err(not_found()) } else { Ok(found) }
}

/// Begins a change of an existing field: fence, the object's lock, the field as it stands, `If-Match`.
async fn begin_change(
    tx: &mut TenantTx,
    cx: &Context,
    object: Object,
    id: &str,
) -> error::Result<Definition> {
    db::fence::check(tx, cx).await?;
    store::lock_object(tx, object, 0).await?;
    let before = find_visible(tx, cx, object, id).await?;
    cx.check_version(before.version)?;
    Ok(before)
}

/// Writes a change and its event.
async fn save_change(
    tx: &mut TenantTx,
    cx: &Context,
    clock: &Clock,
    verb: &'static str,
    before: &Definition,
    mut after: Definition,
) -> error::Result<Definition> {
    after.version = before.version + 1;
    after.updated_at = clock.now_micros();
    after.updated_by = cx.principal.id;
    store::update(tx, &after).await?;
    events::outbox::append(tx, &event(cx, clock, verb, Some(before), &after)).await?;
    Ok(after)
}

/// The event of a change. `object` and `key` are in every event, so that a consumer knows which set has changed.
fn event(
    cx: &Context,
    clock: &Clock,
    verb: &'static str,
    before: Option<&Definition>,
    after: &Definition,
) -> NewEvent {
    let old: Vec<Option<String>> = match before {
        Some(before) => before.facts().into_iter().map(|(_, value)| Some(value.to_string())).collect(),
        None => vec![None; after.facts().len()],
    };
    let changes = after
        .facts()
        .into_iter()
        .zip(old)
        .map(|((name, value), before)| Change {
            field: name.to_owned(),
            before,
            after: Some(value.to_string()),
        })
        .enumerate()
        .filter(|(index, change)| *index < 2 || change.before != change.after)
        .map(|(_, change)| change)
        .collect();
    NewEvent {
        id: clock.new_uuid(),
        service: "fields",
        object: "field",
        verb,
        record_id: after.id.uuid(),
        version: after.version,
        actor: cx.principal.id,
        actor_kind: Some(cx.principal.kind),
        owner: None,
        team: None,
        changes,
        lane: Lane::Interactive,
        traceparent: host::trace::current_traceparent(),
        time: after.updated_at,
    }
}
