//! Clients of stores, which know us by a password or a key: only the server has a certificate.

use tokio_rustls::rustls::{ClientConfig, Error, RootCertStore};

use crate::provider;

/// A client that trusts these authorities and no others; without any it trusts nobody. It shows no certificate.
pub fn client_of_store(authorities: RootCertStore) -> Result<ClientConfig, Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder.with_root_certificates(authorities).with_no_client_auth())
}
