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
pub use pem::{FileError, SYSTEM_CERTIFICATES, roots};
pub use public::PublicTls;
pub use store::client_of_store;
/// The authorities that a certificate must go back to.
pub use tokio_rustls::rustls::RootCertStore;
/// The name that a server's certificate must have.
pub use tokio_rustls::rustls::pki_types::ServerName;

use std::sync::Arc;

use config::Hot;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};

/// The algorithms.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// What a group has in force, for each connection anew; `None` where it has no certificate.
fn each_time<T, C>(
    hot: &Hot<T>,
    of: fn(&T) -> Option<Arc<C>>,
) -> Option<impl Fn() -> Arc<C> + Send + Sync + 'static + use<T, C>>
where
    T: Send + Sync + 'static,
    C: Send + Sync + 'static,
{
    let (first, now) = (of(&hot.get())?, hot.clone());
    // The files' names are fixed, so there is always a certificate if there was one at the start.
    Some(move || of(&now.get()).unwrap_or_else(|| first.clone()))
}

#[cfg(test)]
mod tests;
