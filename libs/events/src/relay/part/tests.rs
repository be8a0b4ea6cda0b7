//! A lane against a model of its outbox: transactions hold the lock of their records until they end, the relay looks at
//! snapshots, and one record has very many events.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::FutureExt;
use proptest::prelude::*;

use super::*;
use crate::relay::lanes::Publish;
use crate::relay::publish::Outcome;
use crate::relay::waves;

pub(in crate::relay) fn row(seq: i64, record: u128) -> Row {
    Row {
        seq,
        part: 0,
        event_id: Uuid::from_u128(seq.unsigned_abs().into()),
        record_id: Uuid::from_u128(record),
        kind: String::new(),
        envelope: Vec::new(),
        traceparent: None,
        recorded_at: time::OffsetDateTime::UNIX_EPOCH,
    }
}

/// What one cycle reads at most, holes and new numbers together, and events for the window.
const READ: usize = 2 * (LOOK + WINDOW);

#[derive(Debug)]
struct Tx {
    id: i64,
    record: u128,
    drawn: Vec<i64>,
}

/// The outbox of a lane, its open transactions, and what the broker has.
#[derive(Debug, Default)]
struct Model {
    next_id: i64,
    next_seq: i64,
    open: Vec<Tx>,
    committed: BTreeMap<i64, u128>,
    /// Of each record what is committed and was never delivered.
    due: BTreeMap<u128, BTreeSet<i64>>,
    /// Numbers and events given in this cycle, and bytes of envelopes.
    read: usize,
    bytes: usize,
    /// A record with large envelopes, and their size.
    large: Option<(u128, usize)>,
}

const LARGE: usize = 300_000;

impl Model {
    /// Draws numbers for a record in its open transaction, or in a new one.
    fn draw(&mut self, record: u128, count: usize) {
        let numbers = self.next_seq + 1..=self.next_seq + count as i64;
        self.next_seq += count as i64;
        if let Some(tx) = self.open.iter_mut().find(|tx| tx.record == record) {
            tx.drawn.extend(numbers);
        } else {
            self.next_id += 1;
            self.open.push(Tx { id: self.next_id, record, drawn: numbers.collect() });
        }
    }

    fn end(&mut self, nth: usize, commits: bool) {
        let tx = self.open.remove(nth % self.open.len());
        if commits {
            self.committed.extend(tx.drawn.iter().map(|seq| (*seq, tx.record)));
            self.due.entry(tx.record).or_default().extend(tx.drawn);
        }
    }

    /// Commits events of a record at once.
    fn write(&mut self, record: u128, count: usize) {
        self.draw(record, count);
        self.end(self.open.len() - 1, true);
    }

    fn row(&self, seq: i64) -> Option<Row> {
        let record = *self.committed.get(&seq)?;
        let envelope = vec![0; self.large.filter(|large| large.0 == record).map_or(100, |large| large.1)];
        Some(Row { envelope, ..row(seq, record) })
    }

    fn xmin(&self) -> i64 {
        self.open.iter().map(|tx| tx.id).min().unwrap_or(self.next_id + 1)
    }

    fn unsent(&self) -> usize {
        self.due.values().map(BTreeSet::len).sum()
    }

    /// The first delivery of an event is that of the next one of its record.
    fn deliver(&mut self, seq: i64) {
        let record = self.committed[&seq];
        let due = self.due.entry(record).or_default();
        if due.contains(&seq) {
            assert_eq!(due.pop_first(), Some(seq), "overtaken in record {record}");
        }
    }
}

impl Outbox for Model {
    async fn probe(
        &mut self,
        _: Lane,
        unknown: &Numbers,
        most: usize,
    ) -> Result<Vec<(i64, Uuid)>, RelayError> {
        let shown = unknown.ranges().iter().flat_map(|(first, last)| self.committed.range(first..=last));
        let found: Vec<_> = shown.take(most).map(|(seq, record)| (*seq, Uuid::from_u128(*record))).collect();
        self.read += found.len();
        Ok(found)
    }

    async fn rows(&mut self, _: Lane, seqs: &[i64], bytes: usize) -> Result<Vec<Row>, RelayError> {
        self.read += seqs.len();
        let (mut before, mut rows) = (0, Vec::new());
        for row in seqs.iter().filter_map(|seq| self.row(*seq)) {
            if before >= bytes {
                break;
            }
            before += row.envelope.len();
            rows.push(row);
        }
        self.bytes += before;
        Ok(rows)
    }

