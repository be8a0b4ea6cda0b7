//! Callers that go away in the middle of a call leave no transaction behind for the next one.

use std::time::Duration;

use fleet::FLEET;
use reqwest::Method;
use serde_json::json;

use super::made;
use crate::client::query;
use crate::stage::Stage;

/// Calls that are closed, and within how many milliseconds.
const CALLS: u64 = 200;
const WITHIN: u64 = 20;

#[tokio::test]
async fn closed_calls_leave_nothing_to_those_that_follow() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-closed").await;
    let (_, path) = made(&tenant.admin.post("/api/v1/contacts", json!({"last_name": "Whole"})).await);
    let create = |n: u64| {
        let call =
            tenant.admin.call(Method::POST, "/api/v1/contacts").header("idempotency-key", &format!("c{n}"));
        call.json(&json!({"last_name": format!("Closed {n}")}))
    };
    for n in 0..CALLS {
        let call = match n % 4 {
            0 | 1 => create(n),
            2 => tenant
                .admin
                .call(Method::PATCH, &path)
                .json(&json!({"first_name": format!("{n}"), "job_title": format!("{n}")})),
            _ => tenant.admin.call(Method::GET, "/api/v1/users"),
        };
        let patience = Duration::from_micros(n * 7919 % (WITHIN * 1000));
        // Closed, answered or refused: what counts comes afterwards.
        drop(tokio::time::timeout(patience, call.try_send()).await);
    }
    // Whoever did not hear the answer asks again, and each is there once.
    for n in (0..CALLS).filter(|n| n % 4 < 2) {
        crate::waiting::until(Duration::from_secs(10), "the closed call has ended", async || {
            let answer = create(n).send().await;
            assert!(matches!(answer.status, 201 | 409), "{} {}", answer.status, answer.text);
            answer.status == 201
        })
        .await;
    }
    let filter = query(&[("filter", "last_name:\"Closed\""), ("count", "exact"), ("page_size", "1")]);
    let list = tenant.admin.get(&format!("/api/v1/contacts{filter}")).await.expect(200);
    assert_eq!(list["total"]["value"], CALLS / 2, "{list}");
    let whole = tenant.admin.get(&path).await.expect(200);
    assert_eq!(whole["first_name"], whole["job_title"], "half of a change");
    for member in FLEET {
        let log = std::fs::read(stage.fleet.log(member.role)).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let warned: Vec<&str> =
            log.lines().filter(|line| line.contains("transaction in progress")).take(3).collect();
        assert!(warned.is_empty(), "{:?}: {warned:?}", member.role);
    }
}
