//! One lane: what it reads in a cycle, what of that it sends, and what it remembers.
//!
//! A record that is written very often must not hold up the others of its lane. So what is read and what is sent are two
//! things: of a record a few events are sent in a cycle, and the cursor passes the others that were looked at on the way. They
//! stay holes, known by number and record ([`Backlog`]), and are read again only to be sent.
//!
//! **Order.** Within a record events are sent by number. An event out of the backlog comes after all of its record that are in
//! there before it. One above the cursor is sent only when nothing of its record is in the backlog, all holes were asked for
//! under the snapshot that shows it, and those of its record between it and the cursor go before it in the same window; else it
//! joins the backlog when the cursor passes it.
//!
//! **Bounds.** A cycle reads [`LOOK`] numbers of holes and [`LOOK`] new ones, whatever waits; each of them once, but for those
//! behind a refusal. What is remembered are ranges: with [`MAX_HOLES`] of them nothing new is read.

use std::collections::{HashMap, HashSet};
use std::future::Future;

use uuid::Uuid;

use super::RelayError;
use super::backlog::Backlog;
use super::brake::Brake;
use super::cursor::Cursor;
use super::lanes::{MAX_HOLES, WINDOW, WINDOW_BYTES};
use super::sent::Numbers;
use super::store::Row;
use super::waves::{Fate, WAVES};
use crate::Lane;

/// Numbers in holes that a cycle asks for, and numbers above the cursor, each: an index scan of some milliseconds.
pub(super) const LOOK: usize = 5_000;
/// Of these in one statement when the first window has little to send.
const PAGE: usize = 1_000;

/// A number above the cursor.
#[derive(Debug)]
pub(super) struct Looked {
    pub(super) seq: i64,
    pub(super) record_id: Uuid,
    /// The event, where asked for.
    pub(super) row: Option<Row>,
}

/// How much [`Outbox::next`] gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Most {
    /// Numbers.
    pub(super) numbers: usize,
    /// Events among them,
    pub(super) events: usize,
    /// with about so many bytes of envelopes, but one event at least.
    pub(super) bytes: usize,
}

/// The outbox under one snapshot.
pub(super) trait Outbox {
    /// The visible numbers among `unknown` with their records, in order, at most `most`.
    fn probe(
        &mut self,
        lane: Lane,
        unknown: &Numbers,
        most: usize,
    ) -> impl Future<Output = Result<Vec<(i64, Uuid)>, RelayError>> + Send;

    /// Events by number, in the order of `seqs`, with about `bytes` of envelopes at most, but one event at least.
    fn rows(
        &mut self,
        lane: Lane,
        seqs: &[i64],
        bytes: usize,
    ) -> impl Future<Output = Result<Vec<Row>, RelayError>> + Send;

    /// The visible numbers above `high`, in order, with the first events of each record that is not `held`.
    fn next(
        &mut self,
        lane: Lane,
        high: i64,
        held: &[Uuid],
        most: Most,
    ) -> impl Future<Output = Result<Vec<Looked>, RelayError>> + Send;
}

/// A lane as the holder of the lease sees it.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) lane: Lane,
    pub(super) cursor: Cursor,
    /// The cursor in the database.
    pub(super) saved: Cursor,
    /// What is known of the holes.
    pub(super) backlog: Backlog,
    /// Events out of holes: the first of each record, then the second of each, …
    pub(super) late: Vec<Row>,
    /// Events above the cursor, in order; of other records than the late ones.
    pub(super) fresh: Vec<Row>,
    /// Other events scanned above the cursor, in order, that wait because enough events of their record go first.
    deferred: Vec<(i64, Uuid)>,
    /// Numbers taken in this cycle.
    pub(super) taken: Vec<i64>,
    pub(super) brake: Brake,
    /// There are so many holes that nothing new is read.
    full: bool,
    /// The bucket that the reconciliation looks at next; none: the oldest.
    pub(super) round: Option<i64>,
}

