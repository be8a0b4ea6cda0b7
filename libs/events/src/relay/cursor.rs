//! The hole rule as a pure state machine.
//!
//! Numbers come from a sequence, commits do not come in their order, and a rolled-back number never comes at all. A cursor
//! that passed every missing number would lose the late ones; one that waited for every missing number would stop at the
//! first roll-back. So the cursor goes on and remembers each missing number as a hole, and asks for it until its writer is
//! known to have ended.
//!
//! **The bound of a hole is a transaction id that was given after the number was missed.** Not anything out of the snapshot
//! that missed it: its `xmax` is one past the highest id that has *ended*, and a running writer may have that id or a
//! higher one. The id is that of the transaction that first saves the hole ([`Cursor::bind`]); until then the hole has no
//! bound and stays. It is settled by a snapshot whose `xmin` is *greater* than the bound. Why that is enough:
//!
//! 1. *The writer W of number n has its id before n is drawn*: `outbox_next` runs `pg_current_xact_id()`, then `nextval`. It
//!    is the top-level id also within a subtransaction, and prepared transactions keep theirs.
//! 2. *n is drawn before it is missed*: it is missed when a snapshot S1 shows a higher number. A sequence without a cache
//!    gives its numbers in order, under the lock of its page; the higher one was drawn, inserted and committed before S1.
//! 3. *The bound B is asked for after S1 was read*, by another transaction, which had no id by then.
//! 4. *Ids are given in order*, under `XidGenLock`, and an id is in the shared list of running transactions before that lock
//!    is released. With 1 to 3: W's id < B, and when B was given W was in the list or had ended.
//! 5. *A snapshot S2 with `xmin` > B was taken when no id up to B was in the list*: `xmin` is the lowest id in the list below
//!    `xmax`, or `xmax` itself, and is never above `xmax`; so `xmax` > B, and whoever has an id up to B and is not in the
//!    list has ended. A transaction leaves the list after its commit is on disk and written to `pg_xact`, its
//!    subtransactions in the same moment. Hence what W committed is visible to S2, under whatever id of W it was written.
//! 6. *The holes are asked for under S2 itself.* What it does not show W has rolled back: it never comes.
//!
//! And a hole ends: the saving transaction has ended when it is saved, so `xmin` passes B as soon as all ids before it end.
//!
//! Ids are 64 bits wide (`xid8`), so they do not wrap. Saved bounds are not believed: a loaded hole has no bound until it is
//! saved again. A later bound is always sound, an earlier one need not be: the saved one may come from an older rule, or
//! from another server whose ids say nothing here. After a crash of the server, B may be given once more; W did not outlive
//! the crash, and `xmin` > B still says that everything up to B has ended.

use super::sent::Numbers;

/// No id is greater: a hole that was not saved yet.
const UNBOUND: i64 = i64::MAX;

/// Missing numbers `first..=last`, to be asked for until every id up to `bound` has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) bound: i64,
}

/// How far a lane is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Everything up to here is sent or a hole.
    high: i64,
    /// In order.
    holes: Vec<Hole>,
}

impl Cursor {
    /// Reads what [`Cursor::flat`] gave, without its bounds; `None` when the numbers are not such.
    pub(crate) fn read(high: i64, flat: &[i64]) -> Option<Self> {
        let (triples, []) = flat.as_chunks::<3>() else { return None };
        let holes: Vec<Hole> =
            triples.iter().map(|&[first, last, _]| Hole { first, last, bound: UNBOUND }).collect();
        let ordered = holes.is_sorted_by(|a, b| a.last < b.first);
        let bounded = holes.iter().all(|h| 0 < h.first && h.first <= h.last && h.last <= high);
        (ordered && bounded).then_some(Self { high, holes })
    }

    /// The holes as first, last, bound, first, …
    pub(crate) fn flat(&self) -> Vec<i64> {
        self.holes.iter().flat_map(|h| [h.first, h.last, h.bound]).collect()
    }

