//! The records that an activity is about, each with the part that it has.

use input::{Input, line};
use proto::activities::v1 as pb;
use record::{Naming, SideTable};
use serde_json::Value;

use crate::naming::{self, Item, List, text};

/// What an activity is about.
pub(super) const NAMING: Naming = Naming {
    ids: naming::ids,
    // A range of the index for each id: one for all of them could not be read in the order of activities.
    holders: "SELECT DISTINCT l.activity_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.activity_id FROM activities.activity_link AS n
         WHERE n.tenant_id = $1 AND n.object = $2 AND n.record_id = named.id AND n.activity_id > $4
         ORDER BY n.activity_id LIMIT $5) AS l
     ORDER BY l.activity_id LIMIT $5",
    follow: naming::follow,
    known: naming::as_known,
};

/// By which activities are found.
pub(super) const LINKS: SideTable = SideTable {
    field: "links",
    pairs: naming::pairs,
    put: "INSERT INTO activities.activity_link (tenant_id, activity_id, record_id, object)
     SELECT $1, activity_id, record_id::uuid, object
     FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (activity_id, record_id, object)",
    clear: "DELETE FROM activities.activity_link WHERE tenant_id = $1 AND activity_id = ANY($2)",
    held: "SELECT activity_id, record_id::text, object, true FROM activities.activity_link
     WHERE tenant_id = $1 AND activity_id = ANY($2)",
    set_live: None,
    holders: None,
};

/// Reads the links sent.
pub(super) fn read(input: &mut Input, sent: &[pb::ActivityLink]) {
    let expected = "an activity is about a contact, a company or a deal";
    let list = List { name: "links", objects: crate::PEER_OBJECTS, expected };
    naming::read(
        input,
        list,
        sent,
        |link| Item { object: &link.object, id: &link.id },
        |link, kept| {
            let role = link.role.as_deref().map(|role| line(role, 60)).transpose();
            if let (Some(role), Some(kept)) =
                (role.map_err(|error| ("role", error))?.flatten(), kept.as_object_mut())
            {
                kept.insert("role".to_owned(), role.into());
            }
            Ok(())
        },
    );
}

pub(super) fn show(link: &Value) -> pb::ActivityLink {
    pb::ActivityLink {
        object: text(link, "object"),
        id: text(link, "id"),
        role: link["role"].as_str().map(str::to_owned),
        deleted: link["deleted"] == true,
    }
}