impl Part {
    pub(super) fn new(lane: Lane, cursor: Cursor) -> Self {
        Self {
            lane,
            saved: cursor.clone(),
            cursor,
            backlog: Backlog::default(),
            late: Vec::new(),
            fresh: Vec::new(),
            deferred: Vec::new(),
            taken: Vec::new(),
            brake: Brake::default(),
            full: false,
            round: None,
        }
    }

    /// Reads what this cycle may send, under a snapshot with this `xmin`.
    pub(super) async fn read(&mut self, outbox: &mut impl Outbox, xmin: i64) -> Result<(), RelayError> {
        let full = self.ranges() >= MAX_HOLES;
        if full && !self.full {
            tracing::warn!(
                lane = self.lane.number(),
                "too many gaps in the sequence: the lane reads no new events until some close"
            );
        }
        self.full = full;
        let all = self.probe(outbox, xmin).await?;
        let window = self.brake.window();
        let due = self.backlog.first_of_each(window);
        if !due.is_empty() {
            self.late = outbox.rows(self.lane, &due, WINDOW_BYTES).await?;
            self.forget_the_gone(&due);
        }
        if all {
            self.look(outbox).await?;
        }
        self.cut(window);
        Ok(())
    }

    /// Asks for what is not known of the holes; `false` when there is more than one cycle reads, or the backlog holds.
    async fn probe(&mut self, outbox: &mut impl Outbox, xmin: i64) -> Result<bool, RelayError> {
        let unknown = self.cursor.missing().without(&self.backlog.numbers());
        let most = LOOK.min(MAX_HOLES.saturating_sub(self.backlog.runs()));
        let found = match unknown.is_empty() {
            true => Vec::new(),
            false if most == 0 => return Ok(false),
            false => outbox.probe(self.lane, &unknown, most).await?,
        };
        for (seq, record) in &found {
            self.backlog.add(*seq, *record);
        }
        let all = found.len() < most;
        let probed = found.last().filter(|_| !all).map_or(i64::MAX, |(seq, _)| *seq);
        self.cursor.settle(xmin, &self.backlog.numbers(), probed);
        Ok(all)
    }

    /// An event that somebody has deleted waits no longer. `late` has the first of `due` that there are.
    fn forget_the_gone(&mut self, due: &[i64]) {
        let last = self.late.last().map(|row| row.seq);
        let read = due.iter().position(|seq| Some(*seq) == last).unwrap_or(due.len());
        let there: HashSet<i64> = self.late.iter().map(|row| row.seq).collect();
        for gone in due.iter().take(read).filter(|seq| !there.contains(seq)) {
            self.backlog.remove(*gone);
        }
    }

    /// Looks above the cursor until there is enough to send, for all holes are known.
    async fn look(&mut self, outbox: &mut impl Outbox) -> Result<(), RelayError> {
        let mut ranges = MAX_HOLES - self.ranges().min(MAX_HOLES);
        let window = self.brake.window();
        let room = window - self.late.len().min(half(window));
        let (mut bytes, mut looked) = (WINDOW_BYTES, 0);
        let mut counts: HashMap<Uuid, usize> = HashMap::new();
        let mut high = self.cursor.high();
        let mut numbers = window;
        while room > self.fresh.len() && ranges > 0 {
            let most = Most { numbers, events: room - self.fresh.len(), bytes };
            // Of these nothing more can go in this cycle: their events, which may be large, are not read for nothing.
            let enough = counts.iter().filter(|(_, count)| **count == WAVES).map(|(record, _)| *record);
            let held: Vec<Uuid> = self.backlog.records().chain(enough).collect();
            let page = outbox.next(self.lane, high, &held, most).await?;
            looked += page.len();
            let end = page.len() < numbers;
            let mut stopped = false;
            for Looked { seq, record_id, row } in page {
                let count = counts.entry(record_id).or_default();
                if *count == WAVES || self.backlog.holds(record_id) {
                    let run = self.deferred.last().is_some_and(|last| *last == (seq - 1, record_id));
                    ranges -= usize::from(!run).min(ranges);
                    self.deferred.push((seq, record_id));
                } else if let Some(row) = row.filter(|_| room > self.fresh.len()) {
                    bytes = bytes.saturating_sub(row.envelope.len());
                    *count += 1;
                    self.fresh.push(row);
                } else {
                    // The window is full, or has bytes enough.
                    stopped = true;
                    break;
                }
                ranges -= usize::from(seq > high + 1).min(ranges);
                high = seq;
                if ranges == 0 {
                    break;
                }
            }
            // On, when records with many events fill the outbox; a lane that is refused goes in small steps.
            let little = self.fresh.len() < room / 2 && bytes > WINDOW_BYTES / 2;
            if (end && !stopped) || !little || looked >= LOOK || window < WINDOW {
                break;
            }
            numbers = PAGE.min(LOOK - looked);
        }
        Ok(())
    }

