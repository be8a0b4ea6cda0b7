//! Many deals at once. What happens is in `libs/bulk`.

use bulk::{Bulk, ServiceToken, Target};
use db::WorkerDb;
use fleet::Role;
use operations::Quota;
use record::Env;

use auth::Gate;

use crate::deals::{DEAL, open};

/// The kinds of operations of this service.
const KINDS: &[&str] = bulk::KINDS;

/// The objects whose records can be changed in bulk.
const TARGETS: &[Target] = &[Target { object: &DEAL, open, moves: true }];

/// What operations of this service work with.
pub fn operations(env: &Env, worker: WorkerDb) -> operations::Env {
    operations::Env {
        role: Role::Pipeline,
        kinds: KINDS,
        db: env.db.clone(),
        worker,
        clock: env.clock.clone(),
        cursor_key: env.cursor_key.clone(),
    }
}

/// What bulk operations of this service work with.
pub fn bulk(env: &Env, operations: &operations::Env, quota: Quota, acts: (Gate, ServiceToken)) -> Bulk {
    Bulk::new(env.clone(), operations.clone(), TARGETS, quota, acts)
}
