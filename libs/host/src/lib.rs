#![doc = include_str!("../README.md")]

mod admin;
mod config;
mod connections;
pub mod deadline;
mod error;
pub mod grpc;
pub mod http;
mod outgoing;
mod process;
mod readiness;
pub mod reload;
mod share;
mod tasks;
pub mod telemetry;
pub mod trace;

pub use crate::config::{GrpcConfig, HostConfig, LifeConfig, LogFormat, TelemetryConfig};
pub use crate::connections::LEAVE;
pub use crate::error::ServeError;
pub use process::Process;
pub use readiness::{Component, Readiness, Report, State};
pub use share::{most_of_site, network, share, site};
pub use tasks::Tasks;
