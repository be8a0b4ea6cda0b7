#![doc = include_str!("../README.md")]

mod acceptor;
mod connector;
mod expiry;
mod fleet;
mod handshake;
mod pem;
mod public;
mod store;

pub use acceptor::{Acceptor, Stream};
pub use connector::{Connector, Secured};
pub use expiry::Expires;
pub use fleet::{FleetTls, Schemes};
pub use handshake::HandshakeError;
pub use pem::{FileError, roots};
pub use public::PublicTls;
pub use store::client_of_store;
/// The authorities that a certificate must go back to.
pub use tokio_rustls::rustls::RootCertStore;
/// The name that a server's certificate must have.
pub use tokio_rustls::rustls::pki_types::ServerName;

use std::sync::Arc;

use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The algorithms.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests;
