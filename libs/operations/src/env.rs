//! What operations work with.

use db::{Db, WorkerDb};
use fleet::Role;
use ids::Clock;
use query::CursorKey;

/// What operations of a service work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// The service that does the work: its name is the prefix of public ids.
    pub role: Role,
    /// Every kind of operation that the service has.
    pub kinds: &'static [&'static str],
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool, for claims.
    pub worker: WorkerDb,
    /// Time and ids.
    pub clock: Clock,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
}
