//! What this service does on events of others.

pub(crate) mod permissions;
