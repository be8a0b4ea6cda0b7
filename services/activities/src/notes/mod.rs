//! Notes: texts about contacts and companies.

mod links;
mod markdown;
mod wire;

use error::Reason;
use input::Violations;
use query::{Set, SetKind};
use record::prepare::Rules;
use record::side_tables::{EXTERNAL_IDS, TAGS};
use record::{Built, Fields, Include, Object, Standard};
use serde_json::Value;

pub(crate) use wire::Note;

/// The object `note`.
pub(crate) static NOTE: Object = Object {
    name: "note",
    table: "activities.notes",
    fields: &[
        Standard::lines("body").required(),
        Standard::lines("body_html").computed(&["body"]),
        Standard::list("links").set("links.id", "record_id", LINKED).naming(&links::NAMING),
        Standard::flag("pinned"),
    ],
    title: "body",
    includes: &[Include::field("links", "links")],
    not_found: Reason::NOTE_NOT_FOUND,
    not_deleted: Reason::NOTE_NOT_DELETED,
    derive,
    rules,
    guard: None,
    ties: None,
    sides: &[TAGS, EXTERNAL_IDS, links::LINKS],
    likeness: None,
    tree: None,
    built: Built::later(),
};

/// The records that a note is about, as filters find them.
const LINKED: Set = Set { table: "activities.note_link", parent: "note_id", kind: SetKind::Uuid };

/// The HTML.
fn derive(fields: &Fields) -> Fields {
    let html = fields.get("body").and_then(Value::as_str).map(markdown::to_html);
    Fields::from_iter([("body_html".to_owned(), html.into())])
}

/// A note has a text.
fn rules(note: &Rules<'_>, violations: &mut Violations) {
    if !note.has("body") {
        violations.note("/body", Reason::REQUIRED, "a text is required");
    }
}
