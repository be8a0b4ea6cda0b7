//! TLS of the public port.

use std::path::PathBuf;
use std::sync::Arc;

use config::{Hot, Reader, Section, WatchedFile};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::rustls::ServerConfig;

use crate::expiry::{self, Expires};
use crate::pem::{self, FileError};
use crate::{Acceptor, each_time, provider};

const CERT_FILE: &str = "PUBLIC_TLS_CERT_FILE";
const KEY_FILE: &str = "PUBLIC_TLS_KEY_FILE";

/// What the label `use` of the metric says.
const USE: &str = "public";

#[derive(Deserialize, JsonSchema)]
struct Files {
    /// Certificate of the public port and those between it and its authority (PEM). With it the port speaks TLS only; what is in the file
    /// may change.
    #[serde(rename = "public_tls_cert_file")]
    #[schemars(with = "Option<WatchedFile>")]
    cert_file: Option<PathBuf>,
    /// Private key of PUBLIC_TLS_CERT_FILE (PEM, not encrypted).
    #[serde(rename = "public_tls_key_file")]
    #[schemars(with = "Option<WatchedFile>")]
    key_file: Option<PathBuf>,
}

/// The certificate of the public port, if it has one.
#[derive(Clone, Default)]
pub struct PublicTls(Option<InForce>);

#[derive(Clone)]
struct InForce {
    server: Arc<ServerConfig>,
    expires: Option<Expires>,
}

impl std::fmt::Debug for PublicTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PublicTls").field(&self.0.as_ref().map(|now| now.expires)).finish()
    }
}

impl PublicTls {
    /// Does the handshakes of the public port; `None` where it speaks plain HTTP. Shows when its certificate ends.
    pub fn acceptor(hot: &Hot<Self>, service: &'static str) -> Option<Acceptor> {
        let server = each_time(hot, |tls: &Self| Some(tls.0.as_ref()?.server.clone()))?;
        let shown = hot.clone();
        expiry::show(service, USE, move || shown.get().0.as_ref()?.expires);
        Some(Acceptor::new(USE, false, server))
    }
}

impl Section for PublicTls {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let Files { cert_file, key_file } = r.group()?;
        let (cert_file, key_file) = match (cert_file, key_file) {
            (None, None) => return Some(Self(None)),
            (Some(cert), Some(key)) => (cert, key),
            (Some(_), None) => {
                r.refuse(KEY_FILE, format!("is missing, and {CERT_FILE} needs it"));
                return None;
            }
            (None, Some(_)) => {
                r.refuse(CERT_FILE, format!("is missing, and {KEY_FILE} needs it"));
                return None;
            }
        };
        let chain = pem::chain(&cert_file).map_err(|error| r.refuse(CERT_FILE, error.to_string())).ok();
        let key = pem::key(&key_file).map_err(|error| r.refuse(KEY_FILE, error.to_string())).ok();
        let (chain, key) = (chain?, key?);
        let expires = Expires::of(&chain);
        let server = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
        match server {
            Ok(mut server) => {
                server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
                Some(Self(Some(InForce { server: Arc::new(server), expires })))
            }
            Err(error) => {
                r.refuse(KEY_FILE, FileError::Key(error).to_string());
                None
            }
        }
    }
}
