//! Certificates and keys from PEM files.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{self, RootCertStore};

/// Where Debian, and so the image, has the certificates of public authorities.
pub const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Most bytes of a file: a system's whole list of authorities has about 220 KiB.
const MAX_BYTES: u64 = 1 << 20;

/// What is wrong with a file of certificates or a key. Its text is said behind the variable's name and holds nothing of the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("names a file that cannot be read: {0}")]
    Unreadable(ErrorKind),
    /// It is not PEM, or ends in the middle.
    #[error("names a file that is not whole PEM")]
    NotPem,
    /// It is PEM without a certificate.
    #[error("names a file without a certificate (PEM)")]
    NoCertificate,
    /// It is PEM without a key.
    #[error("names a file without a private key (PEM: PKCS#8, PKCS#1 or SEC1, not encrypted)")]
    NoKey,
    /// It has a certificate that cannot be used.
    #[error("has a certificate that cannot be used: {0}")]
    Certificate(rustls::Error),
    /// It has a key that cannot be used.
    #[error("has a key that cannot be used: {0}")]
    Key(rustls::Error),
}

/// The certificates that another side's must go back to. No others are trusted, not even those of the system.
pub fn roots(file: &Path) -> Result<RootCertStore, FileError> {
    let mut roots = RootCertStore::empty();
    for certificate in chain(file)? {
        roots.add(certificate).map_err(FileError::Certificate)?;
    }
    Ok(roots)
}

/// The certificates of a file in their order, one at least.
pub(crate) fn chain(file: &Path) -> Result<Vec<CertificateDer<'static>>, FileError> {
    let text = read(file)?;
    let chain: Vec<_> =
        CertificateDer::pem_slice_iter(&text).collect::<Result<_, _>>().map_err(|_| FileError::NotPem)?;
    if chain.is_empty() { Err(FileError::NoCertificate) } else { Ok(chain) }
}

/// The first private key of a file.
pub(crate) fn key(file: &Path) -> Result<PrivateKeyDer<'static>, FileError> {
    PrivateKeyDer::from_pem_slice(&read(file)?).map_err(|error| match error {
        pem::Error::NoItemsFound => FileError::NoKey,
        _ => FileError::NotPem,
    })
}

fn read(file: &Path) -> Result<Vec<u8>, FileError> {
    let unreadable = |error: std::io::Error| FileError::Unreadable(error.kind());
    let mut bytes = Vec::new();
    let mut file = File::open(file).map_err(unreadable)?.take(MAX_BYTES + 1);
    let read = file.read_to_end(&mut bytes).map_err(unreadable)?;
    if read as u64 > MAX_BYTES { Err(FileError::Unreadable(ErrorKind::FileTooLarge)) } else { Ok(bytes) }
}
