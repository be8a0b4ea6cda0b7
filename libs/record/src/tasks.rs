//! Starts the background tasks of a service with records: consumers of events, and periodic jobs.

use std::sync::Arc;

use events::broadcast::Notice;
use service::Frame;
use tokio::sync::Notify;

use crate::config::MaintenanceConfig;
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

/// Updates records when records of other services that they refer to are deleted, restored or purged; `patterns` are those events.
pub fn follow_references(frame: &Frame, env: &Env, patterns: &'static [&'static str]) {
    let (heard, clock) = (Arc::new(Notify::new()), frame.clock.clone());
    let listener = Listener { clock: clock.clone(), heard: heard.clone() };
    frame.consume(env.role.names().elsewhere, patterns, listener);
    let (db, worker, wake) = (frame.db.clone(), frame.worker.clone(), frame.wake.clone());
    frame.rounds(Follower { role: env.role, objects: env.objects, db, worker, clock, wake, heard });
}

/// Starts the comparison of derived data and the purge of the trash.
pub fn start_maintenance(frame: &Frame, env: &Env, config: MaintenanceConfig) {
    let (role, objects) = (env.role, env.objects);
    let (db, worker, clock) = (|| frame.db.clone(), || frame.worker.clone(), || frame.clock.clone());
    let every = config.derived_check_every;
    frame.rounds(DerivedCheck { role, objects, db: db(), worker: worker(), clock: clock(), every });
    let (wake, retention) = (frame.wake.clone(), config.trash_retention);
    frame.rounds(Purge { role, objects, db: db(), worker: worker(), clock: clock(), wake, retention });
}
