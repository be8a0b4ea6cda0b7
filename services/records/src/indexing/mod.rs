//! Indexes that custom fields get later: their slots are filled by a job, batch by batch, and used once all records have them.

pub(crate) mod create;
pub(crate) mod job;
pub(crate) mod listener;
mod store;

/// The kind of an operation that fills the slot of a field.
pub(crate) const KIND: &str = "index";
