//! What people of this trade run into, by the field reports: a test a kind, over REST, with values that no report names.
//!
//! | what was reported | tests |
//! |---|---|
//! | delimiters, hints, encodings of files | `imports_reading` |
//! | quotes, surplus cells | `imports_grammar` |
//! | failures that name nothing, columns and what they may feed, dates, regions | `imports_mapping` |
//! | lists and "no" in imports that update | `imports_updates` |
//! | `PATCH` of maps, of records sent back whole; ties | `merging` |
//! | lengths, invisible characters, pasted phone numbers, look-alikes | `texts` |
//! | time zones, languages, currencies, countries, birthdays, domains | `reference_data` |
//! | passwords, invitations, refresh tokens, expired keys, roles on fields that are none | `accounts` |
//! | `If-Match`, request ids, encoded verbs | `conditions` |
//! | `Idempotency-Key` and the ways to write one body | `idempotency` |
//! | what a filter's operand is, and what it says when it is refused | `filters` |
//! | addresses that another contact has | `duplicates` |
//! | transactions of calls that were closed | `connections`, and point by point the suite `cancellation` |

mod accounts;
mod conditions;
mod connections;
mod duplicates;
mod files;
mod filters;
mod idempotency;
mod imports_grammar;
mod imports_mapping;
mod imports_reading;
mod imports_updates;
mod merging;
mod reference_data;
mod texts;

use serde_json::{Value, json};

use crate::client::Answer;
use crate::stage::{Tenant, text};

/// What did not come out as it must, so that a table tells all of it at once.
#[derive(Default)]
struct Wrong(Vec<String>);

impl Wrong {
    fn unless(&mut self, right: bool, what: impl FnOnce() -> String) {
        if !right {
            self.0.push(what());
        }
    }

    #[track_caller]
    fn none(self) {
        assert!(self.0.is_empty(), "{} wrong:\n{}", self.0.len(), self.0.join("\n"));
    }
}

/// A new contact as it was answered, and its path.
#[track_caller]
fn made(answer: &Answer) -> (Value, String) {
    let record = answer.expect(201);
    let path = answer.header("location").unwrap_or_else(|| panic!("no Location: {record}")).to_owned();
    (record, path)
}

/// Defines a custom field of contacts; its definition.
async fn define(tenant: &Tenant, key: &str, kind: &str, more: Value) -> Value {
    let mut field = json!({"key": key, "label": key, "type": kind});
    for (name, value) in more.as_object().into_iter().flatten() {
        field[name] = value.clone();
    }
    tenant.admin.post("/api/v1/objects/contact/fields", field).await.expect(201)
}

/// Whether a 422 has a violation here; what its reason is.
fn violation(answer: &Answer, pointer: &str) -> Option<String> {
    let found = answer.violations().into_iter().find(|(at, _)| at == pointer);
    found.filter(|_| answer.status == 422).map(|(_, reason)| reason)
}

/// The ids of a list, in its order.
fn ids(page: &Value, collection: &str) -> Vec<String> {
    page[collection].as_array().expect("a list").iter().map(|record| text(&record["id"])).collect()
}
