//! What the gateway says about itself.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::Value;

use super::problem;
use crate::stage::{Stage, text};

const RANDOM: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

#[tokio::test]
async fn every_operation_of_the_openapi_document_is_served_and_guarded_as_it_says() {
    let stage = Stage::shared().await;
    let answer = stage.anonymous.get("/api/v1/openapi.json").await;
    let document = answer.expect(200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(text(&document["openapi"]).starts_with("3.1"), "{}", document["openapi"]);
    let (mut ids, mut wrong) = (BTreeSet::new(), Vec::new());
    let mut public = 0;
    for (path, operations) in document["paths"].as_object().expect("paths") {
        for (verb, operation) in operations.as_object().expect("operations") {
            let id = text(&operation["operationId"]);
            assert!(ids.insert(id.clone()), "{id} is there twice");
            let filled: String = path
                .split('/')
                .map(|p| p.split_once('}').map_or(p.to_owned(), |(_, rest)| format!("{RANDOM}{rest}")))
                .collect::<Vec<_>>()
                .join("/");
            let verb = Method::from_bytes(verb.to_ascii_uppercase().as_bytes()).expect("a method");
            let answer = stage.anonymous.call(verb, &filled).send().await;
            let open = operation["security"].as_array().is_some_and(Vec::is_empty);
            public += usize::from(open);
            // Without credentials and body: an open operation refuses the body or, where a secret in the path is the credential, knows no such
            // path; every other refuses the caller.
            let fits = match answer.status {
                400 | 422 => open,
                404 => open && path.contains('{'),
                status => status == 401,
            };
            if !fits || answer.text.contains("ROUTE_NOT_FOUND") {
                wrong.push(format!("{id} {path}: {} {}", answer.status, answer.text));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ids.len() > 40 && public >= 4, "{} operations, {public} of them open", ids.len());
}

#[tokio::test]
async fn every_reference_of_the_openapi_document_leads_somewhere() {
    fn walk<'d>(value: &'d Value, found: &mut Vec<&'d str>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str));
                map.values().for_each(|v| walk(v, found));
            }
            Value::Array(items) => items.iter().for_each(|v| walk(v, found)),
            _ => {}
        }
    }
    let document = Stage::shared().await.anonymous.get("/api/v1/openapi.json").await.expect(200);
    let mut references = Vec::new();
    walk(&document, &mut references);
    assert!(!references.is_empty());
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("a reference into the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let page = Stage::shared().await.anonymous.get("/docs").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = page.header("content-security-policy").expect("a policy");
    for part in ["default-src 'none'", "connect-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert!(page.text.contains("openapi.json"));
    assert!(!page.text.contains("src=\"http") && !page.text.contains("@import"));
}

#[tokio::test]
async fn the_type_of_a_problem_leads_to_a_page_about_it() {
    let stage = Stage::shared().await;
    let refused = stage.anonymous.get("/api/v1/me").await;
    problem(&refused, 401, "CREDENTIALS_MISSING");
    let page = stage.anonymous.get(&text(&refused.json()["type"])).await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("public, max-age=300"));
    let policy = page.header("content-security-policy").expect("a policy");
    assert!(policy.contains("default-src 'none'") && !policy.contains("script-src"), "{policy}");
    for part in
        ["<code>CREDENTIALS_MISSING</code>", "The request has no credentials.", "Authorization: Bearer"]
    {
        assert!(page.text.contains(part), "no {part}: {}", page.text);
    }
    assert!(page.header("x-ratelimit-limit").is_some(), "{:?}", page.headers);
}

#[tokio::test]
async fn the_index_of_problems_leads_to_every_page_and_an_unknown_reason_to_none() {
    let client = &Stage::shared().await.anonymous;
    let index = client.get("/problems").await;
    assert_eq!(index.status, 200, "{}", index.text);
    let ways: Vec<&str> =
        index.text.split("href=\"/problems/").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(ways.len() > 100, "only {} reasons", ways.len());
    for reason in [ways[0], "REFERENCE_NOT_FOUND", ways[ways.len() - 1]] {
        assert!(ways.contains(&reason), "{reason} is not in the index");
        let page = client.get(&format!("/problems/{reason}")).await;
        assert!(page.status == 200 && page.text.contains(reason), "{reason}: {}", page.status);
    }
    for unknown in ["/problems/", "/problems/NO_SUCH_REASON", "/problems/version_stale"] {
        problem(&client.get(unknown).await, 404, "PROBLEM_NOT_FOUND");
    }
    problem(&client.get("/problems/VERSION_STALE/x").await, 404, "ROUTE_NOT_FOUND");
}

#[tokio::test]
async fn health_and_readiness_answer_without_credentials_and_tell_no_details() {
    let stage = Stage::shared().await;
    let health = stage.anonymous.get("/healthz").await;
    assert_eq!(health.expect(200), serde_json::json!({"status": "ok"}));
    let ready = stage.anonymous.get("/readyz").await.expect(200);
    assert!(matches!(ready["status"].as_str(), Some("ready" | "degraded")), "{ready}");
    assert_eq!(ready.as_object().map(serde_json::Map::len), Some(1), "{ready}");
}
