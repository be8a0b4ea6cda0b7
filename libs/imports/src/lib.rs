#![doc = include_str!("../README.md")]

mod attached;
mod batch;
mod blame;
pub mod cells;
mod create;
mod decide;
mod detected;
mod file;
mod header;
mod hints;
pub mod importable;
mod job;
pub mod mapping;
mod merge;
mod naming;
mod overlay;
mod owners;
mod plan;
mod preview;
mod references;
mod row;
mod session;
mod store;
mod suggest;

use std::sync::Arc;

use operations::{Acting, Quota};
use record::Env;
use tokio::sync::Notify;

use crate::importable::Importable;

pub use attached::{Attached, Change, Held};
pub use file::{BATCH, Batches, Beginning, Examined, Fault, File, Files, Header, Row};
pub use header::simplified;
pub use hints::Hints;
pub use job::DryRuns;
pub use naming::Lookups;
pub use owners::{FindUsers, users};
pub use preview::CELL;
pub use row::ReadRow;
pub use suggest::{Names, PHONE_COLUMNS, standard};

/// The kind of an operation that is an import.
pub const KIND: &str = "import";

/// What a service brings to imports of its records.
#[derive(Clone)]
pub struct Parts {
    /// What operations on records work with.
    pub env: Env,
    /// What operations work with; [`KIND`] is among its kinds.
    pub operations: operations::Env,
    /// How an import acts for whoever asked for it.
    pub acting: Acting,
    /// How many operations one tenant may have.
    pub quota: Quota,
    /// Asks whose e-mail addresses these are.
    pub users: FindUsers,
    /// Reads uploads.
    pub files: Arc<dyn Files>,
    /// Finds what rows name.
    pub lookups: Arc<dyn Lookups>,
    /// The objects whose records come out of files; the first is the one of a preview that names none.
    pub objects: &'static [&'static Importable],
}

/// Imports of a service's records. Cheap to clone.
#[derive(Clone)]
pub struct Imports {
    parts: Parts,
    queued: Arc<Notify>,
}

impl Imports {
    /// Of these parts.
    pub fn new(parts: Parts) -> Self {
        Self { parts, queued: Arc::default() }
    }
}

impl std::ops::Deref for Imports {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.parts
    }
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").field("objects", &self.objects).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Imports {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Imports").field("parts", &self.parts).finish_non_exhaustive()
    }
}
