//! Step 7: `kill -9` of everything, each time with work in flight.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};
use testkit::fleet::Role;

use super::Journey;
use super::export::{Encoding, export};
use super::writing::{finished, import_body, upload};
use crate::client::query;
use crate::services::SERVICES;
use crate::stage::{PASSWORD, Stage, text};
use crate::waiting;

/// Each service is frozen with a request in its hands, killed, and started again; the client repeats the request with
/// the same key and it happens once.
pub async fn every_service_dies_once(stage: &mut Stage, journey: &Journey) {
    let made = SERVICES.iter().rev().filter_map(|service| Some((service.role, service.makes?)));
    // What the gateway has in its hands is for another.
    for (role, (path, body)) in made.chain([(Role::Gateway, ("/contacts", r#"{"last_name": "{unique}"}"#))]) {
        let name = role.name();
        let path = format!("/api/v1{path}");
        let body: Value =
            serde_json::from_str(&body.replace("{unique}", &format!("during_{name}"))).expect("a body");
        let admin = journey.a.admin.clone();
        let key = format!("during-{name}");
        let call =
            move || admin.call(Method::POST, &path).header("idempotency-key", &key).json(&body).try_send();
        stage.fleet.pause(role).expect("paused");
        let in_flight = tokio::spawn(call());
        // Frozen with the request sent: it can neither finish nor fail.
        tokio::time::timeout(Duration::from_millis(300), async {
            while !in_flight.is_finished() {
                tokio::task::yield_now().await;
            }
        })
        .await
        .expect_err("the request is not in flight");
        stage.fleet.kill9(role).expect("killed");
        let lost = in_flight.await.expect("the call's task");
        if let Ok(answer) = &lost {
            assert!(matches!(answer.status, 503 | 504), "{name}: {} {}", answer.status, answer.text);
            assert!(answer.status != 503 || answer.header("retry-after").is_some(), "{name}: no Retry-After");
        }
        let restarted = tokio::task::block_in_place(|| stage.fleet.restart(role));
        restarted.expect("started again");
        let first = until_answered(&call).await;
        let again = until_answered(&call).await;
        assert_eq!(first["id"], again["id"], "{name}: it happened twice");
    }
    let filter = query(&[("filter", "last_name = \"during_records\" OR last_name = \"during_gateway\"")]);
    let page = journey.a.admin.get(&format!("/api/v1/contacts{filter}")).await.expect(200);
    assert_eq!(super::ids(&page).len(), 2, "{page}");
    // Sessions outlive every process.
    let body = json!({"organization": journey.a.slug, "email": format!("admin@{}.test", journey.a.slug), "password": PASSWORD});
    stage.anonymous.post("/api/v1/auth/login", body).await.expect(200);
}

/// Repeats a call as a client would until it is answered with success.
async fn until_answered<F>(call: &impl Fn() -> F) -> Value
where
    F: Future<Output = Result<crate::client::Answer, reqwest::Error>>,
{
    waiting::outcome(Duration::from_secs(30), "success", async || match call().await {
        Ok(answer) if answer.status == 201 => Ok(answer.json()),
        Ok(answer) => Err(format!("{} {}", answer.status, answer.text)),
        Err(error) => Err(error.to_string()),
    })
    .await
}

/// Records is killed in the middle of an import, and resumes it.
pub async fn an_import_survives_the_death_of_records(stage: &mut Stage, journey: &Journey) {
    let admin = &journey.a.admin;
    let export = export(6_000, "crash", Encoding::Utf8, 99);
    let upload = upload(admin, &export.bytes).await;
    let started = admin.post("/api/v1/imports", import_body(&upload, "skip")).await.expect(202);
    let id = text(&started["id"]);
    let path = format!("/api/v1/operations/{id}");
    loop {
        let operation = admin.get(&path).await.expect(200);
        let done = operation["progress"]["done"].as_u64().unwrap_or_default();
        assert!(
            matches!(operation["state"].as_str(), Some("queued" | "running")),
            "it was over too soon: {operation}"
        );
        if done > 0 {
            assert!(done < 6_000, "{operation}");
            break;
        }
    }
    stage.fleet.kill9(Role::Records).expect("killed");
    tokio::task::block_in_place(|| stage.fleet.restart(Role::Records)).expect("started again");
    let operation = finished(admin, &id).await;
    let result = &operation["result"];
    assert_eq!(operation["state"], "succeeded", "{operation}");
    assert_eq!(
        (&result["created"], &result["skipped"]),
        (&json!(export.good), &json!(export.duplicates)),
        "{operation}"
    );
    assert_eq!(result["failed"], export.errors.len());
    let pairs = query(&[("filter", "emails.address = \"crash.0@example.test\"")]);
    let page = admin.get(&format!("/api/v1/contacts{pairs}")).await.expect(200);
    assert_eq!(super::ids(&page).len(), 1, "{page}");
}

/// The broker is killed while changes are made; the API does not notice, and no event is lost (the ledger checks).
pub async fn the_broker_dies(stage: &mut Stage, journey: &Journey) {
    let admin = journey.a.admin.clone();
    let writer = tokio::spawn(async move {
        for n in 0..60 {
            admin.post("/api/v1/contacts", json!({"last_name": format!("Broker {n}")})).await.expect(201);
        }
    });
    tokio::task::block_in_place(|| stage.backing.rabbitmq().kill9()).expect("the broker is killed");
    // The API goes on without it.
    journey.a.admin.post("/api/v1/contacts", json!({"last_name": "Without a broker"})).await.expect(201);
    tokio::task::block_in_place(|| stage.backing.rabbitmq().start_again()).expect("the broker is back");
    writer.await.expect("every write was answered");
}
