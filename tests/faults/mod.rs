//! Killed, paused and cut-off processes, and programs on schemas that are not theirs.

pub(crate) mod backing;
#[cfg(feature = "testcontainers")]
mod containers;
mod password;
mod schema;
