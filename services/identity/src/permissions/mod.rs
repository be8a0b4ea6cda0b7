//! What principals may do: the compiled snapshot, its version, and the calls with which services ask for it.

pub(crate) mod check_references;
pub(crate) mod compile;
pub(crate) mod exchange_service_secret;
pub(crate) mod exchange_service_token;
pub(crate) mod get_snapshot;
pub(crate) mod store;
