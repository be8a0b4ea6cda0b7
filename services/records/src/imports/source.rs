//! The rows of a stored file as batches, read on a thread of their own.

use std::io::{self, Read};

use blobs::Blobs;
use futures_util::TryStreamExt;
use ids::TenantId;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::io::{StreamReader, SyncIoBridge};

use super::options;
use super::options::Said;
use super::table::{Form, Row, Table, TableError};

/// Rows that commit together.
pub(crate) const BATCH: usize = 500;
/// A batch ends earlier when its cells have this many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Files that are examined at once. Each may be read as a whole.
const MAX_READERS: usize = 8;
/// Batches read ahead.
const AHEAD: usize = 1;

/// A stored file.
#[derive(Clone, Debug)]
pub(crate) struct Source {
    pub(crate) blobs: Blobs,
    pub(crate) tenant: TenantId,
    pub(crate) sha256: String,
    /// As its sender named it.
    pub(crate) content_type: String,
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

    /// Finds out how the file is to be read. `mapped` are the columns that the header should have.
    pub(crate) async fn form(&self, said: Said<'_>, mapped: &[&str]) -> Result<Form, TableError> {
        let options = options::of_file(said, &self.content_type)?;
        let mapped: Vec<String> = mapped.iter().map(|name| (*name).to_owned()).collect();
        self.on_thread(move |source, runtime| {
            let mapped: Vec<&str> = mapped.iter().map(String::as_str).collect();
            Form::detect(&|| source.open(runtime), &options, &mapped)
        })
        .await
    }

    /// Reads the file once: its header, and how many rows it has.
    pub(crate) async fn survey(&self, form: Form) -> Result<(Vec<String>, u64), TableError> {
        self.on_thread(move |source, runtime| {
            let table = Table::open(source.open(runtime)?, &form)?;
            let header = table.header().to_vec();
            Ok((header, table.count()?))
        })
        .await
    }

    /// The header and the first rows.
    pub(crate) async fn beginning(
        &self,
        form: Form,
        rows: usize,
    ) -> Result<(Vec<String>, Vec<Row>), TableError> {
        self.on_thread(move |source, runtime| {
            let mut table = Table::open(source.open(runtime)?, &form)?;
            let mut first = Vec::with_capacity(rows);
            while first.len() < rows {
                match table.next()? {
                    Some(row) => first.push(row),
                    None => break,
                }
            }
            Ok((table.header().to_vec(), first))
        })
        .await
    }

    /// Reads on a thread that may block. Only so many files are read at once by callers that wait for it.
    async fn on_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self, &Handle) -> Result<T, TableError> + Send + 'static,
    ) -> Result<T, TableError> {
        static READERS: Semaphore = Semaphore::const_new(MAX_READERS);
        let permit = READERS.acquire().await.map_err(io::Error::other)?;
        let (source, runtime) = (self.clone(), Handle::current());
        let reading = tokio::task::spawn_blocking(move || {
            // A caller that is gone leaves the thread to its end, which counts until then.
            let _permit = permit;
            read(&source, &runtime)
        });
        reading.await.map_err(|e| TableError::Io(io::Error::other(e)))?
    }

    /// The rows after the first `done`. The thread ends when the receiver is dropped.
    pub(crate) fn rows(&self, form: Form, done: u64) -> Batches {
        let (sender, receiver) = mpsc::channel(AHEAD);
        let (source, runtime) = (self.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = source.send(&runtime, &form, done, &sender) {
                // The receiver is gone when the import is: nobody is left to be told.
                drop(sender.blocking_send(Err(error)));
            }
        });
        receiver
    }

    fn send(
        &self,
        runtime: &Handle,
        form: &Form,
        done: u64,
        sender: &mpsc::Sender<Result<Vec<Row>, TableError>>,
    ) -> Result<(), TableError> {
        let mut table = Table::open(self.open(runtime)?, form)?;
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
