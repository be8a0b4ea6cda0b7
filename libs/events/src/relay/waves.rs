//! Publishes a window: an event is sent only once the previous event of its record is confirmed.
//!
//! The first of each record go together, then the second of each, … An event that is refused could else be overtaken by the
//! next of its record, which finds room a moment later. Each wave waits for the broker, so a window has a few events of a record
//! only (`part.rs`): one that is written very often has its next events sent in the next cycles, and holds up neither the other
//! records of its lane nor the other lane.

use std::collections::HashSet;

use super::RelayError;
use super::lanes::Publish;
use super::store::Row;
use crate::Lane;

/// Events of a record in a window, and so waves.
pub(super) const WAVES: usize = 4;

/// What became of an event of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// Confirmed, and routed to a queue.
    Taken,
    /// The broker refused it, or one before it.
    Refused,
}

/// Publishes a window. Nothing more of a lane is published after a refusal; the reason of it is the second part.
pub(super) async fn publish(
    window: &[(Lane, Row)],
    broker: &mut impl Publish,
) -> Result<(Vec<Fate>, &'static str), RelayError> {
    let mut fates = vec![Fate::Refused; window.len()];
    let mut rest: Vec<usize> = (0..window.len()).collect();
    let mut why = "";
    while !rest.is_empty() {
        let mut records = HashSet::with_capacity(rest.len());
        let (wave, mut later): (Vec<usize>, Vec<usize>) =
            rest.iter().partition(|at| records.insert((window[**at].0, window[**at].1.record_id)));
        let events: Vec<&(Lane, Row)> = wave.iter().map(|at| &window[*at]).collect();
        let outcome = broker.publish(&events).await?;
        for (at, taken) in wave.iter().zip(&outcome.taken) {
            if *taken {
                fates[*at] = Fate::Taken;
            } else {
                later.retain(|later| window[*later].0 != window[*at].0);
                why = outcome.why;
            }
        }
        rest = later;
    }
    Ok((fates, why))
}
