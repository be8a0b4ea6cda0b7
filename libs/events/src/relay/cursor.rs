//! The hole rule as a pure state machine.
//!
//! Numbers come from a sequence, commits do not come in their order, and a rolled-back number never comes at all. A cursor
//! that passed every missing number would lose the late ones; one that waited for every missing number would stop at the
//! first roll-back. So the cursor goes on and remembers each missing number as a hole, together with the `xmax` of the
//! snapshot that first missed it. Every transaction owns its id before it draws a number (`outbox.rs`), and a number above
//! the hole was visible: hence the hole's writer has an id below that `xmax`. Once a later snapshot's `xmin` has reached
//! it, the writer has ended; what the same snapshot still does not show was rolled back.

/// Missing numbers `first..=last`, first missed under a snapshot with this `xmax`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hole {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) xmax: i64,
}

/// How far a lane is sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// Everything up to here is sent or a hole.
    high: i64,
    /// In order, not touching unless their `xmax` differ.
    holes: Vec<Hole>,
}

impl Cursor {
    /// Reads what [`Cursor::flat`] gave; `None` when the numbers are not such.
    pub(crate) fn read(high: i64, flat: &[i64]) -> Option<Self> {
        let (triples, []) = flat.as_chunks::<3>() else { return None };
        let holes: Vec<Hole> =
            triples.iter().map(|&[first, last, xmax]| Hole { first, last, xmax }).collect();
        let ordered = holes.is_sorted_by(|a, b| a.last < b.first);
        let bounded = holes.iter().all(|h| 0 < h.first && h.first <= h.last && h.last <= high);
        (ordered && bounded).then_some(Self { high, holes })
    }

    /// The holes as first, last, xmax, first, …
    pub(crate) fn flat(&self) -> Vec<i64> {
        self.holes.iter().flat_map(|h| [h.first, h.last, h.xmax]).collect()
    }

    pub(crate) fn high(&self) -> i64 {
        self.high
    }

    pub(crate) fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// Everything up to here is sent or was rolled back: nothing below is ever read again.
    pub(crate) fn low_watermark(&self) -> i64 {
        self.holes.first().map_or(self.high, |hole| hole.first - 1)
    }

    /// `visible` are all the numbers of holes that a snapshot with this `xmin` shows, up to `probed` (in order). Drops the
    /// holes whose writers had all ended before that snapshot; what is visible stays a hole until it is [`Cursor::sent`].
    pub(crate) fn settle(&mut self, xmin: i64, visible: &[i64], probed: i64) {
        let mut kept = Vec::with_capacity(self.holes.len());
        for hole in self.holes.drain(..) {
            // Only what was probed is known to be missing.
            if hole.xmax > xmin || hole.last > probed {
                kept.push(hole);
                continue;
            }
            let start = visible.partition_point(|seq| *seq < hole.first);
            let shown = visible[start..].iter().take_while(|seq| **seq <= hole.last);
            kept.extend(shown.map(|seq| Hole { first: *seq, last: *seq, xmax: hole.xmax }));
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

    /// The next events were confirmed, without a gap among those that the snapshot with this `xmax` showed: numbers between
    /// them become holes. `seqs` are above [`Cursor::high`], in order.
    pub(crate) fn advance(&mut self, seqs: &[i64], xmax: i64) {
        for &seq in seqs {
            if seq <= self.high {
                continue;
            }
            if seq > self.high + 1 {
                self.holes.push(Hole { first: self.high + 1, last: seq - 1, xmax });
            }
            self.high = seq;
        }
    }
}

#[cfg(test)]
mod tests;
