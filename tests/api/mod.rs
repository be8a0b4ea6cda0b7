//! The REST contract beyond the journey: what every client library relies on.

mod accounts;
mod audit_log;
mod calendars;
mod conditions;
mod demo;
mod documents;
mod duplicates;
mod following;
mod idempotency;
mod imports_deals;
mod imports_mapping;
mod imports_reading;
mod includes;
mod indexing;
mod keys;
mod limits;
mod lists;
mod log_lines;
mod methods;
pub mod metrics;
mod metrics_list;
mod notes;
mod one_process;
mod operations;
mod patching;
mod pipelines;
mod refusals;
mod reload;
mod timelines;
mod uploads;
mod values;
mod writing;

use serde_json::json;

use crate::client::Answer;
use crate::stage::{Tenant, text};

/// A problem is whole: its members, its type, its request id.
#[track_caller]
fn problem(answer: &Answer, status: u16, reason: &str) {
    let problem = answer.refused(status, reason);
    assert_eq!(problem["type"], format!("/problems/{reason}"), "{problem}");
    for member in ["title", "code", "detail"] {
        assert!(problem[member].as_str().is_some_and(|t| !t.is_empty()), "no {member}: {problem}");
    }
    let request_id = answer.header("x-request-id").expect("X-Request-Id");
    let kind = if uuid::Uuid::try_parse(request_id).is_ok() { "uuid" } else { "globcrm:request" };
    assert_eq!(problem["instance"], format!("urn:{kind}:{request_id}"), "{problem}");
    assert_eq!(answer.header("api-version"), Some("1"));
    assert_eq!(answer.header("www-authenticate").is_some(), status == 401, "{:?}", answer.headers);
}

/// A new contact's path.
async fn contact(tenant: &Tenant, last_name: &str) -> String {
    let made = tenant.admin.post("/api/v1/contacts", json!({"last_name": last_name})).await.expect(201);
    format!("/api/v1/contacts/{}", text(&made["id"]))
}
