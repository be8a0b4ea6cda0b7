//! The known unsent events in the gaps behind a lane's cursor: their numbers and records.
//!
//! Held in memory, so that a record with very many unsent events is read once and not in every cycle. It is a part of what the
//! cursor has as holes and can be lost: a relay that starts knows nothing, asks for everything in its holes, page by page, and
//! reads nothing new until it knows all of it.
//!
//! **If an event is in the backlog, so are all earlier unsent events of its record.** A number gets in here only when everything unsent
//! below it was asked for under the same snapshot or is in here already. The writer of an event holds the lock of the record's
//! row until it commits, so a snapshot that shows the event shows those before it, and none of them can turn up later.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use uuid::Uuid;

use super::sent::Numbers;
use super::waves::WAVES;

/// Consecutive numbers of one record, up to `last`.
#[derive(Clone, Copy, Debug)]
struct Run {
    last: i64,
    record: Uuid,
}

/// Visible events that wait, by number and by record. Its size is that of its runs, however long they are.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// By their first numbers.
    runs: BTreeMap<i64, Run>,
    /// The first numbers of each record's runs.
    records: HashMap<Uuid, BTreeSet<i64>>,
}

impl Backlog {
    /// How many runs there are.
    pub(super) fn runs(&self) -> usize {
        self.runs.len()
    }

    /// Whether an event of this record waits.
    pub(super) fn holds(&self, record: Uuid) -> bool {
        self.records.contains_key(&record)
    }

    /// Those of which an event waits.
    pub(super) fn records(&self) -> impl Iterator<Item = Uuid> {
        self.records.keys().copied()
    }

    /// All that waits.
    pub(super) fn numbers(&self) -> Numbers {
        self.runs.iter().map(|(first, run)| (*first, run.last)).collect()
    }

    /// An event waits from now on.
    pub(super) fn add(&mut self, seq: i64, record: Uuid) {
        if let Some((_, before)) = self.runs.range_mut(..=seq).next_back() {
            if before.last >= seq {
                return;
            }
            if before.last + 1 == seq && before.record == record {
                before.last = seq;
                return;
            }
        }
        self.insert(seq, Run { last: seq, record });
    }

    /// An event waits no longer: it was sent, or is gone.
    pub(super) fn remove(&mut self, seq: i64) {
        let Some((first, run)) = self.runs.range(..=seq).next_back().map(|(first, run)| (*first, *run))
        else {
            return;
        };
        if run.last < seq {
            return;
        }
        self.runs.remove(&first);
        if let Some(firsts) = self.records.get_mut(&run.record) {
            firsts.remove(&first);
            if firsts.is_empty() {
                self.records.remove(&run.record);
            }
        }
        if first < seq {
            self.insert(first, Run { last: seq - 1, ..run });
        }
        if seq < run.last {
            self.insert(seq + 1, run);
        }
    }

    fn insert(&mut self, first: i64, run: Run) {
        self.runs.insert(first, run);
        self.records.entry(run.record).or_default().insert(first);
    }

    /// The first numbers of each record, as many as a cycle can send: the first of every record, then the second of every record, …
    /// At most `most`. Every prefix is safe to send: it never holds an event without the earlier ones of its record.
    pub(super) fn first_of_each(&self, most: usize) -> Vec<i64> {
        let of_record = |firsts: &BTreeSet<i64>| {
            let runs = firsts.iter().filter_map(|first| self.runs.get(first).map(|run| *first..=run.last));
            runs.flatten().take(WAVES).enumerate().collect::<Vec<_>>()
        };
        let mut places: Vec<(usize, i64)> = self.records.values().flat_map(of_record).collect();
        places.sort_unstable();
        places.into_iter().take(most).map(|(_, seq)| seq).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(events: &[(i64, u128)]) -> Backlog {
        let mut backlog = Backlog::default();
        for (seq, record) in events {
            backlog.add(*seq, Uuid::from_u128(*record));
        }
        backlog
    }

    #[test]
    fn of_what_waits_a_cycle_takes_the_first_of_each_record_before_the_second_of_any() {
        let backlog = backlog(&[(1, 7), (2, 7), (3, 8), (4, 7), (5, 7), (6, 7), (8, 8), (9, 7)]);
        assert_eq!(backlog.first_of_each(500), [1, 3, 2, 8, 4, 5]);
        assert_eq!(backlog.first_of_each(3), [1, 3, 2]);
        assert!(Backlog::default().first_of_each(500).is_empty());
    }

    #[test]
    fn a_run_is_one_whatever_its_length_and_what_is_sent_leaves_it() {
        let mut backlog = backlog(&(1..=5_000).map(|seq| (seq, 7)).collect::<Vec<_>>());
        assert_eq!((backlog.runs(), backlog.numbers().text().as_str()), (1, "{[1,5000]}"));
        for gone in [1, 2, 5_000, 2_500, 2_500, 9_000, 0] {
            backlog.remove(gone);
        }
        assert_eq!((backlog.runs(), backlog.numbers().text().as_str()), (2, "{[3,2499],[2501,4999]}"));
        assert_eq!(backlog.first_of_each(500), [3, 4, 5, 6]);
        // Found late, in its place; a second time it is nothing new.
        for seq in [2, 2, 4_000] {
            backlog.add(seq, Uuid::from_u128(7));
        }
        assert_eq!(backlog.first_of_each(500), [2, 3, 4, 5]);
        let all: Vec<i64> = (2..5_000).collect();
        for seq in all {
            assert!(seq == 2_500 || backlog.holds(Uuid::from_u128(7)), "{seq}");
            backlog.remove(seq);
        }
        assert_eq!((backlog.runs(), backlog.holds(Uuid::from_u128(7))), (0, false));
    }
}
