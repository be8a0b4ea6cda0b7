//! Bytes stored for a later import.

use std::time::Duration;

use blobs::{BlobConfig, Blobs};
use host::ServeError;
use tokio::time::timeout;

pub(crate) mod create;
pub(crate) mod purge;
pub(crate) mod store;

/// How long a start waits for the store.
const CHECK: Duration = Duration::from_secs(5);

/// Where the bytes are. What somebody must change (no such bucket, wrong keys) stops the start; a store that does not answer now may
/// answer soon, and everything but files goes on without it.
pub(crate) async fn files(config: &BlobConfig) -> Result<Blobs, ServeError> {
    let blobs = Blobs::open(config).map_err(|error| ServeError::start("blobs", error))?;
    let text = "the object store does not answer: there are no uploads and imports until it does";
    match timeout(CHECK, blobs.check()).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) if error.is_refusal() => return Err(ServeError::start("blobs", error)),
        Ok(Err(error)) => tracing::warn!(error = %error::chain(&error), "{text}"),
        Err(late) => tracing::warn!(error = %late, "{text}"),
    }
    Ok(blobs)
}
