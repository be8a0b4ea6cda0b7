//! The records that a note is about.

use input::Input;
use proto::activities::v1 as pb;
use record::{Naming, SideTable};
use serde_json::Value;

use crate::naming::{self, Item, List, text};

/// What a note names.
pub(super) const NAMING: Naming = Naming {
    ids: naming::ids,
    // A range of the index for each id: one for all of them could not be read in the order of notes.
    holders: "SELECT DISTINCT l.note_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.note_id FROM activities.note_link AS n
         WHERE n.tenant_id = $1 AND n.object = $2 AND n.record_id = named.id AND n.note_id > $4
         ORDER BY n.note_id LIMIT $5) AS l
     ORDER BY l.note_id LIMIT $5",
    follow: naming::follow,
    known: naming::as_known,
};

/// By which notes are found.
pub(super) const LINKS: SideTable = SideTable {
    field: "links",
    pairs: naming::pairs,
    put: "INSERT INTO activities.note_link (tenant_id, note_id, record_id, object)
     SELECT $1, note_id, record_id::uuid, object
     FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (note_id, record_id, object)",
    clear: "DELETE FROM activities.note_link WHERE tenant_id = $1 AND note_id = ANY($2)",
    held: "SELECT note_id, record_id::text, object, true FROM activities.note_link
     WHERE tenant_id = $1 AND note_id = ANY($2)",
    set_live: None,
    holders: None,
};

/// Reads the links sent.
pub(super) fn read(input: &mut Input, sent: &[pb::NoteLink]) {
    let expected = "a note is about a contact, a company or a deal";
    let list = List { name: "links", objects: crate::PEER_OBJECTS, expected };
    naming::read(input, list, sent, |link| Item { object: &link.object, id: &link.id }, |_, _| Ok(()));
}

pub(super) fn show(link: &Value) -> pb::NoteLink {
    pb::NoteLink { object: text(link, "object"), id: text(link, "id"), deleted: link["deleted"] == true }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_wrong_link_is_told_and_a_repeated_one() {
        let link = |object: &str, id: &str| pb::NoteLink {
            object: object.to_owned(),
            id: id.to_owned(),
            deleted: true,
        };
        let id = Uuid::from_u128(1).to_string();
        let mut input = Input::default();
        read(
            &mut input,
            &[
                link("contact", &id),
                link("user", &Uuid::from_u128(2).to_string()),
                link("contact", "x"),
                link("contact", &id),
            ],
        );
        let found: Vec<_> = input.violations.iter().map(|v| (v.pointer.as_str(), &*v.reason)).collect();
        assert_eq!(
            found,
            [
                ("/links/1/object", "ENUM_VALUE_UNKNOWN"),
                ("/links/2/id", "UUID_INVALID"),
                ("/links/3/id", "REPEATED")
            ]
        );
    }
}
