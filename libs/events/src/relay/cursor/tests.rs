//! The rule against a model of PostgreSQL: transactions get an id, draw numbers, then commit or roll back in any order,
//! while a relay looks at snapshots in between. The model's snapshots are PostgreSQL's: `xmax` is one past the highest id that
//! has ended, `xmin` the lowest running id below it. Mutants that these tests kill: `hole.bound > xmin` for `>=` in `settle`,
//! a bound out of the snapshot that missed the number, dropping holes whatever their bound (a late commit is lost), forgetting
//! the `probed` bound, keeping no visible number in `settle` (a found event whose publish failed is lost), numbers drawn before
//! the id. `tests/events/holes.rs` asks a real server.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// What one transaction will do, step by step.
#[derive(Clone, Debug)]
struct Plan {
    draws: usize,
    commits: bool,
}

#[derive(Clone, Debug)]
enum Step {
    /// The n-th unfinished transaction goes on.
    Go(usize),
    /// The relay runs a cycle; the broker confirms this many of what it is given, the probe shows at most this many.
    Relay { confirms: usize, probe_limit: usize, crash: bool },
}

#[derive(Debug)]
struct Tx {
    id: Option<i64>,
    left: usize,
    drawn: Vec<i64>,
    commits: bool,
}

#[derive(Default, Debug)]
struct Database {
    next_id: i64,
    /// The highest id that has ended.
    ended: i64,
    next_seq: i64,
    open: Vec<Tx>,
    /// Committed numbers.
    committed: BTreeSet<i64>,
    rolled_back: BTreeSet<i64>,
}

impl Database {
    fn xmax(&self) -> i64 {
        self.ended + 1
    }

    fn xmin(&self) -> i64 {
        self.open.iter().filter_map(|tx| tx.id).chain([self.xmax()]).min().unwrap_or_default()
    }

    /// A transaction that does nothing else.
    fn take_id(&mut self) -> i64 {
        self.next_id += 1;
        self.ended = self.next_id - 1;
        self.ended
    }

    /// One step of an open transaction; `number_first` is the mutant that draws before it has an id.
    fn go(&mut self, at: usize, number_first: bool) {
        let at = at % self.open.len();
        let tx = &mut self.open[at];
        if tx.id.is_none() && !(number_first && tx.drawn.is_empty() && tx.left > 0) {
            tx.id = Some(self.next_id);
            self.next_id += 1;
        } else if tx.left > 0 {
            self.next_seq += 1;
            tx.drawn.push(self.next_seq);
            tx.left -= 1;
        } else {
            let tx = self.open.remove(at);
            self.ended = self.ended.max(tx.id.unwrap_or_default());
            let to = if tx.commits { &mut self.committed } else { &mut self.rolled_back };
            to.extend(tx.drawn);
        }
    }
}

#[derive(Default, Debug)]
struct Sent(BTreeMap<i64, usize>);

/// What is wrong with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mutant {
    None,
    /// Numbers are drawn before the transaction has an id.
    NumberFirst,
    /// A hole is bound by the snapshot that missed it.
    SnapshotBound,
}

fn numbers(seqs: &[i64]) -> Numbers {
    seqs.iter().map(|seq| (*seq, *seq)).collect()
}

/// One cycle as the relay runs it: probe, settle, read, publish, record what was confirmed.
fn cycle(
    db: &mut Database,
    mutant: Mutant,
    cursor: &mut Cursor,
    sent: &mut Sent,
    confirms: usize,
    probe_limit: usize,
    limit: usize,
) {
    let (xmin, xmax) = (db.xmin(), db.xmax());
    let in_hole = |seq: &i64| cursor.holes().iter().any(|h| (h.first..=h.last).contains(seq));
    let found: Vec<i64> = db.committed.iter().copied().filter(in_hole).take(probe_limit).collect();
    let probed = if found.len() < probe_limit { i64::MAX } else { found.last().copied().unwrap_or(0) };
    cursor.settle(xmin, &numbers(&found), probed);
    let fresh: Vec<i64> = db.committed.range(cursor.high() + 1..).copied().take(limit).collect();
    let taken: Vec<i64> = found.iter().chain(&fresh).copied().take(confirms).collect();
    for seq in &taken {
        *sent.0.entry(*seq).or_default() += 1;
    }
    for seq in taken.iter().take(found.len()) {
        cursor.sent(*seq);
    }
    cursor.advance(taken.get(found.len()..).unwrap_or_default());
    if cursor.is_unbound() {
        // The rule before: a hole was settled when `xmin` had reached the `xmax` of the snapshot that missed it.
        cursor.bind(if mutant == Mutant::SnapshotBound { xmax - 1 } else { db.take_id() });
    }
}

