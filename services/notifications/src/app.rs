//! What operations work with.

use auth::Gate;

use crate::event_types::Catalogue;

/// The parts of the service.
#[derive(Clone, Debug)]
pub struct App {
    /// Admits calls.
    pub gate: Gate,
    /// Every type of event.
    pub catalogue: Catalogue,
}
