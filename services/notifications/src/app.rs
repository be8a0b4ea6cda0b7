//! What operations work with.

use std::sync::Arc;

use auth::Gate;
use db::Db;
use query::CursorKey;

use crate::event_types::Catalogue;
use crate::sync::Ask;
use crate::waiting::Waiting;

/// The parts of the service.
pub struct App {
    /// Admits calls.
    pub gate: Gate,
    /// The journal.
    pub db: Db,
    /// Seals cursors.
    pub cursor_key: CursorKey,
    /// Every type of event.
    pub catalogue: Catalogue,
    /// Those who wait for something to come.
    pub waiting: Arc<Waiting>,
    /// Asks the services that keep records.
    pub ask: Ask,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
