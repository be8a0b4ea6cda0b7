//! What runs by itself for records: what follows events, and what goes on round after round.

use std::sync::Arc;

use events::broadcast::Notice;
use service::Frame;
use tokio::sync::Notify;

use crate::config::Kept;
use crate::elsewhere::{Follower, Listener};
use crate::{DerivedCheck, Env, Purge};

/// Drops definitions of custom fields as they change, in this instance.
pub fn follow_definitions(frame: &Frame, env: &Env) {
    let definitions = env.definitions.clone();
    frame.broadcast(env.role.names().definitions, &["fields.field.*.v1"], move |notice| match notice {
        Notice::Event(event) => definitions.forget(event.tenant.uuid()),
        // While the connection was away anything may have changed.
        Notice::Connected => definitions.forget_all(),
    });
}

/// Follows what becomes of records of other services that records here name; `patterns` are the events that say so.
pub fn follow_elsewhere(frame: &Frame, env: &Env, patterns: &'static [&'static str]) {
    let (heard, clock) = (Arc::new(Notify::new()), frame.clock.clone());
    let listener = Listener { clock: clock.clone(), heard: heard.clone() };
    frame.consume(env.role.names().elsewhere, patterns, listener);
    let (db, worker, wake) = (frame.db.clone(), frame.worker.clone(), frame.wake.clone());
    frame.rounds(Follower { role: env.role, objects: env.objects, db, worker, clock, wake, heard });
}

/// Compares what is derived of records, and removes what has lain in the trash for long enough.
pub fn keep(frame: &Frame, env: &Env, kept: Kept) {
    let (role, objects) = (env.role, env.objects);
    let (db, worker, clock) = (|| frame.db.clone(), || frame.worker.clone(), || frame.clock.clone());
    let every = kept.derived_check_every;
    frame.rounds(DerivedCheck { role, objects, db: db(), worker: worker(), clock: clock(), every });
    let (wake, retention) = (frame.wake.clone(), kept.trash_retention);
    frame.rounds(Purge { role, objects, db: db(), worker: worker(), clock: clock(), wake, retention });
}
