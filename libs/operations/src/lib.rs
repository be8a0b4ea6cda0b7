#![doc = include_str!("../README.md")]

mod acting;
mod backlog;
mod cancel;
mod claim;
pub mod config;
mod env;
mod errors;
mod get;
mod id;
mod kept;
mod kept_errors;
mod list;
mod metrics;
mod operation;
mod purge;
mod quota;
mod stop;
mod store;
pub mod undo;
mod worker;

pub use acting::{Acting, ServiceToken, service_token};
pub use cancel::cancel;
pub use claim::{Claim, Held, Tally};
pub use env::Env;
pub use errors::{Piece, errors};
pub use get::get;
pub use kept::Kept;
pub use kept_errors::{KeptErrors, MAX_ERRORS};
pub use list::{Listed, list};
pub use operation::{New, RowError, queue};
pub use purge::Purge;
pub use quota::Quota;
pub use stop::{Detail, Failure, Stop};
pub use worker::{Job, Worked, run};
