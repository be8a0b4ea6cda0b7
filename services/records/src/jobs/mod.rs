//! Work beside calls.

pub(crate) mod purge;
