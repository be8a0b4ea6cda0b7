//! Queues the filling of fields that were created with an index in the slot of an archived one.
//!
//! Their creator has asked for the index, and the fields service cannot queue an operation here. It says in the event that the slot is
//! to be filled. No quota is asked: a tenant has no more of them than fields.

use std::sync::Arc;

use db::TenantTx;
use events::{Delivery, Event, Handler, HandlerError};
use operations::New;
use prost::Message;
use proto::records::v1::IndexFieldRequest;
use serde_json::Value;

use super::KIND;
use crate::App;

/// Hears of new fields.
pub(crate) const PATTERNS: &[&str] = &["fields.field.created.v1"];

/// Queues an operation of whoever created the field.
pub(crate) struct Listener(pub(crate) Arc<App>);

impl Handler for Listener {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let Self(app) = self;
        let event = &delivery.event;
        let Some(object) = self.to_fill(event) else { return Ok(()) };
        let request = IndexFieldRequest { object, id: event.record_id.to_string() }.encode_to_vec();
        let (id, now) = (app.env.clock.new_uuid(), app.env.clock.now_micros());
        let new = New { id, kind: KIND, principal: event.actor, request: &request, total: 0, now };
        operations::queue(&app.operations, tx, new).await?;
        Ok(())
    }

    fn committed(&self, delivery: &Delivery) {
        if self.to_fill(&delivery.event).is_some() {
            self.0.indexing.notify_one();
        }
    }
}

impl Listener {
    /// The object whose records a new field is to be filled for.
    fn to_fill(&self, event: &Event) -> Option<String> {
        if fact(event, "filling") != Some(Value::Bool(true)) {
            return None;
        }
        let Some(Value::String(object)) = fact(event, "object") else { return None };
        self.0.env.object(&object).is_some().then_some(object)
    }
}

/// What a field is after the change.
fn fact(event: &Event, name: &str) -> Option<Value> {
    serde_json::from_str(event.change(name)?.after.as_deref()?).ok()
}
