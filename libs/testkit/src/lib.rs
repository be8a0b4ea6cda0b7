#![doc = include_str!("../README.md")]

pub mod backing;
mod command;
pub mod fleet;
mod http;
pub mod neighbours;
mod ports;
mod process;
mod progress;
pub mod prometheus;
pub mod s3;
mod secrets;
mod spawner;
mod state;
mod workspace;

pub use command::succeeds_within;
pub use process::ProcessId;
pub use progress::Progress;
pub use secrets::Secrets;
pub use state::write_private;
pub use workspace::{Purpose, Workspace};

/// This machine cannot give what was asked for, and no retry will change that: a command exits with code 3.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unavailable {
    /// What is missing and what to do about it, for a person.
    pub reason: String,
}

impl Unavailable {
    /// The error for `reason`.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}
