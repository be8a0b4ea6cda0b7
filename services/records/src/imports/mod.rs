//! Imports of CSV files: checked when asked for, worked by a job, in batches that commit with their checkpoint.

mod batch;
pub(crate) mod create;
mod decide;
pub(crate) mod job;
mod mapping;
mod overlay;
mod plan;
mod row;
mod session;
mod source;
mod store;
mod table;

pub use job::DryRuns;

/// The kind of an operation that is an import.
const KIND: &str = "import";
/// The kinds of operations of this service.
pub(crate) const KINDS: &[&str] = &[KIND];
