//! An entry as its caller sees it.

use auth::{Context, FieldMask};
use error::Error;
use proto::activities::v1 as pb;
use proto::timestamp;
use record::definitions::FieldSet;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::{Builder, Uuid};

use super::store::page::Stored;
use super::types::{ACTIVITY, FIELD_CHANGE, NOTE, STAGE_CHANGE};

/// Characters of a note that are shown.
const EXCERPT: usize = 300;

/// What an entry takes of a page, at most.
pub(super) fn bytes(entry: &Stored) -> usize {
    entry.data.to_string().len() + entry.now.to_string().len() + 500
}

/// An entry with those changes of fields that the caller sees: fields that are archived or gone are there for nobody. `None` without any.
pub(super) fn with_what_is_seen(cx: &Context, fields: &FieldSet, mut entry: Stored) -> Option<Stored> {
    if entry.kind != FIELD_CHANGE {
        return Some(entry);
    }
    let mask = cx.mask(&entry.source_object);
    let is_there = |field: &str| field.strip_prefix("custom.").is_none_or(|key| fields.usable(key).is_some());
    let is_seen =
        |change: &Value| change["field"].as_str().is_some_and(|field| !mask.hides(field) && is_there(field));
    let changes = entry.data["changes"].as_array_mut()?;
    changes.retain(is_seen);
    (!changes.is_empty()).then_some(entry)
}

/// The id by which callers know an entry. The one it is stored by begins with the time of the event, which a caller may not see; nobody finds
/// that in the digest, as the id of an event is known to nobody outside.
fn id(entry: &Stored) -> Uuid {
    let digest = Sha256::new().chain_update(entry.event_id).chain_update(entry.place.newest.id).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    Builder::from_custom_bytes(bytes).into_uuid()
}

/// The wire form of an entry of the timeline of `subject`.
pub(super) fn show(cx: &Context, subject: Uuid, entry: Stored) -> Result<pb::TimelineEntry, Error> {
    let mask = cx.mask(&entry.source_object);
    let (by, at) = match (entry.is_of_creation, entry.kind.as_str()) {
        (true, _) => ("created_by", "created_at"),
        (_, STAGE_CHANGE) => ("updated_by", "stage_entered_at"),
        _ => ("updated_by", "updated_at"),
    };
    let actor = || pb::TimelineActor { kind: entry.actor_kind.clone(), id: entry.actor_id.to_string() };
    let data = serde_json::to_vec(&data(mask, &entry)).map_err(Error::internal)?;
    Ok(pb::TimelineEntry {
        id: id(&entry).to_string(),
        at: (!mask.hides(at)).then(|| timestamp(entry.place.newest.created_at)),
        actor: (!mask.hides(by)).then(actor),
        subject: Some(pb::TimelineSubject { object: entry.object, id: subject.to_string() }),
        r#type: entry.kind,
        data: data.into(),
    })
}

fn data(mask: &FieldMask, entry: &Stored) -> Value {
    match entry.kind.as_str() {
        FIELD_CHANGE => json!({"changes": entry.data["changes"]}),
        STAGE_CHANGE => stage(mask, entry.data.clone()),
        ACTIVITY => own(mask, entry, "activity_id"),
        NOTE => {
            let mut note = own(mask, entry, "note_id");
            let cut = note["body"]
                .as_str()
                .and_then(|body| Some(body[..body.char_indices().nth(EXCERPT)?.0].to_owned()));
            if let Some(body) = cut {
                note["body"] = body.into();
                note["truncated"] = true.into();
            }
            note
        }
        _ => match &entry.other {
            Some((object, id)) => json!({"event": entry.event, "object": object, "id": id}),
            None => json!({"event": entry.event}),
        },
    }
}

/// What happened to an activity or a note, and what it is now.
fn own(mask: &FieldMask, entry: &Stored, id: &str) -> Value {
    let now = entry.now.as_object().into_iter().flatten().filter(|(name, _)| !mask.hides(name));
    let mut members: Map<String, Value> = now.map(|(name, value)| (name.clone(), value.clone())).collect();
    members.insert("event".to_owned(), entry.event.clone().into());
    members.insert(id.to_owned(), entry.source_id.to_string().into());
    members.into()
}

/// As the stage history shows it.
fn stage(mask: &FieldMask, mut data: Value) -> Value {
    let members = [
        ("pipeline_id", "pipeline_id"),
        ("pipeline_version", "pipeline_version"),
        ("reason", "stage_reason"),
    ];
    for (member, field) in members {
        if mask.hides(field) {
            data[member] = Value::Null;
        }
    }
    for side in ["from", "to"] {
        for (member, field) in [("key", "stage_key"), ("name", "stage_name")] {
            if mask.hides(field)
                && let Some(stage) = data[side].as_object_mut()
            {
                stage.remove(member);
            }
        }
    }
    data
}
