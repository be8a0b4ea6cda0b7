use super::*;

fn row(seq: i64, record: u128) -> Row {
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

fn part(lane: Lane, late: usize, fresh: usize) -> Part {
    let rows = |n: usize| (1..=n as i64).map(|seq| row(seq, 0)).collect();
    Part { late: rows(late), fresh: rows(fresh), ..Part::new(lane, Cursor::default()) }
}

#[test]
fn lanes_share_the_window_four_to_one_and_lend_what_they_do_not_need() {
    for ((interactive, bulk), expected) in [
        ((500, 500), (400, 100)),
        ((450, 500), (400, 100)),
        ((10, 500), (10, 490)),
        ((500, 0), (500, 0)),
        ((500, 30), (470, 30)),
        ((0, 500), (0, 500)),
        ((0, 0), (0, 0)),
    ] {
        let mut parts = [part(Lane::Interactive, 0, interactive), part(Lane::Bulk, 0, bulk)];
        share(&mut parts);
        assert_eq!((parts[0].fresh.len(), parts[1].fresh.len()), expected, "{interactive}:{bulk}");
    }
    let mut parts = [part(Lane::Interactive, 450, 300), part(Lane::Bulk, 0, 500)];
    share(&mut parts);
    assert_eq!((parts[0].late.len(), parts[0].fresh.len(), parts[1].fresh.len()), (400, 0, 100));
}

#[tokio::test]
async fn the_cursor_stops_at_the_first_refused_and_keeps_a_refused_late_event() {
    let mut part = part(Lane::Interactive, 0, 0);
    use Fate::{Deferred, Refused, Taken};
    part.record(&[(3, Taken)]);
    part.cursor.bind(9);
    assert_eq!(part.cursor.flat(), [1, 2, 9]);
    assert_eq!(part.brake.window, WINDOW);
    part.record(&[(1, Refused), (2, Taken), (4, Taken), (6, Refused), (7, Taken)]);
    assert_eq!((part.cursor.high(), part.cursor.flat()), (4, vec![1, 1, 9]));
    assert_eq!(part.taken, [2, 4, 7]);
    // Refused: one at a time until it is taken.
    assert!(part.brake.holds() && part.brake.window == 1);
    part.record(&[(1, Taken)]);
    assert!(!part.brake.holds() && part.brake.window == 2);
    // Deferred: neither a refusal nor passed for good.
    part.record(&[(5, Taken), (6, Deferred), (7, Deferred), (8, Taken), (9, Deferred)]);
    part.cursor.bind(12);
    assert_eq!((part.cursor.high(), part.cursor.flat()), (8, vec![6, 7, 12]));
    assert_eq!(part.taken, [5, 8]);
    assert!(!part.brake.holds() && part.brake.window == 4);
    part.record(&[(6, Taken), (7, Deferred), (9, Refused)]);
    assert_eq!((part.cursor.high(), part.cursor.flat()), (8, vec![7, 7, 12]));
}

/// Refuses some numbers and notes what it was given in each wave.
struct Broker(Vec<i64>, Vec<Vec<i64>>);

impl Publish for Broker {
    async fn publish(&mut self, wave: &[&(Lane, Row)]) -> Result<Outcome, RelayError> {
        self.1.push(wave.iter().map(|(_, row)| row.seq).collect());
        Ok(Outcome { taken: wave.iter().map(|(_, row)| !self.0.contains(&row.seq)).collect(), why: "full" })
    }
}

#[tokio::test]
async fn an_event_is_published_when_the_one_before_it_of_its_record_is_confirmed() {
    let window: Vec<(Lane, Row)> = [(1, 7), (2, 8), (3, 7), (4, 9), (5, 7), (6, 8)]
        .map(|(seq, record)| (Lane::Interactive, row(seq, record)))
        .into();
    let mut broker = Broker(vec![], vec![]);
    let (fates, _) = waves::publish(&window, &mut broker).await.unwrap();
    assert_eq!(fates, [Fate::Taken; 6]);
    assert_eq!(broker.1, [vec![1, 2, 4], vec![3, 6], vec![5]]);
    // Nothing after a refusal.
    let mut broker = Broker(vec![2], vec![]);
    let (fates, why) = waves::publish(&window, &mut broker).await.unwrap();
    let taken: Vec<bool> = fates.iter().map(|fate| *fate == Fate::Taken).collect();
    assert_eq!(taken, [true, false, false, true, false, false]);
    assert!(!fates.contains(&Fate::Deferred));
    assert_eq!((broker.1.len(), why), (1, "full"));
}

#[tokio::test]
async fn a_record_with_many_events_costs_a_few_waves_and_holds_up_no_other() {
    // Of 500 events each fifth is of another record.
    let window: Vec<(Lane, Row)> = (1..=500)
        .map(|seq| {
            (
                Lane::Interactive,
                row(seq, if seq % 5 == 0 { 1_000 + u128::from(seq.unsigned_abs()) } else { 7 }),
            )
        })
        .collect();
    let mut broker = Broker(vec![], vec![]);
    let (fates, _) = waves::publish(&window, &mut broker).await.unwrap();
    let of = |hot: bool, fate| {
        let rows = window.iter().zip(&fates).filter(|((_, row), _)| (row.seq % 5 != 0) == hot);
        rows.filter(|(_, is)| **is == fate).count()
    };
    assert_eq!(broker.1.len(), 4, "waves");
    assert_eq!((of(false, Fate::Taken), of(true, Fate::Taken), of(true, Fate::Deferred)), (100, 4, 396));
    assert_eq!(broker.1.concat().into_iter().filter(|seq| seq % 5 != 0).collect::<Vec<_>>(), [1, 2, 3, 4]);
}

#[test]
fn of_what_is_late_a_cycle_takes_the_first_of_each_record() {
    let found: Vec<(i64, Uuid)> = [(1, 7), (2, 7), (3, 8), (4, 7), (5, 7), (6, 7), (8, 8), (9, 7)]
        .map(|(seq, r)| (seq, Uuid::from_u128(r)))
        .into();
    assert_eq!(waves::first_of_each(&found, 500), [1, 2, 3, 4, 5, 8]);
    assert_eq!(waves::first_of_each(&found, 2), [1, 2]);
}
