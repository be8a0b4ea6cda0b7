//! The rows of a stored file as batches, read on a thread of their own.

use std::io::{self, Read};

use blobs::Blobs;
use futures_util::TryStreamExt;
use ids::TenantId;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::table::{self, Format, Row, Table, TableError};

/// Rows that commit together.
pub(crate) const BATCH: usize = 500;
/// A batch ends earlier when its cells have this many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Batches read ahead.
const AHEAD: usize = 1;

/// A stored file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) blobs: Blobs,
    pub(crate) tenant: TenantId,
    pub(crate) sha256: String,
}

/// Rows in the order of the file.
pub(crate) type Batches = mpsc::Receiver<Result<Vec<Row>, TableError>>;

impl Source {
    /// Opens the bytes for a thread that may block.
    fn open(&self, runtime: &Handle) -> io::Result<Box<dyn Read>> {
        let bytes = runtime.block_on(self.blobs.read(self.tenant, &self.sha256, 0)).map_err(|error| {
            let kind = if error.is_missing() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
            io::Error::new(kind, error)
        })?;
        let reader = StreamReader::new(bytes.map_err(io::Error::other));
        Ok(Box::new(SyncIoBridge::new_with_handle(reader, runtime.clone())))
    }

    /// Reads the file once: its form, its header.
    pub(crate) async fn examine(&self) -> Result<(Format, Vec<String>), TableError> {
        let (source, runtime) = (self.clone(), Handle::current());
        let examined = tokio::task::spawn_blocking(move || {
            let format = table::examine(|| source.open(&runtime))?;
            let table = Table::open(source.open(&runtime)?, format)?;
            Ok((format, table.header().to_vec()))
        });
        examined.await.map_err(|e| TableError::Io(io::Error::other(e)))?
    }

    /// The rows after the first `done`. The thread ends when the receiver is dropped.
    pub(crate) fn rows(&self, format: Format, done: u64) -> Batches {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (source, runtime) = (self.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = source.send(&runtime, format, done, &sender) {
                // The receiver is gone when the import is: nobody is left to be told.
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }

    fn send(
        &self,
        runtime: &Handle,
        format: Format,
        done: u64,
        sender: &mpsc::Sender<Result<Vec<Row>, TableError>>,
    ) -> Result<(), TableError> {
        let mut table = Table::open(self.open(runtime)?, format)?;
        for _ in 0..done {
            if table.next()?.is_none() {
                return Ok(());
            }
        }
        let mut ended = false;
        while !ended {
            let (mut batch, mut bytes) = (Vec::with_capacity(BATCH), 0);
            while !ended && batch.len() < BATCH && bytes < BATCH_BYTES {
                match table.next()? {
                    Some(row) => {
                        bytes += row.cells.iter().map(String::len).sum::<usize>();
                        batch.push(row);
                    }
                    None => ended = true,
                }
            }
            if !batch.is_empty() && sender.blocking_send(Ok(batch)).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }
}
