//! API keys on the wire and in the audit log.

use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};

use super::ApiKey;

pub(super) fn to_proto(key: &ApiKey) -> pb::ApiKey {
    pb::ApiKey {
        id: key.id.to_string(),
        version: key.version,
        name: key.name.clone(),
        scopes: key.scopes.clone(),
        expires_at: key.expires_at.map(timestamp),
        created_at: Some(timestamp(key.created_at)),
        last_used_at: key.last_used_at.map(timestamp),
        prefix: key.prefix.clone(),
        secret: None,
    }
}

/// For the audit log and events: neither secret nor hash.
pub(super) fn to_json(key: &ApiKey) -> Value {
    json!({
        "user_id": key.user_id,
        "name": key.name,
        "scopes": key.scopes,
        "expires_at": key.expires_at.map(|at| at.unix_timestamp()),
    })
}
