//! What operations work with.

use auth::Gate;
use bulk::Bulk;
use operations::ServiceToken;
use record::Env;

use crate::calendar::CalendarOwner;

/// The parts of the service.
pub struct App {
    /// Admits calls.
    pub gate: Gate,
    /// What operations on activities and notes work with.
    pub env: Env,
    /// What operations work with.
    pub operations: operations::Env,
    /// What bulk operations work with.
    pub bulk: Bulk,
    /// Asks whose calendar a token opens.
    pub calendar_owner: CalendarOwner,
    /// Tokens with which the service reads a calendar for its user.
    pub service_token: ServiceToken,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}
