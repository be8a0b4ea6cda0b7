//! Work beside calls.

pub(crate) mod uploads;
