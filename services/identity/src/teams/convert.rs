//! Teams on the wire and in the audit log.

use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};

use super::Team;

pub(crate) fn to_proto(team: &Team) -> pb::Team {
    pb::Team {
        id: team.id.to_string(),
        version: team.version,
        name: team.name.clone(),
        parent_id: team.parent_id.map(|id| id.to_string()),
        created_at: Some(timestamp(team.created_at)),
    }
}

pub(crate) fn to_json(team: &Team) -> Value {
    json!({"name": team.name, "parent_id": team.parent_id})
}