fn plans() -> impl Strategy<Value = Vec<Plan>> {
    let plan = (1..4_usize, prop::bool::weighted(0.7)).prop_map(|(draws, commits)| Plan { draws, commits });
    prop::collection::vec(plan, 1..12)
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        3 => (0..16_usize).prop_map(Step::Go),
        2 => (0..6_usize, 1..4_usize, prop::bool::weighted(0.2))
            .prop_map(|(confirms, probe_limit, crash)| Step::Relay { confirms, probe_limit, crash }),
    ];
    prop::collection::vec(step, 0..120)
}

fn run(plans: &[Plan], steps: &[Step], mutant: Mutant) -> (Database, Sent, Cursor) {
    let open =
        plans.iter().map(|p| Tx { id: None, left: p.draws, drawn: vec![], commits: p.commits }).collect();
    let number_first = mutant == Mutant::NumberFirst;
    let mut db = Database { next_id: 1, open, ..Database::default() };
    let (mut cursor, mut sent) = (Cursor::default(), Sent::default());
    for step in steps {
        match step {
            Step::Go(at) if !db.open.is_empty() => db.go(*at, number_first),
            Step::Go(_) => {}
            Step::Relay { confirms, probe_limit, crash } => {
                let saved = cursor.clone();
                cycle(&mut db, mutant, &mut cursor, &mut sent, *confirms, *probe_limit, 3);
                if *crash {
                    // Died after publishing, before saving: the next holder reads what was saved.
                    cursor = Cursor::read(saved.high(), &saved.flat()).expect("what was saved can be read");
                }
            }
        }
    }
    while !db.open.is_empty() {
        db.go(0, number_first);
    }
    for _ in 0..100 {
        cycle(&mut db, mutant, &mut cursor, &mut sent, 100, 100, 100);
    }
    (db, sent, cursor)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_nothing_is_invented_and_no_hole_stays((plans, steps) in (plans(), steps())) {
        let (db, sent, cursor) = run(&plans, &steps, Mutant::None);
        let published: BTreeSet<i64> = sent.0.keys().copied().collect();
        prop_assert_eq!(&published, &db.committed);
        prop_assert!(cursor.holes().is_empty(), "{:?}", cursor);
        prop_assert_eq!(cursor.low_watermark(), db.committed.last().copied().unwrap_or(0));
    }

    #[test]
    fn without_a_crash_each_event_is_published_once((plans, steps) in (plans(), steps())) {
        let calm: Vec<Step> = steps.into_iter().map(|step| match step {
            Step::Relay { confirms, probe_limit, .. } => Step::Relay { confirms, probe_limit, crash: false },
            go @ Step::Go(_) => go,
        }).collect();
        let (_, sent, _) = run(&plans, &calm, Mutant::None);
        prop_assert!(sent.0.values().all(|times| *times == 1), "{:?}", sent);
    }

    #[test]
    fn a_cursor_survives_being_saved((plans, steps) in (plans(), steps())) {
        let (_, _, cursor) = run(&plans, &steps, Mutant::None);
        let mut read = Cursor::read(cursor.high(), &cursor.flat()).unwrap();
        prop_assert_eq!(read.missing(), cursor.missing());
        let (mut bound, id) = (cursor.clone(), 1);
        bound.holes.iter_mut().for_each(|hole| hole.bound = id);
        read.bind(id);
        prop_assert_eq!(read, bound);
    }
}

#[test]
fn a_number_drawn_before_the_transaction_id_is_lost() {
    // The rule's premise is needed (F27): A draws 1 without an id, B draws 2 and commits, the relay looks twice, A commits.
    let lost = |mutant| {
        let plans = [Plan { draws: 1, commits: true }, Plan { draws: 1, commits: true }];
        let first_of_a =
            if mutant == Mutant::NumberFirst { vec![Step::Go(0)] } else { vec![Step::Go(0), Step::Go(0)] };
        // In the mutant B draws first, too; its three steps end in a commit either way.
        let b = vec![Step::Go(1), Step::Go(1), Step::Go(1)];
        let look = vec![Step::Relay { confirms: 9, probe_limit: 9, crash: false }; 2];
        let steps: Vec<Step> = [first_of_a, b, look].concat();
        let (db, sent, _) = run(&plans, &steps, mutant);
        db.committed.iter().filter(|seq| !sent.0.contains_key(seq)).count()
    };
    assert_eq!(lost(Mutant::NumberFirst), 1, "the model must be able to show the loss");
    assert_eq!(lost(Mutant::None), 0);
}

