//! The notifications service on a real PostgreSQL; where delivery matters, also on a real RabbitMQ.

mod delivery;
mod event_types;
mod journal;
pub(crate) mod model;
mod sync;
mod sync_model;
pub(crate) mod world;
