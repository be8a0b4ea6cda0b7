//! Imports of CSV files: checked when asked for, worked by a job, in batches that commit with their checkpoint.

mod batch;
mod book;
pub(crate) mod create;
pub(crate) mod job;
mod judge;
mod mapping;
mod plan;
mod row;
mod session;
mod source;
mod store;
mod table;

pub use job::DryRuns;
