//! Why there is no whole answer, in classes and texts that the owner of an endpoint may read.

use std::io;

use tokio_rustls::rustls::{self, CertificateError};

use crate::{MOST_HEAD_BYTES, Phase, UrlRefusal};

/// Said of every address that may not be called, whatever it is: which addresses are whose is not told.
pub const REFUSED_ADDRESS: &str = "leads to an address that may not be called";

/// Why there is no whole answer. No text names an address or repeats what a server said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The URL itself is refused, although it was taken once.
    #[error("the URL {0}")]
    Url(UrlRefusal),
    /// The host's name has no address, or nobody could be asked.
    #[error("the host name has no address")]
    Dns,
    /// The host has an address that may not be called: then none of its addresses is.
    #[error("the URL {REFUSED_ADDRESS}")]
    Address,
    /// No address of the host took the connection.
    #[error("there is no connection: {0}")]
    Connect(ConnectFailure),
    /// There is no TLS.
    #[error("TLS failed: {0}")]
    Tls(TlsFailure),
    /// Something took too long.
    #[error("it took too long {0}")]
    Timeout(Phase),
    /// More, or more of, headers than are read.
    #[error("the head of the answer is larger than {MOST_HEAD_BYTES} bytes, or has too many headers")]
    HeadTooLarge,
    /// The connection ended before the answer did, or what came is not HTTP.
    #[error("the connection ended before the answer did, or the answer is not HTTP/1.1")]
    Broken,
}

/// Why a server took no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectFailure {
    /// Nobody listens there.
    #[error("the server refused it")]
    Refused,
    /// There is no way there.
    #[error("the server cannot be reached")]
    Unreachable,
    /// Something else, on one of the two sides.
    #[error("it could not be made")]
    Other,
}

/// Why there is no TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFailure {
    /// The certificate goes back to nobody who is known. Intermediate certificates that a server does not send are the usual reason.
    #[error("the certificate, or one between it and its authority, is missing or not known")]
    UnknownIssuer,
    /// The certificate is not valid now.
    #[error("the certificate has expired, or is not valid yet")]
    Expired,
    /// The certificate is another host's.
    #[error("the certificate is not for this host")]
    WrongName,
    /// The certificate has another fault.
    #[error("the certificate is not valid")]
    Certificate,
    /// The server does not speak TLS, or none that is spoken here.
    #[error("the server does not speak TLS 1.2 or 1.3, or broke off")]
    Handshake,
}

impl Failure {
    /// The class, for lists and metrics: `url`, `dns`, `address`, `connect`, `tls`, `timeout`, `head_too_large`, `broken`.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Url(_) => "url",
            Self::Dns => "dns",
            Self::Address => "address",
            Self::Connect(_) => "connect",
            Self::Tls(_) => "tls",
            Self::Timeout(_) => "timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::Broken => "broken",
        }
    }
}

impl From<io::Error> for ConnectFailure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::Refused,
            io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Self::Unreachable,
            _ => Self::Other,
        }
    }
}

impl From<io::Error> for TlsFailure {
    fn from(error: io::Error) -> Self {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
        match cause {
            Some(rustls::Error::InvalidCertificate(fault)) => match fault {
                CertificateError::UnknownIssuer => Self::UnknownIssuer,
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Self::Expired,
                CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                    Self::WrongName
                }
                _ => Self::Certificate,
            },
            Some(rustls::Error::NoCertificatesPresented) => Self::Certificate,
            _ => Self::Handshake,
        }
    }
}
