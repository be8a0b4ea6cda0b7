//! API keys: a program acts as its owner, within the key's scopes.

mod convert;
pub(crate) mod create;
pub(crate) mod delete;
pub(crate) mod exchange;
pub(crate) mod list;
pub(crate) mod store;

use time::OffsetDateTime;
use uuid::Uuid;

/// A key as it is stored, without its hash.
#[derive(Clone, Debug)]
pub(crate) struct ApiKey {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) user_id: Uuid,
    pub(crate) name: String,
    pub(crate) prefix: String,
    /// `<object>.<action>`, sorted.
    pub(crate) scopes: Vec<String>,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) expires_at: Option<OffsetDateTime>,
    pub(crate) last_used_at: Option<OffsetDateTime>,
}
