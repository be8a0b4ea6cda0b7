//! The addresses at which calendar programs read what a user has to do: a secret in a path, as such programs show no other credentials.

pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod get;
pub(crate) mod resolve;
pub(crate) mod store;

use proto::identity::v1 as pb;
use proto::timestamp;
use serde_json::{Value, json};
use time::OffsetDateTime;

/// The address of a user's calendar as it is stored, without the hash of its secret.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CalendarFeed {
    /// One more with each new secret, and with its end.
    pub(crate) version: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) last_used_at: Option<OffsetDateTime>,
}

impl CalendarFeed {
    fn to_proto(self) -> pb::CalendarFeed {
        pb::CalendarFeed {
            created_at: Some(timestamp(self.created_at)),
            last_used_at: self.last_used_at.map(timestamp),
            path: None,
        }
    }

    /// For the audit log and events: neither secret nor hash.
    fn to_json(self) -> Value {
        json!({"created_at": self.created_at.unix_timestamp()})
    }
}
