//! Calls over loopback to a real server.

mod calls;
pub(crate) mod peer;
mod wrappers;
