//! Imports of CSV files: checked when asked for, worked by a job, in batches that commit with their checkpoint.

mod batch;
mod blame;
pub(crate) mod cells;
pub(crate) mod create;
mod decide;
pub(crate) mod detected;
mod header;
mod hints;
pub(crate) mod importable;
pub(crate) mod job;
mod linking;
mod mapping;
mod merge;
mod named;
mod options;
mod overlay;
mod plan;
pub(crate) mod preview;
mod row;
mod session;
mod source;
mod store;
mod suggest;
mod table;
mod upload;

pub use job::DryRuns;
pub(crate) use source::readers;
pub(crate) use table::{MAX_COLUMNS, MAX_ROW, MAX_ROWS};

/// The kind of an operation that is an import.
pub(crate) const KIND: &str = "import";
