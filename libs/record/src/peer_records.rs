//! Keeps references to records of other services current: when such a record is deleted, restored or purged, the records here
//! that name it say so, or drop the reference.
//!
//! The [`Listener`] consumes the owner's events and stores the newest state of each record in the table `peer_record`. The
//! [`Reconciler`] applies it to the records here, in passes over those that name the record.
//!
//! - **Order.** Events of a record can arrive out of order, hours or weeks apart: lanes overtake each other, and a failed event
//!   waits to be replayed. A state applies only if its version is newer than the stored one. The row therefore stays after it is
//!   applied, for longer than any event can be under way, wherever an older event could still do harm: when the record is
//!   live, or deleted and named. Of a record that is deleted and not named, or purged, nothing is left to harm.
//! - **Writes in flight.** A reference is validated before its transaction, which may then commit one to a record that has just
//!   gone. So deletions and purges get a pass five minutes after they were heard, when no such transaction is open any more. If
//!   nothing names the record when it is heard of, that is the only pass, and many such records share it.
//! - **Fairness.** A round serves every tenant with due work once, by a bounded amount of work.

mod listener;
mod reconciler;
mod store;

use std::time::Duration;

pub use listener::Listener;
pub use reconciler::Reconciler;

/// Longer than a write takes from the validation of its references to its commit.
const SETTLED: Duration = Duration::from_secs(300);

/// The state of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is not in the trash.
    Live,
    /// It is in the trash.
    Deleted,
    /// It no longer exists.
    Purged,
}

impl State {
    const ALL: [Self; 3] = [Self::Live, Self::Deleted, Self::Purged];

    /// The state after an event with this verb; `None` if the event does not change the state.
    fn after(verb: &str) -> Option<Self> {
        match verb {
            "restored" => Some(Self::Live),
            "deleted" => Some(Self::Deleted),
            "purged" => Some(Self::Purged),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Deleted => "deleted",
            Self::Purged => "purged",
        }
    }

    fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.name() == name)
    }
}