#[test]
fn a_hole_bound_by_the_snapshot_that_missed_it_is_lost() {
    // M takes its id, N takes the next and draws 1, M draws 2 and commits, the relay looks twice, N commits.
    let lost = |mutant| {
        let plans = [Plan { draws: 1, commits: true }, Plan { draws: 1, commits: true }];
        let look = Step::Relay { confirms: 9, probe_limit: 9, crash: false };
        let (m, n) = (Step::Go(0), Step::Go(1));
        let steps = [m.clone(), n.clone(), n, m.clone(), m, look.clone(), look];
        let (db, sent, _) = run(&plans, &steps, mutant);
        db.committed.iter().filter(|seq| !sent.0.contains_key(seq)).count()
    };
    assert_eq!(lost(Mutant::SnapshotBound), 1, "the model must be able to show the loss");
    assert_eq!(lost(Mutant::None), 0);
}

#[test]
fn a_late_commit_is_found_and_a_rollback_is_forgotten() {
    let mut cursor = Cursor::default();
    cursor.advance(&[1, 4]);
    assert!(cursor.is_unbound());
    // Not saved, and so not bound by anything.
    cursor.settle(i64::MAX, &numbers(&[]), i64::MAX);
    cursor.bind(49);
    assert_eq!(cursor.holes(), [Hole { first: 2, last: 3, bound: 49 }]);
    assert_eq!((cursor.high(), cursor.low_watermark()), (4, 1));
    // The writers may still be running.
    cursor.settle(49, &numbers(&[]), i64::MAX);
    assert_eq!(cursor.low_watermark(), 1);
    // They have ended: 3 is there, 2 was rolled back. 3 stays a hole until it is confirmed.
    cursor.settle(50, &numbers(&[3]), i64::MAX);
    assert_eq!(cursor.holes(), [Hole { first: 3, last: 3, bound: 49 }]);
    cursor.settle(60, &numbers(&[3]), i64::MAX);
    assert_eq!(cursor.low_watermark(), 2);
    cursor.sent(3);
    assert_eq!((cursor.holes(), cursor.low_watermark()), ([].as_slice(), 4));
}

#[test]
fn what_was_not_probed_is_not_dropped() {
    let mut cursor = Cursor::default();
    cursor.advance(&[3, 6]);
    cursor.bind(10);
    cursor.settle(20, &numbers(&[1]), 1);
    assert_eq!(cursor.flat(), [1, 2, 10, 4, 5, 10]);
}

#[test]
fn what_waits_is_one_hole_however_many_cycles_have_passed_it() {
    let mut cursor = Cursor::default();
    cursor.advance(&[1]);
    for (seqs, id) in [(2..=500, 10), (501..=900, 20)] {
        seqs.for_each(|seq| cursor.pass(seq));
        cursor.pass(3);
        cursor.bind(id);
    }
    // 950 was missed on the way, and its writer may still run.
    cursor.pass(951);
    cursor.bind(30);
    assert_eq!((cursor.high(), cursor.flat()), (951, vec![2, 500, 10, 501, 900, 20, 901, 951, 30]));
    let visible: Numbers = [(2, 900), (951, 951)].into_iter().collect();
    cursor.settle(30, &visible, i64::MAX);
    assert_eq!(cursor.flat(), [2, 900, 20, 901, 951, 30]);
    cursor.settle(31, &visible, i64::MAX);
    assert_eq!(cursor.flat(), [2, 900, 20, 951, 951, 30]);
    assert_eq!((cursor.low_watermark(), cursor.is_unbound()), (1, false));
}

#[test]
fn a_number_that_was_passed_becomes_a_hole_of_its_own() {
    let mut cursor = Cursor::default();
    cursor.advance(&[1, 2, 3, 6]);
    cursor.bind(7);
    for seq in [2, 4, 6, 7, 0, 2] {
        cursor.reopen(seq);
    }
    assert!(cursor.is_unbound());
    assert_eq!((cursor.high(), cursor.low_watermark()), (6, 1));
    cursor.bind(9);
    assert_eq!(cursor.flat(), [2, 2, 9, 4, 5, 7, 6, 6, 9]);
    assert_eq!(cursor.missing().text(), "{[2,2],[4,6]}");
}

#[test]
fn bounds_that_were_saved_are_not_believed() {
    let cursor = Cursor::read(9, &[4, 6, 3]).unwrap();
    assert!(cursor.is_unbound());
}

#[test]
fn a_saved_cursor_that_makes_no_sense_is_refused() {
    for (high, flat) in [(5, vec![1, 2]), (5, vec![3, 2, 9]), (5, vec![4, 6, 9]), (9, vec![4, 6, 9, 5, 7, 9])]
    {
        assert_eq!(Cursor::read(high, &flat), None, "{flat:?}");
    }
}
