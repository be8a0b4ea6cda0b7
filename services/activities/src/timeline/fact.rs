//! What is kept of an event: what entries are made of, and nothing else. Values are bounded.

use auth::PrincipalKind;
use events::{Change, Event};
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// Longest text of a value, characters; more is cut.
const MAX_CHARS: usize = 1_000;
/// Longest other value, bytes of JSON; a longer one is left out.
const MAX_BYTES: usize = 4_000;
/// Longest values of one event, bytes of JSON; further ones are left out.
const MAX_ALL: usize = 32_000;

/// Changes of fields that follow from others: who may not see those may not see these either.
const DERIVED: [&str; 2] = ["full_name", "weighted_amount"];

/// Changes of deals that stage changes tell of, or that nobody asked for.
const OF_STAGES: [&str; 9] = [
    "pipeline_id",
    "stage_id",
    "stage_key",
    "pipeline_version",
    "status",
    "stage_entered_at",
    "closed_at",
    "probability_source",
    "rank",
];

/// A field in which records of an object name others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Linking {
    holder: &'static str,
    pub(super) field: &'static str,
    /// What it names.
    pub(super) object: &'static str,
    /// The member with the id, where the field is not the id itself.
    member: Option<&'static str>,
}

pub(super) const LINKING: [Linking; 4] = [
    Linking { holder: "contact", field: "companies", object: "company", member: Some("company_id") },
    Linking { holder: "company", field: "parent_id", object: "company", member: None },
    Linking { holder: "deal", field: "company_id", object: "company", member: None },
    Linking { holder: "deal", field: "contacts", object: "contact", member: Some("contact_id") },
];

impl Linking {
    /// The field of this name.
    pub(super) fn of(holder: &str, field: &str) -> Option<&'static Self> {
        LINKING.iter().find(|linking| linking.holder == holder && linking.field == field)
    }

    /// Whether it is there that records of `holder` name those of `object`.
    pub(super) fn is_between(&self, holder: &str, object: &str) -> bool {
        self.holder == holder && self.object == object
    }

    /// What a value names.
    pub(super) fn ids(&self, value: &Value) -> Vec<Uuid> {
        let id = |value: &Value| {
            let id = self.member.map_or(value, |member| &value[member]);
            Uuid::try_parse(id.as_str()?).ok()
        };
        match value {
            Value::Array(values) => values.iter().filter_map(id).collect(),
            value => id(value).into_iter().collect(),
        }
    }
}

/// An event, as far as timelines need it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Fact {
    pub(super) event_id: Uuid,
    pub(super) object: String,
    pub(super) record_id: Uuid,
    pub(super) verb: String,
    pub(super) happened_at: OffsetDateTime,
    pub(super) actor_kind: String,
    pub(super) actor_id: Uuid,
    /// `{"field", "before", "after"}`, with `"truncated": true` where a value is cut or left out.
    pub(super) changes: Vec<Value>,
}

impl Fact {
    /// What an event says; `None` if it is nothing for timelines.
    pub(super) fn of(event: &Event) -> Option<Self> {
        let (object, verb) = (event.object.as_str(), event.verb());
        let is_known = match object {
            "contact" | "company" => ["created", "updated", "deleted", "restored", "purged"].contains(&verb),
            "deal" => {
                ["created", "updated", "deleted", "restored", "purged", "stage_changed"].contains(&verb)
            }
            "activity" | "note" => ["created", "updated", "purged"].contains(&verb),
            _ => false,
        };
        is_known.then(|| Self {
            event_id: event.id,
            object: event.object.clone(),
            record_id: event.record_id,
            verb: verb.to_owned(),
            happened_at: event.time,
            // A job acts in the name of somebody.
            actor_kind: event.actor_kind.unwrap_or(PrincipalKind::Service).name().to_owned(),
            actor_id: event.actor,
            changes: changes(event),
        })
    }

    /// Whether a contact, company or deal was purged.
    pub(super) fn is_purge(&self) -> bool {
        self.verb == "purged" && !matches!(self.object.as_str(), "activity" | "note")
    }

    /// The change of a field.
    pub(super) fn change(&self, field: &str) -> Option<&Value> {
        self.changes.iter().find(|change| change["field"] == field)
    }
}

