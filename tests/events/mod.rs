//! Outbox, relay and consumer on a real PostgreSQL and RabbitMQ. Names in brackets are rows of the design's fault table.

mod broker_faults;
mod committed;
pub mod consuming;
mod holes;
mod hot;
mod lanes;
mod metrics;
mod permissions;
mod rules;
mod sending;
mod tls;
pub mod world;
