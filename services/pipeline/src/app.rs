//! What operations work with.

use auth::Gate;
use db::Db;
use events::Wake;
use ids::Clock;
use query::CursorKey;

use crate::roles::AskRoles;

/// The parts of the service.
pub struct App {
    /// Admits calls.
    pub gate: Gate,
    /// The app role's pool.
    pub db: Db,
    /// Time and ids.
    pub clock: Clock,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Wakes the relay.
    pub wake: Wake,
    /// Asks which roles do not exist.
    pub roles: AskRoles,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
