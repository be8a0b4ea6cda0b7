//! Bytes stored for a later import.

pub(crate) mod create;
pub(crate) mod store;
