#![doc = include_str!("../README.md")]

mod cipher;
mod error;
mod operator;
mod place;
pub mod store;
mod tenant_key;
mod wrapped;

// For its feature only: key schedules are overwritten when they are dropped.
use aes as _;

pub use cipher::MAX_SECRET_BYTES;
pub use error::SealError;
pub use operator::{KeyId, KeysUnfit, MOST_KEYS, OperatorKeys, new_key};
pub use place::Place;
pub use tenant_key::TenantKey;
pub use wrapped::{WrappedKey, key_id};

/// The table of tenants' keys, for the schema of a service that seals: 0090 to 0094.
pub const TENANT_KEYS: db::migrate::Group = db::migration_group!("seal", ["0090_create_tenant_key"]);

#[cfg(test)]
mod tests;
