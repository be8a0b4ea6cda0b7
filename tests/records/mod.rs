//! The records service on a real PostgreSQL, called as the gateway calls it.

mod companies;
mod conflicts;
mod lists;
mod plans;
mod trash;
mod visibility;
mod world;
mod writes;
