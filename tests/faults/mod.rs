//! Killed, paused and cut-off processes.

pub(crate) mod backing;
#[cfg(feature = "testcontainers")]
mod containers;
mod password;