    pub(crate) fn high(&self) -> i64 {
        self.high
    }

    pub(crate) fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// Whether there are holes that were not saved since they were made or loaded.
    pub(crate) fn is_unbound(&self) -> bool {
        self.holes.iter().any(|hole| hole.bound == UNBOUND)
    }

    /// Gives the holes without a bound this one: the id of a transaction that had none when they were missed.
    pub(crate) fn bind(&mut self, id: i64) {
        for hole in self.holes.iter_mut().filter(|hole| hole.bound == UNBOUND) {
            hole.bound = id;
        }
    }

    /// Everything up to here is sent or was rolled back: nothing below is ever read again.
    pub(crate) fn low_watermark(&self) -> i64 {
        self.holes.first().map_or(self.high, |hole| hole.first - 1)
    }

    /// `visible` are all the numbers of holes that a snapshot with this `xmin` shows, up to `probed`: those it was asked for, and
    /// those that an earlier one has shown. Drops the holes whose writers had all ended before that snapshot; what is visible
    /// stays a hole until it is [`Cursor::sent`].
    pub(crate) fn settle(&mut self, xmin: i64, visible: &Numbers, probed: i64) {
        let mut kept: Vec<Hole> = Vec::with_capacity(self.holes.len());
        for hole in self.holes.drain(..) {
            // Only what was probed is known to be missing.
            if hole.bound >= xmin || hole.last > probed {
                kept.push(hole);
                continue;
            }
            for (first, last) in visible.within(hole.first, hole.last) {
                match kept.last_mut() {
                    // A later bound is always sound.
                    Some(before) if before.last + 1 == first && before.bound < xmin => {
                        before.last = last;
                        before.bound = before.bound.max(hole.bound);
                    }
                    _ => kept.push(Hole { first, last, bound: hole.bound }),
                }
            }
        }
        self.holes = kept;
    }

    /// A late event out of a hole was confirmed.
    pub(crate) fn sent(&mut self, seq: i64) {
        let at = self.holes.partition_point(|hole| hole.last < seq);
        let Some(hole) = self.holes.get(at).copied().filter(|hole| hole.first <= seq) else { return };
        let left = Hole { last: seq - 1, ..hole };
        let right = Hole { first: seq + 1, ..hole };
        self.holes.splice(at..=at, [left, right].into_iter().filter(|h| h.first <= h.last));
    }

    /// The next events were confirmed, without a gap among those that the snapshot showed: numbers between them become
    /// holes. `seqs` are above [`Cursor::high`], in order.
    pub(crate) fn advance(&mut self, seqs: &[i64]) {
        for &seq in seqs {
            if seq <= self.high {
                continue;
            }
            if seq > self.high + 1 {
                self.holes.push(Hole { first: self.high + 1, last: seq - 1, bound: UNBOUND });
            }
            self.high = seq;
        }
    }

    /// The next event waits for others of its record: it becomes a hole, with what is missing before it.
    pub(crate) fn pass(&mut self, seq: i64) {
        if seq <= self.high {
            return;
        }
        match self.holes.last_mut() {
            Some(hole) if hole.last == self.high && hole.bound == UNBOUND => hole.last = seq,
            _ => self.holes.push(Hole { first: self.high + 1, last: seq, bound: UNBOUND }),
        }
        self.high = seq;
    }

    /// A number that was passed without being sent becomes a hole again.
    pub(crate) fn reopen(&mut self, seq: i64) {
        let at = self.holes.partition_point(|hole| hole.last < seq);
        let known = self.holes.get(at).is_some_and(|hole| hole.first <= seq);
        if !known && 0 < seq && seq <= self.high {
            self.holes.insert(at, Hole { first: seq, last: seq, bound: UNBOUND });
        }
    }

    /// The numbers that are holes.
    pub(crate) fn missing(&self) -> Numbers {
        self.holes.iter().map(|hole| (hole.first, hole.last)).collect()
    }
}

#[cfg(test)]
mod tests;