    async fn next(
        &mut self,
        _: Lane,
        high: i64,
        held: &[Uuid],
        most: Most,
    ) -> Result<Vec<Looked>, RelayError> {
        let held: BTreeSet<&Uuid> = held.iter().collect();
        let (mut places, mut events, mut before) = (BTreeMap::<u128, usize>::new(), 0, 0);
        let mut looked = Vec::new();
        for (seq, record) in self.committed.range(high + 1..).take(most.numbers) {
            let record_id = Uuid::from_u128(*record);
            let place = places.entry(*record).or_default();
            *place += 1;
            let mut row = None;
            if *place <= WAVES && !held.contains(&record_id) {
                events += 1;
                row = self.row(*seq).filter(|_| events <= most.events && before < most.bytes);
                before += row.as_ref().map_or(0, |row| row.envelope.len());
            }
            looked.push(Looked { seq: *seq, record_id, row });
        }
        self.read += looked.len();
        self.bytes += before;
        Ok(looked)
    }
}

/// Refuses the n-th event that it is offered, and counts the waves.
struct Broker<'a> {
    model: &'a mut Model,
    offered: usize,
    refused: Option<usize>,
    waves: usize,
}

impl Publish for Broker<'_> {
    async fn publish(&mut self, wave: &[&(Lane, Row)]) -> Result<Outcome, RelayError> {
        self.waves += 1;
        let take = |(_, row): &&(Lane, Row)| {
            self.offered += 1;
            let taken = self.refused != Some(self.offered - 1);
            if taken {
                self.model.deliver(row.seq);
            }
            taken
        };
        Ok(Outcome { taken: wave.iter().map(take).collect(), why: "full" })
    }
}

/// One cycle as the relay runs it; gives how many events were taken.
fn cycle(part: &mut Part, model: &mut Model, refused: Option<usize>) -> usize {
    cycle_beside(part, model, refused, WINDOW)
}

/// A cycle that the other lane leaves so many events.
fn cycle_beside(part: &mut Part, model: &mut Model, refused: Option<usize>, share: usize) -> usize {
    let (xmin, high, before) = (model.xmin(), part.cursor.high(), part.cursor.clone());
    (model.read, model.bytes) = (0, 0);
    part.read(model, xmin).now_or_never().expect("the model does not wait").expect("nor does it fail");
    assert!(model.read <= READ, "{} rows read in a cycle", model.read);
    assert!(model.bytes <= 2 * (WINDOW_BYTES + LARGE), "{} bytes read in a cycle", model.bytes);
    part.cut(share);
    assert!(part.len() <= share.min(part.brake.window()));
    let window: Vec<(Lane, Row)> =
        part.late.drain(..).chain(part.fresh.drain(..)).map(|row| (part.lane, row)).collect();
    let mut broker = Broker { model, offered: 0, refused, waves: 0 };
    let published = waves::publish(&window, &mut broker).now_or_never().expect("the broker does not wait");
    let (fates, _) = published.expect("nor does it fail");
    assert!(broker.waves <= WAVES, "{} waves", broker.waves);
    let rows: Vec<_> = window.iter().zip(fates).map(|((_, row), fate)| (row.seq, fate)).collect();
    part.record(&rows);
    let last = part.taken.iter().max().copied().unwrap_or(high).max(high);
    if rows.iter().any(|(_, fate)| *fate == Fate::Refused) {
        assert!(part.cursor.high() <= last, "passed what waits in a cycle with a refusal");
        let first = rows.iter().find(|(seq, fate)| *seq > high && *fate == Fate::Refused);
        assert!(first.is_none_or(|(seq, _)| part.cursor.high() < *seq), "passed what was refused");
    }
    if part.cursor.is_unbound() {
        model.next_id += 1;
        part.cursor.bind(model.next_id);
    }
    // What is known of the holes is a part of them, and what was passed is sent or in a hole, and known if it was seen.
    let (missing, known) = (part.cursor.missing(), part.backlog.numbers());
    assert!(known.without(&missing).is_empty(), "{before:?} -> {:?}", part.cursor);
    for seq in model.due.values().flatten().filter(|seq| **seq <= part.cursor.high()) {
        let holes = if *seq > high { &known } else { &missing };
        assert!(holes.within(*seq, *seq).next().is_some(), "{seq} was passed unsent");
    }
    part.taken.len()
}

/// Another relay goes on from what was saved.
fn restarted(part: &Part) -> Part {
    let cursor = Cursor::read(part.cursor.high(), &part.cursor.flat());
    Part::new(part.lane, cursor.expect("what was saved can be read"))
}