    /// What is remembered.
    fn ranges(&self) -> usize {
        self.cursor.holes().len().max(self.backlog.runs())
    }

    pub(super) fn len(&self) -> usize {
        self.late.len() + self.fresh.len()
    }

    /// Cuts what is sent to so many events, half of them late ones while both are more than enough.
    pub(super) fn cut(&mut self, to: usize) {
        let late = self.late.len().min(half(to).max(to.saturating_sub(self.fresh.len())));
        self.late.truncate(late);
        if let Some(first) = self.fresh.get(to - late).map(|row| row.seq) {
            // The cursor passes nothing that it did not send for want of room.
            self.fresh.truncate(to - late);
            self.deferred.truncate(self.deferred.partition_point(|(seq, _)| *seq < first));
        }
    }

    /// Writes into the cursor what was confirmed; `rows` are the lane's part of the window, late ones first.
    pub(super) fn record(&mut self, rows: &[(i64, Fate)]) {
        let high = self.cursor.high();
        let refused = rows.iter().any(|(_, fate)| *fate == Fate::Refused);
        let late = rows.iter().filter(|(seq, fate)| *seq <= high && *fate == Fate::Taken);
        for (seq, _) in late {
            self.cursor.sent(*seq);
            self.backlog.remove(*seq);
        }
        // Go-back-N: behind the first that was refused everything is read again, in order, and nothing is passed that no
        // sent one follows.
        let fresh = rows.iter().filter(|(seq, _)| *seq > high);
        let unbroken = fresh.take_while(|(_, fate)| *fate == Fate::Taken);
        let mut passed: Vec<(i64, Option<Uuid>)> = unbroken.map(|(seq, _)| (*seq, None)).collect();
        let last = if refused { passed.last().map_or(high, |(seq, _)| *seq) } else { i64::MAX };
        let deferred = self.deferred.drain(..).take_while(|(seq, _)| *seq < last);
        passed.extend(deferred.map(|(seq, record)| (seq, Some(record))));
        passed.sort_unstable_by_key(|(seq, _)| *seq);
        for (seq, waits) in passed {
            match waits {
                None => self.cursor.advance(&[seq]),
                Some(record) => {
                    self.cursor.pass(seq);
                    self.backlog.add(seq, record);
                }
            }
        }
        self.taken = rows.iter().filter(|(_, fate)| *fate == Fate::Taken).map(|(seq, _)| *seq).collect();
        if refused {
            let pause = self.brake.refused();
            tracing::warn!(lane = self.lane.number(), ?pause, "the broker refuses events of a lane");
        } else if !rows.is_empty() {
            self.brake.flowing();
        }
    }
}

/// The larger half.
fn half(window: usize) -> usize {
    window.div_ceil(2)
}

#[cfg(test)]
pub(super) mod tests;
