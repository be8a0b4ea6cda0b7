//! Imports that are under way: their files, read as far as their rows are done.
//!
//! An import is worked batch by batch and gives its turn back after each. What was read ahead is kept until its next turn: else
//! every batch would read its file from the beginning.

use uuid::Uuid;

use super::source::{BATCH, Batches};
use super::store::Claimed;
use super::table::{Row, TableError};

/// Files that are held open at once. Each has a thread that waits and some batches in memory; an import whose file was closed
/// opens it again.
const MAX_OPEN: usize = 16;

/// The file of an import.
#[derive(Debug)]
pub(super) struct Session {
    operation: Uuid,
    /// Rows that are done.
    done: i64,
    pub(super) header: Vec<String>,
    batches: Batches,
    /// Rows that were read and not done, and how many of them are tried at once.
    rest: Vec<Row>,
    most: usize,
}

impl Session {
    pub(super) fn new(claimed: &Claimed, header: Vec<String>, batches: Batches) -> Self {
        let (operation, done) = (claimed.id, claimed.done);
        Self { operation, done, header, batches, rest: Vec::new(), most: BATCH }
    }

    /// The rows of the next batch; none at the end of the file.
    pub(super) async fn rows(&mut self) -> Result<Vec<Row>, TableError> {
        if self.rest.is_empty() {
            self.rest = self.batches.recv().await.transpose()?.unwrap_or_default();
        }
        Ok(self.rest.iter().take(self.most).cloned().collect())
    }

    /// Notes that the first rows are done, and dares more of them.
    pub(super) fn advance(&mut self, done: i64) {
        self.done += done;
        let done = usize::try_from(done).unwrap_or_default().min(self.rest.len());
        self.rest.drain(..done);
        self.most = BATCH.min(self.most * 2);
    }

    /// A batch took too long, or something did not answer: the next one is smaller.
    pub(super) fn shrink(&mut self) {
        self.most = (self.most / 2).max(1);
    }
}

/// The files that a worker holds open.
#[derive(Debug, Default)]
pub(super) struct Sessions(Vec<Session>);

impl Sessions {
    /// The file of an import, if it was read as far as its rows are done.
    pub(super) fn take(&mut self, claimed: &Claimed) -> Option<Session> {
        let at = self.0.iter().position(|session| session.operation == claimed.id)?;
        Some(self.0.remove(at)).filter(|session| session.done == claimed.done)
    }

    /// Keeps a file open; the one that was used longest ago is closed for it.
    pub(super) fn put(&mut self, session: Session) {
        if self.0.len() >= MAX_OPEN {
            self.0.remove(0);
        }
        self.0.push(session);
    }
}