fn drain(part: &mut Part, model: &mut Model) {
    for _ in 0..5_000 {
        cycle(part, model, None);
        if model.unsent() == 0 && part.cursor.holes().is_empty() && part.cursor.high() >= newest(model) {
            return;
        }
    }
    panic!("{} are left, {:?}", model.unsent(), part.cursor);
}

fn newest(model: &Model) -> i64 {
    model.committed.last_key_value().map_or(0, |(seq, _)| *seq)
}

#[derive(Clone, Debug)]
enum Step {
    /// An open transaction has a record, and the hot record is the first.
    Draw(u128, usize),
    End(usize, bool),
    /// The broker refuses the n-th event; the other lane leaves room for so many.
    Cycle(Option<usize>, usize),
    /// The events of a cycle arrive, and the relay dies before it saves.
    Die,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        6 => (0..6_u128, 1..8_usize).prop_map(|(record, count)| Step::Draw(record, count)),
        1 => (200..1_500_usize).prop_map(|count| Step::Draw(0, count)),
        1 => (10..20_u128, 100..700_usize).prop_map(|(record, count)| Step::Draw(record, count)),
        5 => (0..6_usize, prop::bool::weighted(0.8)).prop_map(|(nth, commits)| Step::End(nth, commits)),
        3 => Just(Step::Cycle(None, WINDOW)),
        1 => (0..40_usize).prop_map(|share| Step::Cycle(None, share)),
        2 => prop_oneof![0..6_usize, 0..500_usize].prop_map(|nth| Step::Cycle(Some(nth), WINDOW)),
        1 => Just(Step::Die),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 80, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_overtaken_in_its_record(steps in steps()) {
        let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
        for step in steps {
            match step {
                Step::Draw(record, count) => model.draw(record, count),
                Step::End(..) if model.open.is_empty() => {}
                Step::End(nth, commits) => model.end(nth, commits),
                Step::Cycle(refused, share) => {
                    cycle_beside(&mut part, &mut model, refused, share);
                }
                Step::Die => {
                    let saved = restarted(&part);
                    cycle(&mut part, &mut model, None);
                    part = saved;
                }
            }
        }
        while !model.open.is_empty() {
            model.end(0, true);
        }
        drain(&mut part, &mut model);
        prop_assert_eq!(part.backlog.runs(), 0);
    }
}

/// Cycles until a record that is written now is sent.
fn cycles_until_sent(part: &mut Part, model: &mut Model) -> usize {
    let record = 1_000 + u128::from(model.next_seq.unsigned_abs());
    for record in record..record + 50 {
        model.write(record, 1);
    }
    for cycles in 1..200 {
        cycle(part, model, None);
        if model.due.range(record..record + 50).all(|(_, due)| due.is_empty()) {
            return cycles;
        }
    }
    panic!("the others wait for the hot record");
}

#[test]
fn a_record_with_a_hundred_thousand_events_is_read_once_and_holds_up_no_other() {
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    model.write(0, 100_000);
    // Each cycle looks at so many of them, and no cycle looks at them again.
    assert_eq!(cycles_until_sent(&mut part, &mut model), 100_000 / LOOK + 1);
    assert_eq!(cycles_until_sent(&mut part, &mut model), 1);
    cycle(&mut part, &mut model, None);
    assert_eq!((model.read, part.backlog.runs()), (WAVES, 1));
    assert!(part.cursor.holes().len() <= 2, "{:?}", part.cursor);
    // The relay after this one has to read them as well.
    let mut part = restarted(&part);
    assert_eq!(cycles_until_sent(&mut part, &mut model), 100_000 / LOOK);
    assert_eq!(cycles_until_sent(&mut part, &mut model), 1);
    assert_eq!((part.backlog.runs(), part.cursor.holes().len()), (1, 1));
    // Committed late, in the middle of it: all before it is known, and nothing is asked for twice.
    model.draw(1, 1);
    model.write(0, 10);
    cycle(&mut part, &mut model, None);
    model.end(0, true);
    assert_eq!(cycles_until_sent(&mut part, &mut model), 1);
    assert!(model.due[&1].is_empty());
}

#[test]
fn many_hot_records_leave_half_of_the_window_to_what_is_new() {
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    for record in 0..300 {
        model.write(record, 20);
    }
    // A cycle takes four of each from 125 of them, and from 62 when others of them wait.
    assert_eq!(cycles_until_sent(&mut part, &mut model), 5);
    let before = model.unsent();
    assert_eq!(cycles_until_sent(&mut part, &mut model), 1);
    assert!(model.unsent() + 250 <= before, "the hot ones starve");
    drain(&mut part, &mut model);
}

