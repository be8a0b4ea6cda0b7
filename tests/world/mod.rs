//! What the suites of services have in common: a ground with a database, a service on it, callers, and what they learn.

mod caller;
pub mod definitions;
mod dice;
mod gate;
mod ground;
mod known;
mod left;
mod may;
mod refusal;
mod statements;
#[allow(clippy::module_inception, reason = "the folder is for all that makes up a world")]
mod world;

/// The secret of the audit log.
pub const AUDIT_SECRET: &str = "a-secret-of-the-audit-log-for-tests";

pub use caller::{Caller, request};
pub use dice::Dice;
pub use gate::{Principal, TestGate};
pub use ground::Ground;
pub use known::Known;
pub use left::left_behind;
pub use may::{ALL, May, NOTHING};
pub use refusal::{Refusal, done};
pub use statements::statements;
pub use world::World;
