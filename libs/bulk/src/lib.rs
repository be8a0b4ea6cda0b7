#![doc = include_str!("../README.md")]

mod asked;
mod batch;
mod choose;
mod create;
mod detail;
mod job;
mod preview;
mod rpcs;
mod store;
mod undo;

use std::sync::{Arc, OnceLock};

use db::{DbError, TenantTx};
use error::Error;
use operations::{Acting, Kept, Quota};
use tokio::sync::Notify;
use transcode::{Api, CompileError};
use uuid::Uuid;

pub use asked::{Open, Target};
pub use create::{Created, Request};

/// The kinds of operations that are worked here: what was asked for, and its undoing.
pub const KINDS: &[&str] = &[KIND, UNDO];
const KIND: &str = "bulk";
const UNDO: &str = "undo";

/// Most records of one operation.
pub const MAX_RECORDS: i64 = 100_000;
/// Most of them where the caller does not say how many.
pub const DEFAULT_MAX_AFFECTED: i64 = 10_000;

/// The contract of REST, by which `changes` are read. Compiled when it is first needed.
fn api() -> Result<&'static Api, Error> {
    static API: OnceLock<Result<Api, CompileError>> = OnceLock::new();
    let compiled = API.get_or_init(|| Api::compile(proto::DESCRIPTORS));
    compiled.as_ref().map_err(|error| Error::internal(error.to_string()))
}

/// What bulk operations of a service work with. Cheap to clone.
#[derive(Clone)]
pub struct Bulk {
    env: record::Env,
    operations: operations::Env,
    targets: &'static [Target],
    quota: Quota,
    acting: Acting,
    queued: Arc<Notify>,
}

impl std::fmt::Debug for Bulk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bulk").field("targets", &self.targets).finish_non_exhaustive()
    }
}

impl Bulk {
    /// Of a service's objects.
    pub fn new(
        env: record::Env,
        operations: operations::Env,
        targets: &'static [Target],
        quota: Quota,
        acting: Acting,
    ) -> Self {
        Self { env, operations, targets, quota, acting, queued: Arc::default() }
    }
}

/// The records of bulk operations, as long as those are kept.
#[derive(Clone, Copy, Debug)]
pub struct Records;

impl Kept for Records {
    async fn forget(&self, tx: &mut TenantTx, operation: Uuid, limit: i64) -> Result<bool, DbError> {
        store::forget(tx, operation, limit).await
    }
}
