//! Compares the outbox with what the broker took.
//!
//! Every number that was confirmed is kept (`relay_sent`, in the transaction that saves the cursor), whatever the hole rule
//! thinks of it. A committed event at or below the cursor that is neither a hole nor among them was passed without being
//! sent: by a defect of the rule, by a cursor that somebody moved, by numbers that were drawn twice. It becomes a hole again
//! and the next cycle sends it. It comes late, so it may come after newer events of its record; consumers compare versions.
//!
//! Each look reads the newest numbers and some older ones in turn, so its cost does not grow with the outbox, and all that
//! is kept is looked at again and again: a transaction may commit hours after its number was passed.

use super::lanes::{Lanes, MAX_HOLES};
use super::sent::BUCKET;
use super::{RelayError, store};
use crate::Lane;

/// Buckets below the cursor in every look.
const NEWEST: i64 = 8;
/// Older buckets in each look.
const OLDER: i64 = 32;
/// Lost events taken up again by one look and lane.
const MOST: usize = 500;

impl Lanes {
    /// Finds events that were passed and makes holes of them; gives how many in each lane, and the first number.
    pub(super) async fn reconcile(&mut self) -> Result<Vec<(Lane, usize, i64)>, RelayError> {
        let mut found = Vec::new();
        for part in &mut self.parts {
            let high = part.cursor.high();
            let room = MOST.min(MAX_HOLES.saturating_sub(part.cursor.holes().len()));
            let missing = part.cursor.missing().text();
            let newest = (high / BUCKET - NEWEST).max(0);
            let range = (newest * BUCKET, high);
            let mut lost = store::lost(&self.db, part.lane, range, &missing, room as i64).await?;
            let from = match part.round {
                Some(from) => from,
                None => store::oldest(&self.db, part.lane).await?.map_or(newest, |seq| seq / BUCKET),
            };
            let to = (from + OLDER).min(newest);
            if from < to {
                let (range, room) = ((from * BUCKET, to * BUCKET - 1), (room - lost.len()) as i64);
                lost.extend(store::lost(&self.db, part.lane, range, &missing, room).await?);
            }
            part.round = (to < newest).then_some(to);
            let Some(first) = lost.iter().min().copied() else { continue };
            for seq in &lost {
                part.cursor.reopen(*seq);
            }
            found.push((part.lane, lost.len(), first));
        }
        Ok(found)
    }
}
