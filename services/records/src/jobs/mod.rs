//! Work beside calls.

pub(crate) mod derived;
pub(crate) mod operations;
pub(crate) mod purge;
mod rounds;
pub(crate) mod uploads;
