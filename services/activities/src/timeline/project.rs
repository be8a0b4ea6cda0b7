//! The entries that follow from a fact, and from nothing else.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::fact::{Fact, Linking};
use super::types::{ACTIVITY, FIELD_CHANGE, NOTE, RECORD, STAGE_CHANGE};

/// A record of some object.
pub(super) type Named = (String, Uuid);

/// An entry of the timeline of `subject`, but for what its fact says.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) subject: Named,
    pub(super) kind: &'static str,
    pub(super) event: String,
    /// The record linked to the subject, or unlinked.
    pub(super) other: Option<Named>,
    /// By object and name: see the table.
    pub(super) fields: Vec<String>,
    pub(super) data: Option<Value>,
}

impl Entry {
    /// The id that it is stored by: the event's, with what is the entry's own in its last bytes. The first ones say the time, so the order of
    /// ids of a record is that of its events, and callers are shown another id; of one event, what happened to the record itself comes before its links.
    pub(super) fn id(&self, fact: &Fact) -> Uuid {
        let mut hash = Sha256::new();
        hash.update(self.subject.1);
        hash.update(self.kind);
        hash.update(&self.event);
        hash.update(self.other.as_ref().map(|other| other.1).unwrap_or_default());
        let (mut id, own) = (*fact.event_id.as_bytes(), hash.finalize());
        id[12..].copy_from_slice(&own[..4]);
        // One bit for the order; the others are enough for the entries of one event.
        id[12] = (u8::from(self.other.is_some()) << 7) | (id[12] & 0x7f);
        Uuid::from_bytes(id)
    }

    fn of_record(subject: &Named, event: &str) -> Self {
        let (subject, event) = (subject.clone(), event.to_owned());
        Self { subject, kind: RECORD, event, other: None, fields: Vec::new(), data: None }
    }
}

/// What happened to a contact, company or deal: entries in its timeline, and in those of the records that it links.
pub(super) fn of_record(fact: &Fact) -> Vec<Entry> {
    let own = (fact.object.clone(), fact.record_id);
    let mut entries = Vec::new();
    match fact.verb.as_str() {
        "created" | "deleted" | "restored" => entries.push(Entry::of_record(&own, &fact.verb)),
        "stage_changed" => entries.extend(stage_change(fact, &own)),
        _ => {}
    }
    if !matches!(fact.verb.as_str(), "created" | "updated") {
        return entries;
    }
    let linked = linked(fact, &own);
    let is_shown = |change: &&Value| match linking(fact, change) {
        None => true,
        // Which companies a contact is linked to is not a field of the contact: it is shown to whom the companies are shown.
        Some(linking) if linking.field == "companies" => false,
        // What is linked says so in an entry of its own; a role is a field like any other, and whether a record is in the trash is not one.
        Some(linking) => {
            without_state(&change["before"]) != without_state(&change["after"])
                && !linked.iter().any(|entry| entry.fields == [qualified(fact, linking.field)])
        }
    };
    if fact.verb == "updated" {
        let shown: Vec<&Value> = fact.changes.iter().filter(is_shown).collect();
        if !shown.is_empty() {
            let names = shown.iter().filter_map(|change| change["field"].as_str());
            let fields = names.map(|name| qualified(fact, name)).collect();
            let data = Some(json!({"changes": shown}));
            let kind = FIELD_CHANGE;
            entries.push(Entry { kind, fields, data, ..Entry::of_record(&own, &fact.verb) });
        }
    }
    entries.extend(linked);
    entries
}

fn qualified(fact: &Fact, field: &str) -> String {
    format!("{}.{field}", fact.object)
}

fn linking(fact: &Fact, change: &Value) -> Option<&'static Linking> {
    Linking::of(&fact.object, change["field"].as_str()?)
}

/// A link without whether its record is in the trash.
fn without_state(value: &Value) -> Value {
    let without = |value: &Value| {
        let mut value = value.clone();
        value.as_object_mut().map(|members| members.remove("deleted"));
        value
    };
    match value {
        Value::Array(values) => values.iter().map(without).collect(),
        value => without(value),
    }
}

fn stage_change(fact: &Fact, own: &Named) -> Option<Entry> {
    let value =
        |field: &str, side: &str| fact.change(field).map(|change| change[side].clone()).unwrap_or_default();
    let to = value("stage", "after");
    let data = json!({
        "from": value("stage", "before"),
        "to": to,
        "pipeline_id": value("pipeline_id", "after"),
        "pipeline_version": value("pipeline_version", "after"),
        "reason": value("reason", "after"),
        "source": value("source", "after"),
    });
    let (kind, fields) = (STAGE_CHANGE, vec![qualified(fact, "stage_id")]);
    to.is_object().then(|| Entry { kind, fields, data: Some(data), ..Entry::of_record(own, &fact.verb) })
}

/// What is linked now and was not before, or the other way round: on both sides.
fn linked(fact: &Fact, own: &Named) -> Vec<Entry> {
    let (mut entries, mut seen) = (Vec::new(), BTreeSet::new());
    let fields = fact.changes.iter().filter_map(|change| linking(fact, change));
    for linking in fields.filter(|linking| seen.insert(linking.field)) {
        let changes = || fact.changes.iter().filter(|change| change["field"] == linking.field);
        let ids =
            |side: &str| changes().flat_map(|change| linking.ids(&change[side])).collect::<BTreeSet<_>>();
        let (before, after) = (ids("before"), ids("after"));
        let events = [("linked", after.difference(&before)), ("unlinked", before.difference(&after))];
        for (event, ids) in events {
            for id in ids {
                let other = (linking.object.to_owned(), *id);
                let of = |subject: &Named, other: &Named| Entry {
                    other: Some(other.clone()),
                    fields: vec![qualified(fact, linking.field)],
                    ..Entry::of_record(subject, event)
                };
                entries.extend([of(own, &other), of(&other, own)]);
            }
        }
    }
    entries
}

/// A record that was linked to the subject is no more.
pub(super) fn purged(fact: &Fact, subject: Named) -> Entry {
    let other = Some((fact.object.clone(), fact.record_id));
    Entry { other, ..Entry::of_record(&subject, "purged") }
}

/// What happened to an activity or a note, in the timelines of records that it is about; nothing, where timelines do not tell of it.
pub(super) fn of_own(fact: &Fact, about: &[Named]) -> Vec<Entry> {
    let Some((event, field)) = happened(fact) else { return Vec::new() };
    let kind = if fact.object == "note" { NOTE } else { ACTIVITY };
    let fields: Vec<String> = field.map(|field| qualified(fact, field)).into_iter().collect();
    let entry = |subject: &Named| Entry { kind, fields: fields.clone(), ..Entry::of_record(subject, event) };
    about.iter().map(entry).collect()
}

/// What happened, and the field that says so.
pub(super) fn happened(fact: &Fact) -> Option<(&'static str, Option<&'static str>)> {
    match (fact.object.as_str(), fact.verb.as_str()) {
        (_, "created") => Some(("created", None)),
        ("note", "updated") => fact.change("body").map(|_| ("updated", Some("body"))),
        ("activity", "updated") => {
            let event = match fact.change("state")?["after"].as_str()? {
                "in_progress" => "started",
                "completed" => "completed",
                "cancelled" => "cancelled",
                _ => return None,
            };
            Some((event, Some("state")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
