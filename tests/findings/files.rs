//! Files on their way into an organisation, and what came of them.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::ids;
use crate::client::Answer;
use crate::stage::{Tenant, text};
use crate::waiting;

/// A mapping: columns and what they feed.
pub(super) type Columns<'a> = &'a [(&'a str, &'a str)];

pub(super) const FIRST: Columns<'static> = &[("First", "first_name")];
pub(super) const FM: Columns<'static> = &[("First", "first_name"), ("Mail", "emails.address")];
pub(super) const FLM: Columns<'static> =
    &[("First", "first_name"), ("Last", "last_name"), ("Mail", "emails.address")];

/// How a file is sent in.
pub(super) struct Import<'a> {
    pub(super) content_type: &'a str,
    pub(super) columns: Columns<'a>,
    /// Members of the request besides upload, object and mapping, or in their place.
    pub(super) more: Value,
}

impl Default for Import<'_> {
    fn default() -> Self {
        Self { content_type: "text/csv", columns: FM, more: json!({}) }
    }
}

/// What an import came to.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) operation: Value,
    /// The records that are there now and were not before.
    pub(super) made: Vec<Value>,
}

impl Import<'_> {
    /// The operation when it is over; the refusal if the file or the request was not taken.
    pub(super) async fn tried(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> Result<Outcome, Answer> {
        let upload = tenant.admin.call(Method::POST, "/api/v1/uploads");
        let upload = upload.bytes(self.content_type, file.as_ref().to_vec()).send().await;
        if upload.status != 201 {
            return Err(upload);
        }
        let columns = self.columns.iter().map(|(column, field)| json!({"column": column, "field": field}));
        let mut request = json!({"upload_id": upload.json()["id"], "object": "contact",
                                 "mapping": columns.collect::<Vec<_>>()});
        for (name, value) in self.more.as_object().into_iter().flatten() {
            request[name] = value.clone();
        }
        let collection = if request["object"] == "company" { "companies" } else { "contacts" };
        let before: BTreeSet<String> =
            ids(&records(tenant, collection).await, collection).into_iter().collect();
        let queued = tenant.admin.post("/api/v1/imports", request).await;
        if queued.status != 202 {
            return Err(queued);
        }
        let operation = over(tenant, &text(&queued.json()["id"])).await;
        let now = records(tenant, collection).await;
        let made = now[collection].as_array().expect("a list").iter();
        let made = made.filter(|record| !before.contains(&text(&record["id"]))).cloned().collect();
        Ok(Outcome { operation, made })
    }

    /// As [`Import::tried`], of what must be taken.
    pub(super) async fn run(&self, tenant: &Tenant, file: impl AsRef<[u8]>) -> Outcome {
        self.tried(tenant, file)
            .await
            .unwrap_or_else(|refusal| panic!("refused: {} {}", refusal.status, refusal.text))
    }
}

async fn records(tenant: &Tenant, collection: &str) -> Value {
    tenant.admin.get(&format!("/api/v1/{collection}?page_size=200")).await.expect(200)
}

async fn over(tenant: &Tenant, id: &str) -> Value {
    let path = format!("/api/v1/operations/{id}");
    waiting::outcome(Duration::from_secs(60), "the operation is over", async || {
        let operation = tenant.admin.get(&path).await.expect(200);
        match operation["state"].as_str() {
            Some("queued" | "running") => Err(operation),
            _ => Ok(operation),
        }
    })
    .await
}

impl Outcome {
    /// Rows created, updated, skipped and failed.
    pub(super) fn counts(&self) -> [i64; 4] {
        ["created", "updated", "skipped", "failed"]
            .map(|part| self.operation["result"][part].as_i64().unwrap_or_default())
    }

    /// `First/Last/mail` of each record that was made, sorted.
    pub(super) fn people(&self) -> Vec<String> {
        let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut people: Vec<String> = self
            .made
            .iter()
            .map(|c| [&c["first_name"], &c["last_name"], &c["emails"][0]["address"]].map(word).join("/"))
            .collect();
        people.sort();
        people
    }

    /// Lines, columns and reasons of the errors.
    pub(super) fn errors(&self) -> Vec<(i64, String, String)> {
        let errors = self.operation["errors"].as_array().expect("errors").iter();
        errors
            .map(|e| (e["line"].as_i64().unwrap_or_default(), text(&e["column"]), text(&e["reason"])))
            .collect()
    }

    /// Whether an error is at this line, in this column (`*` is any), with this in its reason.
    pub(super) fn has_error(&self, (line, column, reason): (i64, &str, &str)) -> bool {
        let fits = |(l, c, r): &(i64, String, String)| {
            *l == line && (column == "*" || c == column) && r.contains(reason)
        };
        self.errors().iter().any(fits)
    }

    pub(super) fn has_failed(&self) -> bool {
        self.operation["state"] == "failed"
    }
}

/// What must come of a file: who is made, and which rows are errors, as in [`Outcome::has_error`].
pub(super) struct Truth<'a> {
    pub(super) file: &'a [u8],
    pub(super) people: &'a [&'a str],
    pub(super) errors: &'a [(i64, &'a str, &'a str)],
}

impl Truth<'_> {
    /// What an import of the file has that is not true, or has not.
    pub(super) fn missed_by(&self, outcome: &Outcome) -> Option<String> {
        let mut people: Vec<&str> = self.people.to_vec();
        people.sort_unstable();
        let errors_fit = outcome.errors().len() == self.errors.len()
            && self.errors.iter().all(|error| outcome.has_error(*error));
        let failed = i64::try_from(self.errors.len()).unwrap_or(i64::MAX);
        let is_true = outcome.people() == people && errors_fit && outcome.counts()[3] == failed;
        (!is_true).then(|| {
            let file = String::from_utf8_lossy(self.file);
            format!("{file:?}: {:?} and not {people:?}, {}", outcome.people(), outcome.operation)
        })
    }
}
