//! Outbox, relay and consumer on a real PostgreSQL and RabbitMQ. Names in brackets are rows of the design's fault table.

mod broker_faults;
mod consuming;
mod metrics;
mod permissions;
mod rules;
mod sending;
mod tls;
mod world;
