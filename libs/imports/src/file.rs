//! The file of an import, as whoever reads it gives it: its form, its header, its rows. How bytes become rows is not of this crate.

use std::pin::Pin;

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use futures_util::Stream;
use input::Violations;
use operations::{Claim, Stop};
use proto::common::v1::FileForm;
use proto::records::v1::{CreateImportRequest, PreviewImportRequest};
use uuid::Uuid;

/// Rows that commit together: a batch of them has at most so many.
pub const BATCH: usize = 500;

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The line on which it begins; the first line of the file is line 1.
    pub line: u64,
    /// The cells; at most as many as there are columns, or fewer.
    pub cells: Vec<String>,
    /// What is wrong with it as a row: then its cells are not to be trusted.
    pub faults: Vec<Fault>,
}

/// What is wrong with a row of a file before any field has looked at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// The line at which it is: of a row over several lines not always the first.
    pub line: u64,
    /// The cell in which it is; none where the row as a whole is wrong.
    pub cell: Option<usize>,
    /// Why.
    pub reason: Reason,
    /// What is wrong, and what to do.
    pub detail: String,
}

impl Fault {
    /// The name of the column in which it is; empty where there is none.
    pub fn column<'h>(&self, header: &'h [String]) -> &'h str {
        self.cell.and_then(|cell| header.get(cell)).map_or("", String::as_str)
    }
}

/// The header of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Header {
    /// The line on which it stands.
    pub line: u64,
    /// The names of the columns.
    pub names: Vec<String>,
}

/// Rows in the order of the file, at most [`BATCH`] at a time. Whoever reads them ends when it is dropped.
pub type Batches = Pin<Box<dyn Stream<Item = Result<Vec<Row>, Stop>> + Send>>;

/// What is known of a file when an import of it is asked for.
#[derive(Debug, Default)]
pub struct Examined {
    /// What is wrong with what the request says of it.
    pub violations: Violations,
    /// How it will be read, if that is known soon: what is wrong with the file itself is its operation's failure.
    pub form: Option<FileForm>,
}

/// The beginning of a file.
#[derive(Debug)]
pub struct Beginning {
    /// How it is read.
    pub form: FileForm,
    /// The names of its columns.
    pub header: Vec<String>,
    /// The first rows.
    pub rows: Vec<Row>,
}

/// A file that is being imported.
#[tonic::async_trait]
pub trait File: Send + Sync {
    /// How it is read.
    fn form(&self) -> FileForm;

    /// Its header, and how many rows it has.
    async fn survey(&self) -> Result<(Header, u64), Stop>;

    /// The rows after the first `done`.
    fn rows(&self, done: u64) -> Batches;
}

/// Whoever reads the uploads of a service's imports.
#[tonic::async_trait]
pub trait Files: Send + Sync {
    /// Looks at the upload of the caller that a request names; with `asks_form` also at its bytes, for a short while.
    async fn examine(
        &self,
        cx: &Context,
        request: &CreateImportRequest,
        asks_form: bool,
    ) -> Result<Examined, Error>;

    /// Keeps the upload until the transaction ends that queues its import; `false` if there is none.
    async fn hold(&self, tx: &mut TenantTx, cx: &Context, upload: Uuid) -> Result<bool, Error>;

    /// Notes in that transaction which upload an operation reads.
    async fn note(&self, tx: &mut TenantTx, operation: Uuid, upload: Uuid) -> Result<(), Error>;

    /// Reads the header and the first `rows` rows of an upload of the caller. Errors: 422 for what is wrong with the request or the file; 429, 503.
    async fn beginning(
        &self,
        cx: &Context,
        request: &PreviewImportRequest,
        rows: usize,
    ) -> Result<Beginning, Error>;

    /// Opens the file of an import for whoever asked for it.
    async fn open(&self, claim: &Claim, request: &CreateImportRequest) -> Result<Box<dyn File>, Stop>;
}
