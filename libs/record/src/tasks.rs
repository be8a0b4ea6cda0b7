//! Starts the background tasks of a service with records: consumers of events, and periodic jobs.

use std::sync::Arc;

use events::broadcast::Notice;
use service::Frame;
use tokio::sync::Notify;

use crate::config::MaintenanceConfig;
use crate::peer_records::{Listener, Reconciler};
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

/// Updates records when records of other services that they refer to are deleted, restored or purged: `peers` are the objects of
/// those records, `patterns` those events.
pub fn follow_references(
    frame: &Frame,
    env: &Env,
    peers: &'static [&'static str],
    patterns: &'static [&'static str],
) {
    let (role, objects) = (env.role, env.objects);
    let (heard, clock) = (Arc::new(Notify::new()), frame.clock.clone());
    let listener = Listener { peers, objects, clock: clock.clone(), heard: heard.clone() };
    frame.consume(role.names().peer_records, patterns, listener);
    let (db, worker, wake) = (frame.db.clone(), frame.worker.clone(), frame.wake.clone());
    frame.rounds(Reconciler { role, objects, db, worker, clock, wake, heard });
}

/// Starts the comparison of derived data and the purge of the trash.
pub fn start_maintenance(frame: &Frame, env: &Env, config: MaintenanceConfig) {
    let (role, objects) = (env.role, env.objects);
    let (db, worker, clock) = (|| frame.db.clone(), || frame.worker.clone(), || frame.clock.clone());
    let every = config.derived_check_every.0;
    frame.rounds(DerivedCheck { role, objects, db: db(), worker: worker(), clock: clock(), every });
    let (wake, retention) = (frame.wake.clone(), config.trash_retention.0);
    frame.rounds(Purge { role, objects, db: db(), worker: worker(), clock: clock(), wake, retention });
}
