//! Work beside calls.

pub(crate) mod derived;
pub(crate) mod operations;
pub(crate) mod purge;
pub(crate) mod uploads;
