//! The tables of the services and the run.

pub mod activities;
pub mod fields;
pub mod identity;
pub mod notifications;
pub mod pipeline;
pub mod records;
mod row;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::time::Duration;

use prost::Message;
use serde_json::{Value, json};

use crate::client::{Answer, Client};
use crate::services::{SERVICES, lists_all};
use crate::stage::{PASSWORD, Stage, Tenant, text};
use crate::waiting;
pub use row::{Body, By, Row};
pub use target::{Target, random_id};

/// What the matrix asks of one service.
pub struct Table {
    /// Every RPC with a REST path.
    pub rows: Vec<Row>,
    /// Every RPC without one, and how it keeps tenants apart.
    pub internal: Vec<(&'static str, Check)>,
    /// What no answer to another tenant may name.
    pub planted: Vec<&'static Target>,
}

/// Calls an internal RPC for two tenants.
pub type Check = for<'a> fn(&'a Two) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Two tenants on a fleet.
pub struct Two {
    pub stage: &'static Stage,
    pub a: Tenant,
    pub b: Tenant,
}

/// The rows of all services.
pub fn rows() -> Vec<Row> {
    SERVICES.iter().flat_map(|service| (service.matrix)().rows).collect()
}

/// What fills the places of a row.
pub struct Values(Vec<(&'static str, String)>);

impl Values {
    fn fill(&self, template: &str) -> String {
        self.0
            .iter()
            .fold(template.to_owned(), |text, (place, value)| text.replace(&format!("{{{place}}}"), value))
    }
}

/// The id of a change of many records that is over.
pub async fn changed(tenant: &Tenant, object: &str, unique: &str) -> String {
    let body = json!({"object": object, "filter": "*", "action": "tag", "changes": {"add": [unique]}});
    let queued = tenant.admin.post("/api/v1/bulk-operations", body).await.expect(202);
    let id = text(&queued["operation"]["id"]);
    over(tenant, &id).await;
    id
}

/// Of services whose operations have no paths of their own: those are in the contract once, at the service `records`.
pub const OPERATIONS: [&str; 6] = [
    "CreateBulkOperation",
    "UndoOperation",
    "GetOperation",
    "ListOperations",
    "CancelOperation",
    "GetOperationErrors",
];

/// A change of many records is its owner's, and reaches nobody else's: `theirs`, which is the second tenant's.
pub async fn operations(Two { a, b, .. }: &Two, (object, theirs): (&str, &str), not_found: &str) {
    let change = json!({"object": object, "ids": [theirs, random_id()], "action": "tag",
                        "changes": {"add": ["x"]}});
    let queued = a.admin.post("/api/v1/bulk-operations", change).await.expect(202);
    let id = text(&queued["operation"]["id"]);
    let path = format!("/api/v1/operations/{id}");
    let over = over(a, &id).await;
    let reasons: Vec<&str> =
        over["errors"].as_array().unwrap().iter().map(|e| e["reason"].as_str().unwrap()).collect();
    assert_eq!(reasons, [not_found, not_found], "{over}");
    let record = b.admin.get(&format!("/api/v1/{object}/{theirs}")).await.expect(200);
    assert_eq!((&record["version"], &record["tags"]), (&json!(1), &json!([])));
    for (verb, rest) in [("GET", ""), ("GET", "/errors"), ("POST", ":cancel"), ("POST", ":undo")] {
        let call = b.admin.call(verb.parse().unwrap(), &format!("{path}{rest}"));
        let call = if verb == "POST" { call.json(&json!({})) } else { call };
        call.send().await.refused(404, "OPERATION_NOT_FOUND");
    }
    let listed =
        |client: Client| async move { client.get("/api/v1/operations").await.expect(200).to_string() };
    assert!(listed(a.admin.clone()).await.contains(&id));
    assert!(!listed(b.admin.clone()).await.contains(&id));
    assert_eq!(a.admin.get(&format!("{path}/errors")).await.status, 200);
    a.admin.post(&format!("{path}:cancel"), json!({})).await.expect(200);
    a.admin.post(&format!("{path}:undo"), json!({})).await.expect(202);
}

/// An operation when it is over.
pub async fn over(tenant: &Tenant, id: &str) -> Value {
    let ask = || {
        let (client, path) = (tenant.admin.clone(), format!("/api/v1/operations/{id}"));
        async move {
            let operation = client.get(&path).await.expect(200);
            if operation["finished_at"].is_null() { Err(operation.to_string()) } else { Ok(operation) }
        }
    };
    waiting::outcome_of(Duration::from_secs(30), "the operation is over", ask).await
}

/// The id of the row's target, made in `tenant`.
pub async fn make(stage: &Stage, tenant: &Tenant, row: &Row, unique: &str) -> String {
    match row.target {
        Some(target) => (target.make)(stage, tenant, unique).await,
        None => String::new(),
    }
}

pub async fn call(row: &Row, client: &Client, values: &Values) -> Answer {
    let path = format!("/api/v1{}", values.fill(row.path));
    let call = client.call(row.verb.clone(), &path);
    match &row.body {
        Body::None => call,
        Body::Json(body) => {
            call.json(&serde_json::from_str(&values.fill(&body.to_string())).expect("a body"))
        }
        Body::Bytes(content_type, bytes) => call.bytes(content_type, bytes.to_vec()),
    }
    .send()
    .await
}

/// What fills the places of `row` in a call of `tenant`.
pub async fn values(stage: &Stage, row: &Row, tenant: &Tenant, id: String, unique: String) -> Values {
    let mut values = vec![("id", id), ("slug", tenant.slug.clone()), ("key", unique.replace('-', "_"))];
    for (place, thing) in &row.with {
        values.push((place, (thing.make)(stage, tenant, &unique).await));
    }
    values.push(("unique", unique));
    Values(values)
}

/// Whoever makes the positive control.
async fn caller(stage: &Stage, tenant: &Tenant, row: &Row) -> Client {
    match row.by {
        _ if row.is_public() => stage.anonymous.clone(),
        By::Admin => tenant.admin.clone(),
        By::Member => stage.member(tenant, "changes", json!([]), json!([])).await.client,
        By::Session => {
            let login = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug),
                               "password": PASSWORD});
            let login = stage.anonymous.post("/api/v1/auth/login", login).await.expect(200);
            stage.anonymous.with_token(&text(&login["access_token"]))
        }
    }
}

