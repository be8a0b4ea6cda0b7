//! `last_activity_at` of contacts and companies: when the latest completed activity that names them was completed. The service `activities`
//! tells of each of them with all that it names.
//!
//! It is no change of the record, so it makes no version and no event.

mod store;

use std::collections::BTreeSet;

use db::{DbError, TenantTx};
use events::{Delivery, Event, Handler, HandlerError};
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use store::{COMPANIES, CONTACTS, Named};

/// The task that hears of activities.
pub(crate) const TASK: &str = "records.last_activity";
/// The events of them: one that is restored is told of as completed, again.
pub(crate) const PATTERNS: &[&str] =
    &["activities.activity.completed.v1", "activities.activity.deleted.v1", "activities.activity.purged.v1"];

/// Follows activities.
#[derive(Clone, Copy, Debug)]
pub struct Activities;

impl Handler for Activities {
    async fn handle(&self, tx: &mut TenantTx, delivery: &Delivery) -> Result<(), HandlerError> {
        let event = &delivery.event;
        // Events of a record may come in another order. A version has one of these events.
        if !store::is_news(tx, event.record_id, event.version).await? {
            return Ok(());
        }
        let completed_at = fact(event, "completed_at").filter(|_| event.verb() == "completed");
        let completed_at = completed_at.as_ref().and_then(Value::as_str);
        let completed_at = completed_at.and_then(|text| field_types::moment::datetime(text).ok());
        let links = fact(event, "links").unwrap_or_default();
        for named in [CONTACTS, COMPANIES] {
            follow(tx, &named, event.record_id, completed_at, &links).await?;
        }
        if event.verb() == "purged" {
            store::forget(tx, event.record_id).await?;
        }
        Ok(())
    }
}

/// Puts what an activity names in the place of what it named before; without a moment, nothing.
async fn follow(
    tx: &mut TenantTx,
    named: &Named,
    activity: Uuid,
    completed_at: Option<OffsetDateTime>,
    links: &Value,
) -> Result<(), DbError> {
    let links = links.as_array().into_iter().flatten().filter(|link| link["object"] == named.object);
    let ids = links.filter_map(|link| Uuid::try_parse(link["id"].as_str()?).ok());
    let new: Vec<Uuid> = ids.filter(|_| completed_at.is_some()).collect();
    let mut concerned: BTreeSet<Uuid> = store::held(tx, named, activity).await?.into_iter().collect();
    concerned.extend(&new);
    if concerned.is_empty() {
        return Ok(());
    }
    let concerned = Vec::from_iter(concerned);
    // Locked first: of two activities the second one sees what the first has stored.
    store::lock(tx, named, &concerned).await?;
    store::clear(tx, named, activity).await?;
    if let Some(completed_at) = completed_at {
        store::put(tx, named, activity, &new, completed_at).await?;
    }
    store::refresh(tx, named, &concerned).await
}

/// What a field is, as the event says.
fn fact(event: &Event, name: &str) -> Option<Value> {
    serde_json::from_str(event.change(name)?.after.as_deref()?).ok()
}
