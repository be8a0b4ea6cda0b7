//! The records service on a real PostgreSQL, called as the gateway calls it.

mod companies;
mod conflicts;
mod imports;
mod lists;
pub(crate) mod plans;
mod trash;
mod visibility;
pub(crate) mod world;
mod writes;
