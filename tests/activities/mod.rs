//! The activities service on a real PostgreSQL, called as the gateway calls it.

mod computed;
mod following;
mod following_turns;
mod notes;
pub(crate) mod world;
