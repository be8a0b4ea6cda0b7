#![doc = include_str!("../README.md")]

mod body;
mod channel;
mod config;
mod failure;
pub mod fields;
pub mod identity;
mod owner;
pub mod pipeline;
mod pool;
pub mod raw;
pub mod records;
mod retry;
mod service_token;

pub use crate::channel::{Channel, ConnectError, DEFAULT_DEADLINE, Idempotent, connect, connect_by};
pub use crate::config::{Peer, ServiceSecret};
pub use crate::service_token::ServiceToken;

#[cfg(test)]
mod tests;
