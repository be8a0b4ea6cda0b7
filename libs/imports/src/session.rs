//! Imports that are under way: their files, read as far as their rows are done.
//!
//! An import is worked batch by batch and gives its turn back after each. What was read ahead is kept until its next turn: else
//! every batch would read its file from the beginning.

use std::time::Duration;

use futures_util::StreamExt;
use operations::{Claim, Stop};
use tokio::time::Instant;
use uuid::Uuid;

use super::file::{BATCH, Batches, Header, Row};

/// Files that are held open at once. Each has a thread that waits and some batches in memory; an import whose file was closed
/// opens it again.
const MAX_OPEN: usize = 16;
/// A file that was not used for so long is closed: its import has ended elsewhere or was cancelled between two turns.
const UNUSED: Duration = Duration::from_secs(60);

/// The file of an import.
pub(super) struct Session {
    operation: Uuid,
    /// Rows that are done.
    done: i64,
    pub(super) header: Header,
    batches: Batches,
    /// Rows that were read and not done, and how many of them are tried at once.
    rest: Vec<Row>,
    most: usize,
}

impl Session {
    pub(super) fn new(claim: &Claim, header: Header, batches: Batches) -> Self {
        let (operation, done) = (claim.id, claim.done);
        Self { operation, done, header, batches, rest: Vec::new(), most: BATCH }
    }

    /// The rows of the next batch, at most `most`; none at the end of the file.
    pub(super) async fn rows(&mut self, most: usize) -> Result<Vec<Row>, Stop> {
        if self.rest.is_empty() {
            self.rest = self.batches.next().await.transpose()?.unwrap_or_default();
        }
        Ok(self.rest.iter().take(self.most.min(most)).cloned().collect())
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

/// The files that a worker holds open, each with when it was used last, in that order.
#[derive(Default)]
pub(super) struct Sessions(Vec<(Instant, Session)>);

impl Sessions {
    /// The file of an import, if it was read as far as its rows are done.
    pub(super) fn take(&mut self, claim: &Claim) -> Option<Session> {
        let at = self.0.iter().position(|(_, session)| session.operation == claim.id)?;
        Some(self.0.remove(at).1).filter(|session| session.done == claim.done)
    }

    /// Keeps a file open for the next turn of an import that goes on; the one that was used longest ago is closed for it.
    pub(super) fn put(&mut self, session: Session) {
        if self.0.len() >= MAX_OPEN {
            self.0.remove(0);
        }
        self.0.push((Instant::now(), session));
    }

    /// Closes what nobody has used for long.
    pub(super) fn close_unused(&mut self) {
        self.0.retain(|(used, _)| used.elapsed() < UNUSED);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u128) -> (Session, tokio::sync::mpsc::Sender<Result<Vec<Row>, Stop>>) {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let batches = Box::pin(futures_util::stream::poll_fn(move |cx| receiver.poll_recv(cx)));
        let operation = Uuid::from_u128(id);
        (
            Session { operation, done: 0, header: Header::default(), batches, rest: Vec::new(), most: BATCH },
            sender,
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_nobody_uses_is_closed_after_a_minute_and_the_oldest_for_a_seventeenth() {
        let mut sessions = Sessions::default();
        let (first, old) = session(1);
        sessions.put(first);
        tokio::time::advance(UNUSED / 2).await;
        let (second, young) = session(2);
        sessions.put(second);
        sessions.close_unused();
        assert!(!old.is_closed() && !young.is_closed());
        tokio::time::advance(UNUSED / 2).await;
        sessions.close_unused();
        assert!(old.is_closed() && !young.is_closed());
        let more: Vec<_> = (3..=18).map(session).collect();
        let mut senders = vec![young];
        for (session, sender) in more {
            sessions.put(session);
            senders.push(sender);
        }
        let open: Vec<bool> = senders.iter().map(|sender| !sender.is_closed()).collect();
        assert_eq!(open, [vec![false], vec![true; 16]].concat());
    }
}
