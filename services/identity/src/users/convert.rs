//! Users on the wire and in the audit log.

use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{State, User};

pub(crate) fn to_proto(user: &User) -> pb::User {
    let texts = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect();
    let state = match user.state {
        State::Invited => pb::UserState::Invited,
        State::Active => pb::UserState::Active,
        State::Disabled => pb::UserState::Disabled,
    };
    pb::User {
        id: user.id.to_string(),
        version: user.version,
        email: user.email.clone(),
        display_name: user.display_name.clone(),
        state: state as i32,
        role_ids: texts(&user.role_ids),
        team_ids: texts(&user.team_ids),
        manager_id: user.manager_id.map(|id| id.to_string()),
        created_at: Some(timestamp(user.created_at)),
        updated_at: Some(timestamp(user.updated_at)),
        invitation_token: None,
    }
}

pub(crate) fn to_session_user(user: &User) -> pb::SessionUser {
    pb::SessionUser {
        id: user.id.to_string(),
        email: user.email.clone(),
        display_name: user.display_name.clone(),
    }
}

/// For the audit log and events: no secret is in a [`User`].
pub(crate) fn to_json(user: &User) -> Value {
    json!({
        "email": user.email,
        "display_name": user.display_name,
        "state": user.state.name(),
        "role_ids": user.role_ids,
        "team_ids": user.team_ids,
        "manager_id": user.manager_id,
    })
}