#[test]
fn large_events_of_a_hot_record_leave_the_window_to_the_others() {
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    model.large = Some((0, LARGE));
    model.write(0, 10);
    for n in 0..1_500 {
        model.write(0, 1);
        model.write(1_000 + n, 1);
    }
    // The first window is full of them. From then on they wait and are not read: each 500 numbers have 250 of others.
    assert_eq!(cycles_until_sent(&mut part, &mut model), 8);
    drain(&mut part, &mut model);
    // Nor are they in the cycle that passes them, but for those that it sends.
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    model.large = Some((0, LARGE / 3));
    model.write(0, 3_000);
    assert_eq!(cycle(&mut part, &mut model, None), WAVES);
    assert_eq!((model.bytes, part.cursor.high()), (WAVES * LARGE / 3, 3_000));
}

#[test]
fn what_is_remembered_is_bounded_when_the_events_of_a_hot_record_lie_between_others() {
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    for n in 0..12_000 {
        model.write(0, 1);
        model.write(1_000 + n, 1);
    }
    for _ in 0..80 {
        cycle(&mut part, &mut model, None);
        assert!(part.backlog.runs() <= MAX_HOLES && part.cursor.holes().len() <= MAX_HOLES);
    }
    // It has reached the bound, and goes on as fast as the record does.
    assert!(part.backlog.runs() + WAVES >= MAX_HOLES, "{}", part.backlog.runs());
    let high = part.cursor.high();
    for _ in 0..10 {
        cycle(&mut part, &mut model, None);
    }
    assert!(part.cursor.high() >= high + 10 * WAVES as i64);
}

#[test]
fn an_event_that_somebody_has_deleted_holds_nothing_up() {
    let (mut part, mut model) = (Part::new(Lane::Interactive, Cursor::default()), Model::default());
    model.write(0, 20);
    cycle(&mut part, &mut model, None);
    for gone in [5, 7, 8, 20] {
        model.committed.remove(&gone);
        model.due.entry(0).or_default().remove(&gone);
    }
    drain(&mut part, &mut model);
    assert_eq!((part.backlog.runs(), part.cursor.low_watermark()), (0, 20));
}

#[test]
fn the_cursor_stops_at_the_first_refused_and_keeps_a_refused_late_event() {
    use Fate::{Refused, Taken};
    let mut part = Part::new(Lane::Interactive, Cursor::default());
    part.record(&[(3, Taken)]);
    part.cursor.bind(9);
    assert_eq!(part.cursor.flat(), [1, 2, 9]);
    assert_eq!(part.brake.window(), WINDOW);
    part.record(&[(1, Refused), (2, Taken), (4, Taken), (6, Refused), (7, Taken)]);
    assert_eq!((part.cursor.high(), part.cursor.flat()), (4, vec![1, 1, 9]));
    assert_eq!(part.taken, [2, 4, 7]);
    // Refused: one at a time until it is taken.
    assert!(part.brake.holds() && part.brake.window() == 1);
    part.record(&[(1, Taken)]);
    assert!(!part.brake.holds() && part.brake.window() == 2);
    // What waits is passed, and known.
    let hot = Uuid::from_u128(7);
    part.deferred = vec![(6, hot), (7, hot), (9, hot)];
    part.record(&[(5, Taken), (8, Taken)]);
    part.cursor.bind(12);
    assert_eq!((part.cursor.high(), part.cursor.flat()), (9, vec![6, 7, 12, 9, 9, 12]));
    assert_eq!(
        (part.taken.as_slice(), part.backlog.first_of_each(9).as_slice()),
        ([5, 8].as_slice(), [6, 7, 9].as_slice())
    );
    assert!(!part.brake.holds() && part.brake.window() == 4);
    // Not behind the last that was sent before a refusal, be it late or fresh.
    for refused in [6, 14] {
        let mut part = restarted(&part);
        part.deferred = vec![(11, hot), (13, hot), (15, hot)];
        let fate = |seq| (seq, if seq == refused { Refused } else { Taken });
        part.record(&[6, 10, 12, 14].map(fate));
        let sent = if refused == 14 { 12 } else { 14 };
        assert_eq!(part.cursor.high(), sent, "{refused}");
        assert!(part.backlog.holds(hot) && part.backlog.numbers().within(sent, 15).next().is_none());
    }
}
