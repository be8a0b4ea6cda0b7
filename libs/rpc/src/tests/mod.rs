//! Calls over loopback to a real server.

mod aging;
mod calls;
pub(crate) mod peer;
mod service_token;
mod wrappers;
