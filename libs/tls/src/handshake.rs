//! Why a handshake came to nothing, on either side.

use std::io;
use std::time::Duration;

/// How long a handshake may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(10);

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The other side did not do its part in time.
    #[error("the TLS handshake took longer than {0:?}")]
    Late(Duration),
    /// The other side refused, was refused, or does not speak TLS. The text says which.
    #[error("the TLS handshake failed: {0}")]
    Failed(io::Error),
    /// The other side closed the connection after the handshake, and said nothing.
    #[error("the other side closed the connection after the TLS handshake")]
    Closed,
}
