//! The journal: every event of a tenant once, under a number without gaps (ADR 0021).
//!
//! An event is written and numbered in one transaction, that of the consumer with its inbox row. Who draws a number locks the tenant's row in
//! `journal_head` until the commit. So there is one writer of a tenant at a time, whichever queues and instances its events come by; whoever
//! sees number `n` sees all before it; a number that is not committed is drawn again; and an event that comes again, or late, meets its inbox
//! row. The lock is the lease, and the connection is its fence: a writer that stalls loses its connection after ten seconds, and can
//! commit nothing afterwards.

mod entry;
mod listener;
mod partitions;
pub(crate) mod store;

pub use listener::{CONSUMER, Listener};
pub use partitions::Partitions;
pub use store::{Head, head};
