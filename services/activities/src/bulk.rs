//! Many activities or notes at once. What happens is in `libs/bulk`.

use bulk::{Bulk, Target};
use db::WorkerDb;
use fleet::Role;
use operations::{Acting, Quota};
use record::Env;

use crate::activities::{self, ACTIVITY};
use crate::notes::{self, NOTE};

/// The objects whose records can be changed in bulk. What is over is closed in bulk, too: that is the guard of activities.
const TARGETS: &[Target] = &[
    Target { object: &ACTIVITY, open: activities::open, moves: false },
    Target { object: &NOTE, open: notes::open, moves: false },
];

/// What operations of this service work with.
pub fn operations(env: &Env, worker: WorkerDb) -> operations::Env {
    operations::Env {
        role: Role::Activities,
        kinds: bulk::KINDS,
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
