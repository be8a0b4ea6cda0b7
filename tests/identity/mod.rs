//! The identity service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod audit;
mod isolation;
mod keys;
mod permissions;
mod roles;
mod sessions;
mod users;
pub(crate) mod world;
