//! What a change changed: for the change log, for events, and to find that nothing changed.

use auth::PrincipalKind;
use events::{Change, Lane, NewEvent};
use fleet::Role;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{Env, Fields, Object, Record};

/// One field that is another than before; `null` where it is unset.
#[derive(Clone, Debug, PartialEq)]
pub struct Diff {
    /// `custom.<key>` for custom fields.
    pub field: String,
    pub before: Value,
    pub after: Value,
}

/// Who changes, when, and how urgently others want to know.
#[derive(Clone, Debug)]
pub struct Author {
    /// The source of events.
    pub service: &'static str,
    pub actor: Uuid,
    /// What the actor is; `None` for a job, which acts in the actor's name.
    pub actor_kind: Option<PrincipalKind>,
    pub now: OffsetDateTime,
    pub clock: ids::Clock,
    pub lane: Lane,
    pub traceparent: Option<String>,
}

impl Author {
    /// The author of a job's changes: `actor` is the principal that caused them. Their events use the bulk lane.
    pub fn of_job(role: Role, clock: &ids::Clock, actor: Uuid) -> Self {
        Self {
            service: role.name(),
            actor,
            actor_kind: None,
            now: clock.now_micros(),
            clock: clock.clone(),
            lane: Lane::Bulk,
            traceparent: None,
        }
    }

    /// The caller of a request.
    pub fn of(env: &Env, cx: &auth::Context) -> Self {
        Self {
            service: env.role.name(),
            actor: cx.principal.id,
            actor_kind: Some(cx.principal.kind),
            now: env.clock.now_micros(),
            clock: env.clock.clone(),
            lane: Lane::Interactive,
            traceparent: host::trace::current_traceparent(),
        }
    }
}

/// The fields that callers write, or a guard, and that differ, in the order of their names.
pub fn diff(object: &Object, before: &Record, after: &Record) -> Vec<Diff> {
    let mut diffs = Vec::new();
    for name in object.compared() {
        compare(&mut diffs, (*name).to_owned(), before.fields.get(*name), after.fields.get(*name));
    }
    let gone = before.custom.keys().filter(|key| !after.custom.contains_key(*key));
    for key in after.custom.keys().chain(gone) {
        compare(&mut diffs, format!("custom.{key}"), before.custom.get(key), after.custom.get(key));
    }
    diffs.sort_by(|a, b| a.field.cmp(&b.field));
    diffs
}

/// Everything that a new record has.
pub fn all(object: &Object, record: &Record) -> Vec<Diff> {
    let empty = Record { fields: Fields::new(), custom: Fields::new(), ..record.clone() };
    diff(object, &empty, record)
}

fn compare(diffs: &mut Vec<Diff>, field: String, before: Option<&Value>, after: Option<&Value>) {
    if before != after {
        let value = |value: Option<&Value>| value.cloned().unwrap_or_default();
        diffs.push(Diff { field, before: value(before), after: value(after) });
    }
}

/// The values before, for the change log.
pub fn before(diffs: &[Diff]) -> Value {
    Value::Object(diffs.iter().map(|d| (d.field.clone(), d.before.clone())).collect())
}

/// The event of a change.
pub fn event(
    author: &Author,
    object: &Object,
    verb: &'static str,
    record: &Record,
    diffs: &[Diff],
) -> NewEvent {
    let is_new = verb == "created";
    let changes = diffs.iter().map(|d| Change {
        field: d.field.clone(),
        before: (!is_new).then(|| d.before.to_string()),
        after: Some(d.after.to_string()),
    });
    NewEvent {
        id: author.clock.new_uuid(),
        service: author.service,
        object: object.name,
        verb,
        record_id: record.id,
        version: record.version,
        actor: author.actor,
        actor_kind: author.actor_kind,
        owner: record.owner_id,
        team: record.team_id,
        changes: changes.collect(),
        lane: author.lane,
        traceparent: author.traceparent.clone(),
        time: author.now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::CONTACT;
    use crate::fixture::record;
    use serde_json::json;

    #[test]
    fn only_what_differs_is_a_change_and_what_is_gone_is_null() {
        let before = record(
            1,
            json!({"first_name": "Zoë", "score": 3, "tags": ["a"]}),
            json!({"tier": "gold", "seats": 1}),
        );
        let after =
            record(1, json!({"first_name": "Zoë", "score": 4, "job_title": "CTO"}), json!({"tier": "gold"}));
        let found: Vec<(String, Value, Value)> =
            diff(&CONTACT, &before, &after).into_iter().map(|d| (d.field, d.before, d.after)).collect();
        assert_eq!(
            found,
            [
                ("custom.seats".to_owned(), json!(1), Value::Null),
                ("job_title".to_owned(), Value::Null, json!("CTO")),
                ("score".to_owned(), json!(3), json!(4)),
                ("tags".to_owned(), json!(["a"]), Value::Null),
            ]
        );
        assert!(diff(&CONTACT, &after, &after).is_empty());
    }

    #[test]
    fn the_event_of_a_new_record_has_no_values_before() {
        let (clock, _) = ids::Clock::fixed(OffsetDateTime::UNIX_EPOCH);
        let now = clock.now_micros();
        let author = Author {
            service: "records",
            actor: Uuid::nil(),
            actor_kind: None,
            now,
            clock,
            lane: Lane::Bulk,
            traceparent: None,
        };
        let new = record(1, json!({"first_name": "Zoë"}), json!({}));
        let event = event(&author, &CONTACT, "created", &new, &all(&CONTACT, &new));
        assert_eq!((event.object, event.verb, event.changes.len()), ("contact", "created", 1));
        assert_eq!(
            (event.changes[0].before.clone(), event.changes[0].after.as_deref()),
            (None, Some("\"Zoë\""))
        );
    }
}
