//! TLS between services: both sides show a certificate.

use std::path::PathBuf;
use std::sync::Arc;

use config::{Hot, Reader, Section, WatchedFile};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_rustls::rustls::client::{Resumption, verify_server_cert_signed_by_trust_anchor};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ParsedCertificate, WebPkiClientVerifier};
use tokio_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};

use crate::expiry::{self, Expires};
use crate::pem::{self, FileError};
use crate::{Acceptor, Connector, each_time, provider};

const CERT_FILE: &str = "TLS_CERT_FILE";
const KEY_FILE: &str = "TLS_KEY_FILE";
const CA_FILE: &str = "TLS_CA_FILE";
const ALSO_PLAIN: &str = "TLS_ALSO_PLAIN";

/// What the label `use` of the metric says.
const USE: &str = "fleet";

#[derive(Deserialize, JsonSchema)]
struct Files {
    /// Certificate that this service shows to other services, as server and as client, and those between it and its authority (PEM). With
    /// it gRPC is served by TLS only and addresses of services are https://; what is in the file may change.
    #[serde(rename = "tls_cert_file")]
    #[schemars(with = "Option<WatchedFile>")]
    cert_file: Option<PathBuf>,
    /// Private key of TLS_CERT_FILE (PEM, not encrypted).
    #[serde(rename = "tls_key_file")]
    #[schemars(with = "Option<WatchedFile>")]
    key_file: Option<PathBuf>,
    /// Certificates (PEM) that those of other services must go back to.
    #[serde(rename = "tls_ca_file")]
    #[schemars(with = "Option<WatchedFile>")]
    ca_file: Option<PathBuf>,
    /// Serve gRPC plain, too, and let addresses of services be http://, while a running fleet is changed over to TLS.
    #[serde(rename = "tls_also_plain", default)]
    also_plain: bool,
}

/// What addresses of services may begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schemes {
    /// `http://`
    pub plain: bool,
    /// `https://`
    pub secure: bool,
}

/// What a service shows to others and expects of them, if they speak TLS.
#[derive(Clone, Default)]
pub struct FleetTls(Option<InForce>);

#[derive(Clone)]
struct InForce {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
    expires: Option<Expires>,
    also_plain: bool,
}

impl std::fmt::Debug for FleetTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("FleetTls").field(&self.0.as_ref().map(|now| now.expires)).finish()
    }
}

impl FleetTls {
    /// Whether an address may begin with `http://` and with `https://`, for code that reads addresses: neither may look secured and not be.
    pub fn schemes(r: &Reader<'_>) -> Schemes {
        let secure = r.text(CERT_FILE).is_some();
        Schemes { plain: !secure || r.text(ALSO_PLAIN) == Some("true"), secure }
    }

    /// Does the handshakes of a gRPC port; `None` where it is served plain.
    pub fn acceptor(hot: &Hot<Self>) -> Option<Acceptor> {
        let also_plain = hot.get().0.as_ref()?.also_plain;
        let server = each_time(hot, |tls: &Self| Some(tls.0.as_ref()?.server.clone()))?;
        Some(Acceptor::new("grpc", also_plain, server))
    }

    /// Does the handshakes of connections to other services; `None` where they are plain.
    pub fn connector(hot: &Hot<Self>) -> Option<Connector> {
        each_time(hot, |tls: &Self| Some(tls.0.as_ref()?.client.clone())).map(Connector::new)
    }

    /// Shows when the certificate ends.
    pub fn show_expiry(hot: &Hot<Self>, service: &'static str) {
        if hot.get().0.is_some() {
            let shown = hot.clone();
            expiry::show(service, USE, move || shown.get().0.as_ref()?.expires);
        }
    }
}

impl Section for FleetTls {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let Files { cert_file, key_file, ca_file, also_plain } = r.group()?;
        let (cert_file, key_file, ca_file) = match (cert_file, key_file, ca_file) {
            (None, None, None) if also_plain => {
                r.refuse(ALSO_PLAIN, format!("has no effect without {CERT_FILE}"));
                return None;
            }
            (None, None, None) => return Some(Self(None)),
            (Some(cert), Some(key), Some(ca)) => (cert, key, ca),
            (cert, key, ca) => {
                for (name, given) in [(CERT_FILE, cert), (KEY_FILE, key), (CA_FILE, ca)] {
                    if given.is_none() {
                        r.refuse(name, "is missing: TLS between services needs certificate, key and CA");
                    }
                }
                return None;
            }
        };
        let chain = pem::chain(&cert_file).map_err(|error| r.refuse(CERT_FILE, error.to_string())).ok();
        let key = pem::key(&key_file).map_err(|error| r.refuse(KEY_FILE, error.to_string())).ok();
        let roots = pem::roots(&ca_file).map_err(|error| r.refuse(CA_FILE, error.to_string())).ok();
        match in_force(&chain?, &key?, roots?) {
            Ok(now) => Some(Self(Some(InForce { also_plain, ..now }))),
            Err(Unfit { name, text }) => {
                r.refuse(name, text);
                None
            }
        }
    }
}

/// Files that do not fit each other, by the variable of the one to look at.
struct Unfit {
    name: &'static str,
    text: String,
}

fn in_force(
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
    roots: RootCertStore,
) -> Result<InForce, Unfit> {
    let unfit = |name, text: String| Unfit { name, text };
    let of_key = |error: rustls::Error| unfit(KEY_FILE, FileError::Key(error).to_string());
    let roots = Arc::new(roots);
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.clone(), provider())
        .build()
        .map_err(|error| unfit(CA_FILE, format!("cannot be used: {error}")))?;
    // The others have the same authorities: what this side does not take, no peer does. So a new certificate whose authority is not in
    // the file yet is refused here, and the old one stays.
    let (own, between) =
        chain.split_first().ok_or_else(|| unfit(CERT_FILE, FileError::NoCertificate.to_string()))?;
    let refused = |error: rustls::Error| {
        unfit(CERT_FILE, format!("has a certificate that no other service would take by {CA_FILE}: {error}"))
    };
    let (now, algorithms) = (UnixTime::now(), provider().signature_verification_algorithms.all);
    // As a caller, and as one who is called: the certificate needs both usages. Which host's it is, the caller looks at.
    verifier.verify_client_cert(own, between, now).map_err(refused)?;
    let server = ParsedCertificate::try_from(own).map_err(refused)?;
    verify_server_cert_signed_by_trust_anchor(&server, &roots, between, now, algorithms).map_err(refused)?;
    let mut server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(of_key)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(chain.to_vec(), key.clone_key())
        .map_err(of_key)?;
    let mut client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(of_key)?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain.to_vec(), key.clone_key())
        .map_err(of_key)?;
    for protocols in [&mut server.alpn_protocols, &mut client.alpn_protocols] {
        *protocols = vec![b"h2".to_vec()];
    }
    // A session that is taken up again is not verified again. Connections live for minutes, so there is little to save.
    server.session_storage = Arc::new(NoServerSessionStorage {});
    server.send_tls13_tickets = 0;
    client.resumption = Resumption::disabled();
    Ok(InForce {
        server: Arc::new(server),
        client: Arc::new(client),
        expires: Expires::of(chain),
        also_plain: false,
    })
}
