#![doc = include_str!("../README.md")]

mod address;
mod attempt;
mod client;
mod config;
mod exchange;
mod failure;
mod metered;
mod request;
mod resolve;
mod target;

pub use address::{AddressPolicy, Class, MOST_NETWORKS, NetworksUnfit, class_of};
pub use attempt::{Answer, Attempt, Phase, Timings};
pub use client::{Client, Deadlines};
pub use config::EgressConfig;
pub use exchange::{MOST_BODY_BYTES, MOST_HEAD_BYTES, MOST_HEADERS, MOST_READ_BYTES};
pub use failure::{ConnectFailure, Failure, REFUSED_ADDRESS, TlsFailure};
pub use request::{HeaderRefused, Request};
pub use resolve::{Dns, Resolve, ResolveError, Resolved};
pub use target::{MOST_URL_BYTES, Policy, Target, UrlRefusal};

#[cfg(test)]
mod tests;