fn changes(event: &Event) -> Vec<Value> {
    let mut left = MAX_ALL;
    let kept = event.changes.iter().filter(|change| is_kept(event, &change.field));
    kept.map(|change| {
        // What is written there is read from the note or activity itself.
        if matches!(change.field.as_str(), "body" | "links") && is_own(event) {
            return json!({"field": change.field});
        }
        // Links are ids, of which an event has a bounded number.
        let is_whole = Linking::of(&event.object, &change.field).is_some() || event.verb() == "stage_changed";
        bounded(change, event.values_omitted, if is_whole { None } else { Some(&mut left) })
    })
    .collect()
}

fn is_own(event: &Event) -> bool {
    matches!(event.object.as_str(), "activity" | "note")
}

fn is_kept(event: &Event, field: &str) -> bool {
    if DERIVED.contains(&field) {
        return false;
    }
    match (event.object.as_str(), event.verb()) {
        ("activity", "updated") => matches!(field, "state" | "links"),
        ("note", "updated") => matches!(field, "body" | "links"),
        (object, "created") => Linking::of(object, field).is_some(),
        ("deal", "updated") => {
            // A stage brings its probability.
            let is_brought = field == "probability" && event.change("stage_id").is_some();
            let is_manual = event.change("probability_source").and_then(|change| change.after.as_deref())
                == Some("\"manual\"");
            !OF_STAGES.contains(&field) && (!is_brought || is_manual)
        }
        (_, "updated" | "stage_changed") => true,
        _ => false,
    }
}

/// A change with values within the bounds; `left` are the bytes that are left for all.
fn bounded(change: &Change, values_omitted: bool, mut left: Option<&mut usize>) -> Value {
    let mut is_cut = values_omitted;
    let mut value = |text: &Option<String>| {
        let value = text.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        let Some(left) = &mut left else { return value };
        let (value, cut) = cut(value);
        let size = value.to_string().len();
        is_cut |= cut || size > **left;
        if size > **left {
            return Value::Null;
        }
        **left -= size;
        value
    };
    let (before, after) = (value(&change.before), value(&change.after));
    let mut kept = json!({"field": change.field, "before": before, "after": after});
    if is_cut {
        kept["truncated"] = true.into();
    }
    kept
}

fn cut(value: Value) -> (Value, bool) {
    match value {
        Value::String(text) => match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => (text[..end].into(), true),
            None => (text.into(), false),
        },
        value if value.to_string().len() > MAX_BYTES => (Value::Null, true),
        value => (value, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(before: Value, after: Value) -> Change {
        Change {
            field: "description".to_owned(),
            before: Some(before.to_string()),
            after: Some(after.to_string()),
        }
    }

    #[test]
    fn long_values_are_cut_or_left_out_and_said_to_be() {
        let kept = |change: &Change, left: &mut usize| bounded(change, false, Some(left));
        let mut left = MAX_ALL;
        let short = change(Value::Null, "ä".repeat(MAX_CHARS).into());
        let kept_short = kept(&short, &mut left);
        assert_eq!(
            (&kept_short["after"], kept_short.get("truncated")),
            (&json!("ä".repeat(MAX_CHARS)), None),
            "a text at the bound is whole"
        );
        let long = kept(&change("ä".repeat(MAX_CHARS + 1).into(), 1.into()), &mut left);
        assert_eq!(
            (long["before"].as_str().map(|text| text.chars().count()), &long["after"], &long["truncated"]),
            (Some(MAX_CHARS), &json!(1), &json!(true))
        );
        let list = kept(&change(Value::Null, json!(vec!["x".repeat(100); 100])), &mut left);
        assert_eq!((&list["after"], &list["truncated"]), (&Value::Null, &json!(true)));
        let mut little = 10;
        let over = kept(&change(json!("12345"), json!("6789")), &mut little);
        assert_eq!(
            (&over["before"], &over["after"], &over["truncated"]),
            (&json!("12345"), &Value::Null, &json!(true))
        );
    }

    #[test]
    fn ids_are_found_in_every_form_of_a_link() {
        let [one, two] = [1, 2].map(Uuid::from_u128);
        let ids = |holder: &str, field: &str, value: Value| Linking::of(holder, field).unwrap().ids(&value);
        assert_eq!(ids("deal", "company_id", json!(one.to_string())), [one]);
        assert_eq!(ids("contact", "companies", json!({"company_id": one.to_string(), "role": null})), [one]);
        let contacts =
            json!([{"contact_id": one.to_string()}, {"contact_id": two.to_string(), "deleted": true}]);
        assert_eq!(ids("deal", "contacts", contacts), [one, two]);
        assert!(ids("deal", "contacts", Value::Null).is_empty());
    }
}
