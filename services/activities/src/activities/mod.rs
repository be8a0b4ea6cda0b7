//! Activities: tasks, calls and meetings.

mod events;
mod life;
mod links;
pub mod machine;
mod participants;
mod recurrence;
mod reminders;
mod reminding;
mod rule;
mod state_machines;
mod store;
mod times;
mod wire;

use error::Reason;
use query::{Set, SetKind};
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Built, Fields, Include, Object, Record, Standard};
use serde_json::Value;

use machine::{Kind, State};

pub use reminding::Reminding;

pub(crate) use events::{cancel, complete, reopen, start};
pub(crate) use rule::Rule;
pub(crate) use state_machines::state_machines;
pub(crate) use wire::{Activity, open};

/// The object `activity`.
pub(crate) static ACTIVITY: Object = Object {
    name: "activity",
    table: "activities.activities",
    fields: &[
        Standard::choice("kind", &Kind::NAMES).required(),
        Standard::line("subject").searched().indexed().required(),
        Standard::lines("body"),
        Standard::input("event"),
        Standard::choice("state", &State::NAMES).guarded().indexed().required(),
        Standard::choice("priority", &["low", "normal", "high", "urgent"]).required(),
        Standard::timestamp("due_at").indexed(),
        Standard::timestamp("starts_at").indexed(),
        Standard::timestamp("ends_at"),
        Standard::flag("all_day"),
        Standard::line("timezone"),
        Standard::timestamp("completed_at").guarded().indexed(),
        Standard::lines("outcome").guarded(),
        Standard::integer("duration_seconds"),
        Standard::id("assignee_id", "user").indexed(),
        Standard::list("links").set("links.id", "record_id", LINKED).naming(&links::NAMING),
        Standard::list("participants")
            .set("participants.id", "record_id", TAKES_PART)
            .naming(&participants::NAMING),
        Standard::lines("cancelled_reason").guarded(),
        Standard::passed("overdue").computed(&["kind", "state", "due_at", "ends_at"]).indexed(),
        Standard::list("reminders"),
        Standard::lines("recurrence"),
        Standard::lines("recurs_at").guarded(),
        Standard::key("next_id").guarded(),
    ],
    title: "subject",
    includes: &[
        Include::field("assignee", "assignee_id"),
        Include::field("links", "links"),
        Include::field("participants", "participants"),
    ],
    not_found: Reason::ACTIVITY_NOT_FOUND,
    not_deleted: Reason::ACTIVITY_NOT_DELETED,
    derive,
    // What it needs depends on its kind and state, and holds for what a caller does not see as well: see its guard.
    rules: |_, _| {},
    guard: Some(&life::Life),
    ties: None,
    sides: &[TAGS, EXTERNAL_IDS, links::LINKS, participants::PARTICIPANTS],
    likeness: None,
    tree: None,
    built: Built::later(),
};

/// The records that an activity is about, as filters find them.
const LINKED: Set = Set { table: "activities.activity_link", parent: "activity_id", kind: SetKind::Uuid };

/// Who takes part in it, as filters find them.
const TAKES_PART: Set =
    Set { table: "activities.activity_participant", parent: "activity_id", kind: SetKind::Uuid };

/// The moment from which on it is overdue.
fn derive(fields: &Fields) -> Fields {
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let is_open = text("state").and_then(State::named).is_some_and(State::is_open);
    let end = if text("kind") == Some(Kind::Meeting.name()) { "ends_at" } else { "due_at" };
    Fields::from_iter([("overdue".to_owned(), text(end).filter(|_| is_open).into())])
}

fn text<'r>(activity: &'r Record, name: &str) -> Option<&'r str> {
    activity.fields.get(name).and_then(Value::as_str).filter(|text| !text.is_empty())
}

fn state(activity: &Record) -> Option<State> {
    text(activity, "state").and_then(State::named)
}