/// What of `tenant` no other may learn.
async fn planted(stage: &Stage, tenant: &Tenant) -> Vec<String> {
    let mut ids = vec![tenant.id.clone(), tenant.admin_id.clone()];
    for target in SERVICES.iter().flat_map(|service| (service.matrix)().planted) {
        ids.push((target.make)(stage, tenant, "anchor").await);
    }
    ids
}

#[test]
fn every_rpc_has_its_rows() {
    lists_all(|member| member.service.is_some());
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    for service in &SERVICES {
        let name = service.role.member().service.expect("a service");
        let (package, bare) = name.rsplit_once('.').expect("a full name");
        let declared = set.file.iter().filter(|file| file.package == package).flat_map(|file| &file.service);
        let declared = declared.filter(|declared| declared.name == bare);
        let wanted: BTreeSet<_> =
            declared.flat_map(|service| service.method.iter().map(|method| method.name.as_str())).collect();
        let table = (service.matrix)();
        let mut have: BTreeSet<_> = table.rows.iter().map(|row| row.rpc).collect();
        have.extend(table.internal.iter().map(|(rpc, _)| *rpc));
        assert_eq!(
            have, wanted,
            "{name}: an RPC without its row in the isolation matrix, or a row without its RPC"
        );
    }
}

/// The permissions that the contract names, by method.
fn permissions() -> BTreeMap<String, String> {
    let set = proto::descriptor::FileDescriptorSet::decode(proto::DESCRIPTORS).expect("descriptors");
    let methods = set.file.into_iter().flat_map(|f| f.service).flat_map(|s| s.method);
    let policies = methods.filter_map(|m| Some((m.name, m.options?.policy?.permission)));
    policies.filter(|(_, permission)| !permission.is_empty()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn foreign_and_random_ids_answer_the_same_bytes() {
    let stage = Stage::shared().await;
    let (a, b) = (stage.tenant("iso-a").await, stage.tenant("iso-b").await);
    let planted = planted(stage, &b).await;
    let denied = stage.member(&a, "denied", json!([]), json!([])).await;
    let permissions = permissions();
    let mut wrong = Vec::new();
    for (n, row) in rows().iter().enumerate() {
        let name = format!("{} {} {}", row.rpc, row.verb, row.path);
        let mut check = |what: &str, answer: &Answer, status: u16| {
            if answer.status != status {
                wrong.push(format!("{name}: {what}: {} instead of {status}: {}", answer.status, answer.text));
            }
        };
        // Own: the positive control.
        let client = caller(stage, &a, row).await;
        let own = make(stage, &a, row, &format!("own-{n}")).await;
        let own = values(stage, row, &a, own, format!("own-{n}-{}", std::process::id())).await;
        let answer = call(row, &client, &own).await;
        check("own", &answer, row.ok);
        if planted.iter().any(|foreign| answer.text.contains(foreign)) {
            check("shows another tenant's id", &answer, 0);
        }
        if row.is_public() {
            continue;
        }
        // Foreign and random: the same bytes.
        if let (Some(target), Some(status)) = (row.target, row.foreign()) {
            let theirs = make(stage, &b, row, &format!("their-{n}")).await;
            let unique = format!("x-{n}-{}", std::process::id());
            let foreign = values(stage, row, &a, theirs, unique.clone()).await;
            let random = values(stage, row, &a, (target.random)(), unique).await;
            let (foreign, random) = (call(row, &client, &foreign).await, call(row, &client, &random).await);
            check("foreign", &foreign, status);
            check("random", &random, status);
            if foreign.without_instance() != random.without_instance() {
                check(&format!("foreign differs from random {}", random.text), &foreign, 0);
            }
            if status == 422 && !foreign.text.contains("REFERENCE_NOT_FOUND") {
                check("no REFERENCE_NOT_FOUND", &foreign, 0);
            }
        }
        // Without permission, on a thing that exists.
        let own = make(stage, &a, row, &format!("refused-{n}")).await;
        let own = values(stage, row, &a, own, format!("denied-{n}-{}", std::process::id())).await;
        if row.by != By::Session {
            let answer = call(row, &denied.client, &own).await;
            check("without permission", &answer, row.without_permission);
            let named = permissions.get(row.rpc).cloned().unwrap_or_default();
            if row.without_permission == 403 && answer.json()["meta"]["permission"] != named {
                check(&format!("{named} is not the permission"), &answer, 0);
            }
        }
        check("without credentials", &call(row, &stage.anonymous, &own).await, 401);
        let forged = stage.anonymous.with_token("eyJhbGciOiJub25lIn0.e30.");
        check("with a forged token", &call(row, &forged, &own).await, 401);
    }
    assert!(wrong.is_empty(), "{} cells are wrong:\n{}", wrong.len(), wrong.join("\n"));
}
