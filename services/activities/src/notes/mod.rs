//! Notes: texts about contacts, companies and deals.

mod links;
mod markdown;
mod mentions;
mod store;
mod wire;

use error::Reason;
use input::Violations;
use query::{Set, SetKind};
use record::prepare::Rules;
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Built, Fields, Include, Object, Standard};
use serde_json::Value;

pub(crate) use wire::{Note, open};

/// The object `note`.
pub(crate) static NOTE: Object = Object {
    name: "note",
    table: "activities.notes",
    fields: &[
        Standard::lines("body").required().naming(&mentions::NAMING),
        Standard::lines("body_html").computed(&["body"]),
        Standard::list("mentions").computed(&["body"]).set("mentions.user_id", "user_id", MENTIONED),
        Standard::list("links").set("links.id", "record_id", LINKED).naming(&links::NAMING),
        Standard::flag("pinned").indexed(),
    ],
    title: "body",
    includes: &[Include::field("links", "links")],
    not_found: Reason::NOTE_NOT_FOUND,
    not_deleted: Reason::NOTE_NOT_DELETED,
    derive,
    rules,
    guard: Some(&mentions::Mentioning),
    ties: None,
    sides: &[TAGS, EXTERNAL_IDS, links::LINKS, mentions::MENTIONS],
    likeness: None,
    tree: None,
    built: Built::later(),
};

/// The records that a note is about, as filters find them.
const LINKED: Set = Set { table: "activities.note_link", parent: "note_id", kind: SetKind::Uuid };

/// The users whom a note mentions, as filters find them.
const MENTIONED: Set = Set { table: "activities.note_mention", parent: "note_id", kind: SetKind::Uuid };

/// The HTML, and whom the text mentions.
fn derive(fields: &Fields) -> Fields {
    let body = fields.get("body").and_then(Value::as_str);
    let mentions = body.map_or_else(|| Value::Array(Vec::new()), mentions::list);
    Fields::from_iter([
        ("body_html".to_owned(), body.map(markdown::to_html).into()),
        ("mentions".to_owned(), mentions),
    ])
}

/// A note has a text.
fn rules(note: &Rules<'_>, violations: &mut Violations) {
    if !note.has("body") {
        violations.note("/body", Reason::REQUIRED, "a text is required");
    }
}
