//! Many deals at once. What happens is in `libs/bulk`.

use bulk::{Bulk, Target};
use db::WorkerDb;
use fleet::Role;
use operations::{Acting, Quota};
use record::Env;

use crate::deals::{DEAL, open};

/// The objects whose records can be changed in bulk.
const TARGETS: &[Target] = &[Target { object: &DEAL, open, moves: true }];

/// The kinds of operations of this service.
const KINDS: &[&str] = &[bulk::KINDS[0], bulk::KINDS[1], imports::KIND];

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
pub fn bulk(env: &Env, operations: &operations::Env, quota: Quota, acting: Acting) -> Bulk {
    Bulk::new(env.clone(), operations.clone(), TARGETS, quota, acting)
}
