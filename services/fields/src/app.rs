//! What operations work with.

use auth::Gate;
use db::Db;
use events::Wake;
use ids::Clock;
use query::CursorKey;

/// The parts of the service.
#[derive(Debug)]
pub(crate) struct App {
    pub(crate) gate: Gate,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    /// Signs page tokens.
    pub(crate) cursor_key: CursorKey,
    /// Wakes the relay.
    pub(crate) wake: Wake,
}
