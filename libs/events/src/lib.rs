#![doc = include_str!("../README.md")]

pub mod broadcast;
mod broker;
mod config;
pub mod consumer;
pub mod dead;
mod envelope;
pub mod metrics;
pub mod outbox;
pub mod permissions;
pub mod relay;
mod retention;
mod trace;

pub use broker::{BrokerError, EXCHANGE, partition, routing_key};
pub use config::AmqpConfig;
pub use consumer::{Consumer, Delivery, Handler, HandlerError};
pub use envelope::{Change, DecodeError, Event, Lane, NewEvent};
pub use relay::{Relay, RelayStatus, Wake};
