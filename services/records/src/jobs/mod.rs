//! Work beside calls.

pub(crate) mod operations;
pub(crate) mod uploads;
