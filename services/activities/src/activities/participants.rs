//! Who takes part in an activity, each with the answer to the invitation.

use input::{Input, choice};
use proto::activities::v1 as pb;
use record::{Naming, SideTable};
use serde_json::Value;

use crate::naming::{self, Item, List, text};

/// Who takes part.
pub(super) const NAMING: Naming = Naming {
    ids: naming::ids,
    // A range of the index for each id: one for all of them could not be read in the order of activities.
    holders: "SELECT DISTINCT l.activity_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.activity_id FROM activities.activity_participant AS n
         WHERE n.tenant_id = $1 AND n.object = $2 AND n.record_id = named.id AND n.activity_id > $4
         ORDER BY n.activity_id LIMIT $5) AS l
     ORDER BY l.activity_id LIMIT $5",
    follow: naming::follow,
    known: naming::as_known,
};

/// By which activities are found.
pub(super) const PARTICIPANTS: SideTable = SideTable {
    field: "participants",
    pairs: naming::pairs,
    put: "INSERT INTO activities.activity_participant (tenant_id, activity_id, record_id, object)
     SELECT $1, activity_id, record_id::uuid, object
     FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (activity_id, record_id, object)",
    clear: "DELETE FROM activities.activity_participant WHERE tenant_id = $1 AND activity_id = ANY($2)",
    held: "SELECT activity_id, record_id::text, object, true FROM activities.activity_participant
     WHERE tenant_id = $1 AND activity_id = ANY($2)",
    set_live: None,
    holders: None,
};

const RESPONSE: &str = "PARTICIPANT_RESPONSE_";

/// Reads the participants sent.
pub(super) fn read(input: &mut Input, sent: &[pb::Participant]) {
    let expected = "a contact or a user takes part in an activity";
    let list = List { name: "participants", objects: &["contact", "user"], expected };
    naming::read(
        input,
        list,
        sent,
        |one| Item { object: &one.object, id: &one.id },
        |one, kept| {
            let response = choice(one.response).map_err(|error| ("response", error))?;
            let response = match response {
                pb::ParticipantResponse::Unspecified => pb::ParticipantResponse::NeedsAction,
                response => response,
            };
            if let Some(kept) = kept.as_object_mut() {
                let name = response.as_str_name().trim_start_matches(RESPONSE).to_ascii_lowercase();
                kept.insert("response".to_owned(), name.into());
            }
            Ok(())
        },
    );
}

pub(super) fn show(one: &Value) -> pb::Participant {
    let response = format!("{RESPONSE}{}", text(one, "response").to_ascii_uppercase());
    pb::Participant {
        object: text(one, "object"),
        id: text(one, "id"),
        response: pb::ParticipantResponse::from_str_name(&response).unwrap_or_default().into(),
        deleted: one["deleted"] == true,
    }
}
