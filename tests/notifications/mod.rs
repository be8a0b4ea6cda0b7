//! The notifications service on a real PostgreSQL; where delivery matters, also on a real RabbitMQ.

mod delivery;
mod event_types;
mod journal;
pub(crate) mod world;
