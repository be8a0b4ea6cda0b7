//! The rows of a stored file as batches, read on a thread of their own.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use blobs::Blobs;
use db::Shares;
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use ids::TenantId;
use imports::{BATCH, Batches, Row};
use operations::Stop;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_util::io::{StreamReader, SyncIoBridge};
use tokio_util::sync::CancellationToken;

use super::options;
use super::options::Said;
use super::table::{Form, Table, TableError};

/// A batch ends earlier when its cells have this many bytes.
const BATCH_BYTES: usize = 4 << 20;
/// Files that are examined at once, each of which may be read as a whole; those of one tenant while no other examines any.
const MAX_READERS: usize = 8;
const OF_TENANT: usize = 4;
/// How long a call waits until its file is examined, and an import: that of an import has been taken up, and waits in turn.
pub(super) const CALL_WAITS: Duration = Duration::from_secs(3);
pub(super) const IMPORT_WAITS: Duration = Duration::from_secs(600);
/// A store that gives no more bytes for so long has failed.
const STALL: Duration = Duration::from_secs(30);
/// What a row and a cell take on the wire without their text, rounded up.
const ROW_BYTES: usize = 16;
const CELL_BYTES: usize = 4;
const FAULT_BYTES: usize = 64;
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
    /// Places of those who examine a file.
    pub(crate) readers: Arc<Shares>,
    /// How long it waits for one of them.
    pub(crate) patience: Duration,
}

/// The places of those who examine a file: no tenant takes all of them, however slowly its files are read.
pub(crate) fn readers() -> Arc<Shares> {
    Shares::new(MAX_READERS, OF_TENANT, 1)
}

impl Source {
    /// Opens the bytes for a thread that may block. They end when nobody is there any more for whom they are read.
    fn open(&self, runtime: &Handle, gone: &CancellationToken) -> io::Result<Box<dyn Read>> {
        let bytes = runtime.block_on(self.blobs.read(self.tenant, &self.sha256, 0)).map_err(|error| {
            let kind = if error.is_missing() { io::ErrorKind::NotFound } else { io::ErrorKind::Other };
            io::Error::new(kind, error)
        })?;
        let bytes = unstalled(Box::pin(bytes.map_err(io::Error::other)));
        let reader = StreamReader::new(Box::pin(bytes.take_until(gone.clone().cancelled_owned())));
        Ok(Box::new(SyncIoBridge::new_with_handle(reader, runtime.clone())))
    }

    /// Finds out how the file is to be read. `mapped` are the columns that the header should have.
    pub(crate) async fn form(&self, said: Said<'_>, mapped: &[&str]) -> Result<Form, TableError> {
        let options = options::of_file(said, &self.content_type)?;
        let mapped: Vec<String> = mapped.iter().map(|name| (*name).to_owned()).collect();
        self.on_thread(move |source, runtime, gone| {
            let mapped: Vec<&str> = mapped.iter().map(String::as_str).collect();
            Form::detect(&|| source.open(runtime, gone), &options, &mapped)
        })
        .await
    }

