//! Changes that other services report: definitions of custom fields, pipelines.

use auth::PrincipalKind;
use db::TenantTx;
use events::{Change, Delivery, Event, Handler, HandlerError};
use serde_json::{Map, Value};

use super::store;
use crate::changes::{self, Actor, AuditKey, Entry};

/// Writes an entry for each event. The inbox lets every event in once, and a record's events in their order.
#[derive(Clone, Debug)]
pub(crate) struct Reports {
    pub(crate) key: AuditKey,
}

impl Reports {
    /// What is written into the log.
    pub(crate) const PATTERNS: &'static [&'static str] = &["fields.field.*.v1", "pipeline.pipeline.*.v1"];
}

impl Handler for Reports {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        let Some((service, verb)) = event.kind.split('.').next().zip(action(event.verb())) else {
            return Err(HandlerError::dead(format!("{} has no action in the audit log", event.kind)));
        };
        let kind =
            if store::is_key(tx, event.actor).await? { PrincipalKind::ApiKey } else { PrincipalKind::User };
        let actor = Actor { kind, id: event.actor, request_id: String::new(), traceparent: None };
        let entry = Entry {
            action: format!("{service}.{}.{verb}", event.object),
            record_id: event.record_id,
            before: members(event, |change| change.before.as_deref())?,
            after: members(event, |change| change.after.as_deref())?,
            reason: String::new(),
        };
        if changes::record_reported(tx, &self.key, (event.time, &actor), entry).await? {
            Ok(())
        } else {
            Err(HandlerError::dead("there is no such organization"))
        }
    }
}

/// `created` is what `create` did.
fn action(verb: &str) -> Option<&'static str> {
    Some(match verb {
        "created" => "create",
        "updated" => "update",
        "deprecated" => "deprecate",
        "archived" => "archive",
        "restored" => "restore",
        "drafted" => "draft",
        "draft_deleted" => "delete_draft",
        "published" => "publish",
        _ => return None,
    })
}

/// What a change says to other services alone; the public form of the record does not have it.
const INTERNAL: &[&str] = &["filling"];

/// The members that changed, on one side of the change; `None` where the record was not there.
fn members(event: &Event, side: impl Fn(&Change) -> Option<&str>) -> Result<Option<String>, HandlerError> {
    let mut members = Map::new();
    for change in event.changes.iter().filter(|change| !INTERNAL.contains(&change.field.as_str())) {
        if let Some(text) = side(change) {
            members.insert(change.field.clone(), serde_json::from_str(text).map_err(HandlerError::dead)?);
        }
    }
    Ok((!members.is_empty()).then(|| Value::Object(members).to_string()))
}
