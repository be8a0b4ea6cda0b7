//! Bytes stored for a later import.

pub(crate) mod create;
pub(crate) mod purge;
pub(crate) mod store;