    /// Reads the file once: its header, and how many rows it has.
    pub(crate) async fn survey(&self, form: Form) -> Result<(Vec<String>, u64), TableError> {
        self.on_thread(move |source, runtime, gone| {
            let table = Table::open(source.open(runtime, gone)?, &form)?;
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
        self.on_thread(move |source, runtime, gone| {
            let mut table = Table::open(source.open(runtime, gone)?, &form)?;
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

    /// The rows after the first `done`, as many as have `bytes` and one more; none behind the last one. The file is read from its beginning.
    pub(crate) async fn piece(&self, form: Form, done: u64, bytes: usize) -> Result<Vec<Row>, TableError> {
        self.on_thread(move |source, runtime, gone| {
            let mut table = Table::open(source.open(runtime, gone)?, &form)?;
            for _ in 0..done {
                if table.next()?.is_none() {
                    return Ok(Vec::new());
                }
            }
            let (mut rows, mut read) = (Vec::new(), 0);
            while read < bytes {
                let Some(row) = table.next()? else { break };
                let faults = row.faults.iter().map(|fault| fault.detail.len() + FAULT_BYTES);
                let cells = row.cells.iter().map(|cell| cell.len() + CELL_BYTES);
                read += ROW_BYTES + cells.chain(faults).sum::<usize>();
                rows.push(row);
            }
            Ok(rows)
        })
        .await
    }

    /// Reads on a thread that may block. Only so many files are read at once by callers that wait for it, and fewer of one tenant.
    async fn on_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Self, &Handle, &CancellationToken) -> Result<T, TableError> + Send + 'static,
    ) -> Result<T, TableError> {
        let place = self.readers.take(self.tenant.uuid(), self.patience).await.map_err(TableError::Busy)?;
        let (source, runtime) = (self.clone(), Handle::current());
        let gone = CancellationToken::new();
        let _here = gone.clone().drop_guard();
        let reading = tokio::task::spawn_blocking(move || {
            // When the caller is gone the thread comes to its end with the next bytes, and counts until then.
            let _place = place;
            read(&source, &runtime, &gone)
        });
        reading.await.map_err(|e| TableError::Io(io::Error::other(e)))?
    }

    /// The rows after the first `done`. The thread ends when the receiver is dropped.
    pub(crate) fn rows(&self, form: Form, done: u64) -> Batches {
        let (sender, mut receiver) = mpsc::channel(AHEAD);
        let (source, runtime) = (self.clone(), Handle::current());
        tokio::task::spawn_blocking(move || {
            if let Err(error) = source.send(&runtime, &form, done, &sender) {
                // The receiver is gone when the import is: nobody is left to be told.
                drop(sender.blocking_send(Err(error.into())));
            }
        });
        Box::pin(stream::poll_fn(move |cx| receiver.poll_recv(cx)))
    }

    fn send(
        &self,
        runtime: &Handle,
        form: &Form,
        done: u64,
        sender: &mpsc::Sender<Result<Vec<Row>, Stop>>,
    ) -> Result<(), TableError> {
        // Who takes the rows ends it by not taking them.
        let mut table = Table::open(self.open(runtime, &CancellationToken::new())?, form)?;
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

/// Bytes that fail when nothing comes for [`STALL`].
fn unstalled<T>(bytes: impl Stream<Item = io::Result<T>> + Unpin) -> impl Stream<Item = io::Result<T>> {
    stream::unfold(bytes, async |mut bytes| {
        let next = match timeout(STALL, bytes.next()).await {
            Ok(next) => next?,
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the store gives no more bytes")),
        };
        Some((next, bytes))
    })
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc as threads;

    use db::NoPlace;
    use tokio::task::JoinSet;
    use uuid::Uuid;

    use super::*;

    fn source(readers: &Arc<Shares>, tenant: u128) -> Source {
        let directory = std::env::temp_dir().join("globcrm-test-readers");
        Source {
            blobs: Blobs::in_directory(&directory).unwrap(),
            tenant: TenantId::from(Uuid::from_u128(tenant)),
            sha256: String::new(),
            content_type: String::new(),
            readers: readers.clone(),
            patience: Duration::from_millis(20),
        }
    }

    type Held = (threads::Sender<()>, JoinSet<Result<(), TableError>>);

    /// Files of a tenant that are not read on until the sender is dropped; waits until that many are being read.
    async fn hold(source: &Source, files: usize) -> Held {
        let (release, held) = threads::channel::<()>();
        let held = Arc::new(std::sync::Mutex::new(held));
        let (begun, mut all) = mpsc::channel(files);
        let mut reads = JoinSet::new();
        for _ in 0..files {
            let (source, held, begun) = (source.clone(), held.clone(), begun.clone());
            reads.spawn(async move {
                let read = source.on_thread(move |_, _, _| {
                    begun.blocking_send(()).unwrap();
                    drop(held.lock().map(|held| held.recv()));
                    Ok(())
                });
                read.await
            });
        }
        for _ in 0..files {
            all.recv().await.unwrap();
        }
        (release, reads)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_tenant_whose_files_are_slow_keeps_nobody_else_from_reading() {
        let readers = readers();
        let (slow, other) = (source(&readers, 1), source(&readers, 2));
        let _held = hold(&slow, OF_TENANT).await;
        let refused = slow.on_thread(|_, _, _| Ok(())).await.unwrap_err();
        assert!(matches!(refused, TableError::Busy(NoPlace::OwnShare)), "{refused:?}");
        other.on_thread(|_, _, _| Ok(())).await.unwrap();
        // Several together hold all there is: whoever comes then is not kept waiting without end.
        let mut all = Vec::new();
        for tenant in 3..=6 {
            all.push(hold(&source(&readers, tenant), 1).await);
        }
        let refused = other.on_thread(|_, _, _| Ok(())).await.unwrap_err();
        assert!(matches!(refused, TableError::Busy(NoPlace::AllTaken)), "{refused:?}");
    }

    #[tokio::test]
    async fn a_place_is_free_when_its_caller_is_gone() {
        let readers = readers();
        let source = source(&readers, 1);
        let (begun, mut reading) = mpsc::channel(1);
        let read = source.on_thread(move |_, runtime, gone| {
            begun.blocking_send(()).unwrap();
            runtime.block_on(gone.cancelled());
            Ok(())
        });
        let caller = async { reading.recv().await };
        tokio::select! {
            _ = read => panic!("nobody was gone"),
            _ = caller => {}
        }
        let patient = Source { patience: Duration::from_secs(30), ..source };
        // All that it may have: also the one that the caller has left.
        let all = (0..OF_TENANT).map(|_| patient.on_thread(|_, _, _| Ok(())));
        futures_util::future::try_join_all(all).await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn bytes_that_do_not_come_are_an_error_and_no_wait_without_end() {
        let bytes = stream::iter([Ok(1)]).chain(stream::pending());
        let read: Vec<io::Result<i32>> = unstalled(Box::pin(bytes)).take(2).collect().await;
        assert!(matches!(read.as_slice(), [Ok(1), Err(late)] if late.kind() == io::ErrorKind::TimedOut));
    }
}
