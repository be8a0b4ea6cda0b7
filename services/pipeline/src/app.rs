//! What operations work with.

use std::sync::Arc;

use auth::Gate;
use bulk::Bulk;
use imports::Imports;
use record::Env;
use tokio::sync::Notify;

use crate::roles::AskRoles;

/// The parts of the service.
pub struct App {
    /// Admits calls.
    pub gate: Gate,
    /// What operations on deals work with, and those on pipelines.
    pub env: Env,
    /// What operations work with.
    pub operations: operations::Env,
    /// What bulk operations work with.
    pub bulk: Bulk,
    /// What imports work with.
    pub imports: Imports,
    /// Asks which roles do not exist.
    pub roles: AskRoles,
    /// Notified when something was published: deals may have to be moved.
    pub published: Arc<Notify>,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
