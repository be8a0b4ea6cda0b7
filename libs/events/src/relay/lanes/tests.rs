use super::*;
use crate::relay::cursor::Cursor;
use crate::relay::part::tests::row;

fn part(lane: Lane, late: usize, fresh: usize) -> Part {
    let rows = |n: usize| (1..=n as i64).map(|seq| row(seq, 0)).collect();
    let mut part = Part::new(lane, Cursor::default());
    (part.late, part.fresh) = (rows(late), rows(fresh));
    part
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
    // Within a lane half is for late events while both have enough.
    for ((late, fresh), expected) in
        [((450, 300), (200, 200)), ((450, 20), (380, 20)), ((30, 500), (30, 370))]
    {
        let mut parts = [part(Lane::Interactive, late, fresh), part(Lane::Bulk, 0, 500)];
        share(&mut parts);
        assert_eq!(
            (parts[0].late.len(), parts[0].fresh.len(), parts[1].fresh.len()),
            (expected.0, expected.1, 100)
        );
    }
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
    assert_eq!((broker.1.len(), why), (1, "full"));
}

#[tokio::test]
async fn a_refusal_ends_the_waves_of_its_lane_and_not_those_of_the_other() {
    let events = [(1, Lane::Interactive), (2, Lane::Interactive), (3, Lane::Bulk), (4, Lane::Bulk)];
    let window: Vec<(Lane, Row)> = events.map(|(seq, lane)| (lane, row(seq, 7))).into();
    let mut broker = Broker(vec![3], vec![]);
    let (fates, why) = waves::publish(&window, &mut broker).await.unwrap();
    assert_eq!(fates, [Fate::Taken, Fate::Taken, Fate::Refused, Fate::Refused]);
    assert_eq!((broker.1, why), (vec![vec![1, 3], vec![2]], "full"));
}
