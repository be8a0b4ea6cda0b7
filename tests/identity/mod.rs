//! The identity service against PostgreSQL, through its RPCs: token, gate, operation, row-level security.

mod audit;
mod calendar_feeds;
mod invitations;
mod isolation;
mod keys;
mod organization;
mod passwords;
mod permissions;
mod references;
mod refreshes;
mod roles;
mod sessions;
mod teams;
mod users;
pub(crate) mod world;
