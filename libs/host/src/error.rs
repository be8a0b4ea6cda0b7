//! Why a process or a server ended.

use std::net::SocketAddr;
use std::time::Duration;

/// Why a server did not start or did not end in order.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address} ({purpose})")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What it was for.
        purpose: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// Signals cannot be received.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
    /// The compiled-in descriptors cannot be read.
    #[error("the compiled-in descriptors cannot be read")]
    Descriptors(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Telemetry cannot be set up.
    #[error("telemetry cannot be set up")]
    Telemetry(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Work was cut off at the end of the grace.
    #[error("{open} {what} still ran after the grace of {grace:?} and were cut off")]
    Unfinished {
        /// `connections` or `tasks`.
        what: &'static str,
        /// How many.
        open: usize,
        /// How long they were waited for.
        grace: Duration,
    },
    /// Something a service needs before it can serve: its pool, its channels.
    #[error("cannot start: {what}")]
    Start {
        /// What failed.
        what: &'static str,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl ServeError {
    /// The service cannot start because `what` failed.
    pub fn start(what: &'static str, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Start { what, source: source.into() }
    }
}
