//! An object that is being written.

use std::time::Duration;

use bytes::Bytes;
use object_store::{MultipartUpload, WriteMultipart};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::error::{BlobError, StoreError};

/// Parts handed to the store before the writer waits: with 5 MiB parts, at most 10 MiB of one upload is in memory.
const PARTS_IN_FLIGHT: usize = 1;
/// How long it may take to take back what was written.
const ABORT: Duration = Duration::from_secs(30);

/// Writes an object in parts. Dropped before its end, it takes back what was written.
pub(crate) struct Writer(Option<WriteMultipart>);

impl Writer {
    pub(crate) fn new(upload: Box<dyn MultipartUpload>) -> Self {
        Self(Some(WriteMultipart::new(upload)))
    }

    /// Adds bytes; waits while the store has as much as it may.
    pub(crate) async fn write(&mut self, piece: Bytes) -> Result<(), BlobError> {
        if let Some(writer) = &mut self.0 {
            writer.wait_for_capacity(PARTS_IN_FLIGHT).await?;
            writer.put(piece);
        }
        Ok(())
    }

    /// Writes what is left. A caller that no longer waits leaves a whole object, and not half of one.
    pub(crate) async fn finish(mut self) -> Result<(), BlobError> {
        let Some(writer) = self.0.take() else { return Ok(()) };
        let finished = Handle::current().spawn(writer.finish());
        finished.await.map_err(|e| object_store::Error::JoinError { source: e })??;
        Ok(())
    }

    /// Takes back what was written.
    pub(crate) async fn abort(mut self) {
        if let Some(writer) = self.0.take() {
            abort(writer).await;
        }
    }
}

impl Drop for Writer {
    /// Whoever sends may be gone at any moment, and with it the future that writes.
    fn drop(&mut self) {
        if let (Some(writer), Ok(runtime)) = (self.0.take(), Handle::try_current()) {
            drop(runtime.spawn(abort(writer)));
        }
    }
}

async fn abort(writer: WriteMultipart) {
    let why = match timeout(ABORT, writer.abort()).await {
        Ok(Ok(())) => return,
        Ok(Err(error)) => StoreError::from(error).to_string(),
        Err(_) => "the object store does not answer".to_owned(),
    };
    tracing::warn!(error = why, "parts of a broken upload are left in the object store");
}
