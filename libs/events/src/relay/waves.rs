//! How a window is published: no event of a record is on its way before the one before it was confirmed.
//!
//! The first of each record go together, then the second of each, … An event that is refused could else be overtaken by the
//! next of its record, which finds room a moment later. Each wave waits for the broker, so there are a few in a cycle only: a
//! record that is written very often has its next events sent in the next cycles, and holds up neither the other records of its
//! lane nor the other lane.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::RelayError;
use super::lanes::Publish;
use super::store::Row;
use crate::Lane;

/// Waves in a cycle, and so events of a record.
pub(super) const WAVES: usize = 4;

/// What became of an event of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Confirmed, and routed to a queue.
    Taken,
    /// The broker refused it, or one before it.
    Refused,
    /// Enough of its record were sent; not offered to the broker.
    Deferred,
}

/// Publishes a window. Nothing more is published after a refusal; the reason of it is the second part.
pub(super) async fn publish(
    window: &[(Lane, Row)],
    broker: &mut impl Publish,
) -> Result<(Vec<Fate>, &'static str), RelayError> {
    let mut fates = vec![Fate::Deferred; window.len()];
    let mut rest: Vec<usize> = (0..window.len()).collect();
    for _ in 0..WAVES {
        if rest.is_empty() {
            break;
        }
        let mut records = HashSet::with_capacity(rest.len());
        let (wave, later): (Vec<usize>, Vec<usize>) =
            rest.iter().partition(|at| records.insert((window[**at].0, window[**at].1.record_id)));
        let events: Vec<&(Lane, Row)> = wave.iter().map(|at| &window[*at]).collect();
        let outcome = broker.publish(&events).await?;
        for (at, taken) in wave.iter().zip(&outcome.taken) {
            fates[*at] = if *taken { Fate::Taken } else { Fate::Refused };
        }
        if !outcome.taken.iter().all(|taken| *taken) {
            for at in later {
                fates[at] = Fate::Refused;
            }
            return Ok((fates, outcome.why));
        }
        rest = later;
    }
    Ok((fates, ""))
}

/// The numbers of `found` (in order) that one cycle can send, at most `most`: of each record the first ones.
pub(super) fn first_of_each(found: &[(i64, Uuid)], most: usize) -> Vec<i64> {
    let mut counts: HashMap<Uuid, usize> = HashMap::new();
    let sendable = found.iter().filter(|(_, record)| {
        let count = counts.entry(*record).or_default();
        *count += 1;
        *count <= WAVES
    });
    sendable.map(|(seq, _)| *seq).take(most).collect()
}
