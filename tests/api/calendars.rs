//! The calendar of a user at its address, as calendar programs ask for it.

use reqwest::Method;
use serde_json::json;
use testkit::fleet::Role;
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::limits::at_once;
use super::problem;
use crate::stage::{Stage, Tenant, sign_up, text};

async fn task(tenant: &Tenant, subject: &str) -> String {
    // A calendar reaches a year ahead.
    let due = (OffsetDateTime::now_utc() + Duration::days(30)).format(&Rfc3339).expect("a moment");
    let body = json!({"kind": "task", "subject": subject, "due_at": due});
    text(&tenant.admin.post("/api/v1/activities", body).await.expect(201)["id"])
}

#[tokio::test]
async fn a_calendar_is_read_by_its_address_alone_until_that_ends() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("calendar").await;
    let own = "/api/v1/calendar-feed";
    problem(&tenant.admin.get(own).await, 404, "CALENDAR_FEED_NOT_FOUND");
    problem(&tenant.admin.delete(own).await, 404, "CALENDAR_FEED_NOT_FOUND");
    task(&tenant, "Ring the bell").await;
    let path = text(&tenant.admin.post(own, json!({})).await.expect(201)["path"]);
    let shown = tenant.admin.get(own).await;
    assert!(!shown.text.contains("path"), "the address is shown once: {}", shown.text);
    assert!(shown.expect(200)["last_used_at"].is_null());

    let calendar = stage.anonymous.get(&path).await;
    assert_eq!(calendar.status, 200, "{}", calendar.text);
    assert!(calendar.text.contains("SUMMARY:Ring the bell\r\n"), "{}", calendar.text);
    assert_eq!(calendar.header("content-type"), Some("text/calendar; charset=utf-8"));
    assert_eq!(calendar.header("cache-control"), Some("private, no-cache"));
    assert!(calendar.header("x-ratelimit-limit").is_some());
    assert!(!tenant.admin.get(own).await.expect(200)["last_used_at"].is_null());
    let tag = calendar.header("etag").expect("a tag").to_owned();
    let held = |tag: &str| stage.anonymous.with_header("if-none-match", tag);
    let same = held(&tag).get(&path).await;
    assert_eq!((same.status, same.text.as_str(), same.header("etag")), (304, "", Some(&*tag)));
    assert_eq!(held("\"other\"").get(&path).await.status, 200);
    let head = stage.anonymous.call(Method::HEAD, &path).send().await;
    assert_eq!((head.status, head.text.as_str(), head.header("etag")), (200, "", Some(&*tag)));
    task(&tenant, "Another").await;
    assert_eq!(held(&tag).get(&path).await.status, 200, "it is another calendar");
    assert_eq!(stage.anonymous.post(&path, json!({})).await.status, 405);

    // A new address ends the one before.
    let new = text(&tenant.admin.post(own, json!({})).await.expect(201)["path"]);
    problem(&stage.anonymous.get(&path).await, 404, "CALENDAR_FEED_NOT_FOUND");
    assert_eq!(stage.anonymous.get(&new).await.status, 200);
    tenant.admin.delete(own).await.expect(204);
    let ended = stage.anonymous.get(&new).await;
    let invented = stage.anonymous.get("/calendar/gcf_x.ics").await;
    assert_eq!((ended.status, ended.without_instance()), (404, invented.without_instance()));
}

#[tokio::test]
async fn an_address_ends_with_its_user_and_no_key_makes_one() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("calendar-user").await;
    let member = stage.member(&tenant, "reader", json!([]), json!([])).await;
    let path = text(&member.client.post("/api/v1/calendar-feed", json!({})).await.expect(201)["path"]);
    let empty = stage.anonymous.get(&path).await;
    assert!(empty.status == 200 && !empty.text.contains("VEVENT"), "{}", empty.text);
    tenant.admin.post(&format!("/api/v1/users/{}:disable", member.id), json!({})).await.expect(200);
    problem(&stage.anonymous.get(&path).await, 404, "CALENDAR_FEED_NOT_FOUND");
    tenant.admin.post(&format!("/api/v1/users/{}:enable", member.id), json!({})).await.expect(200);
    problem(&stage.anonymous.get(&path).await, 404, "CALENDAR_FEED_NOT_FOUND");

    let key = json!({"name": "Key", "scopes": ["activity.read"]});
    let key = text(&tenant.admin.post("/api/v1/api-keys", key).await.expect(201)["secret"]);
    let key = stage.anonymous.with_token(&key);
    problem(&key.post("/api/v1/calendar-feed", json!({})).await, 403, "SESSION_REQUIRED");
    problem(&key.get("/api/v1/calendar-feed").await, 403, "SESSION_REQUIRED");
    problem(&key.delete("/api/v1/calendar-feed").await, 403, "SESSION_REQUIRED");
    let once = tenant.admin.call(Method::POST, "/api/v1/calendar-feed").header("idempotency-key", "once");
    problem(&once.json(&json!({})).send().await, 400, "IDEMPOTENCY_KEY_NOT_SUPPORTED");
}

#[tokio::test]
async fn an_address_is_in_no_log() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("calendar-logs").await;
    let path = text(&tenant.admin.post("/api/v1/calendar-feed", json!({})).await.expect(201)["path"]);
    let secret = path.trim_end_matches(".ics").rsplit('.').next().expect("a secret").to_owned();
    for missed in ["", "x", "/", "?a=b"] {
        stage.anonymous.get(&format!("{path}{missed}")).await;
    }
    stage.anonymous.get(path.trim_end_matches(".ics")).await;
    stage.anonymous.post(&path, json!({})).await;
    stage.anonymous.with_header("if-match", "x").get(&path).await;
    tenant.admin.post("/api/v1/calendar-feed", json!({})).await.expect(201);
    problem(&stage.anonymous.get(&path).await, 404, "CALENDAR_FEED_NOT_FOUND");
    for role in Role::ALL {
        let log = std::fs::read(stage.fleet.log(role)).unwrap_or_default();
        assert!(!String::from_utf8_lossy(&log).contains(&secret), "{}", role.name());
    }
    let audit = tenant.admin.get("/api/v1/audit-log").await;
    assert!(audit.text.contains("calendar_feed.create") && !audit.text.contains(&secret), "{}", audit.text);
}

#[tokio::test]
async fn an_activity_is_a_file_to_who_may_read_it() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("calendar-file").await;
    let id = task(&tenant, "Sign").await;
    let path = format!("/api/v1/activities/{id}.ics");
    let file = tenant.admin.get(&path).await;
    assert_eq!((file.status, file.header("content-type")), (200, Some("text/calendar; charset=utf-8")));
    assert!(
        file.text.contains("BEGIN:VTODO\r\n") && file.text.contains(&format!("UID:{id}\r\n")),
        "{}",
        file.text
    );
    let tag = file.header("etag").expect("a tag").to_owned();
    assert_eq!(tenant.admin.with_header("if-none-match", &tag).get(&path).await.status, 304);
    tenant.admin.get(&format!("/api/v1/activities/{id}")).await.expect(200);
    assert_eq!(stage.anonymous.get(&path).await.status, 401);
}

/// What is read by an address is charged to the organization, as what is read by an API key: refused in time, and nobody else with it.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_has_the_limit_of_an_api_key() {
    const OF_ONE: usize = 20;
    let variables = [("GLOBCRM_GATEWAY_RATE_API_KEY_PER_MINUTE", "20")];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    let tenant = sign_up(&stage.anonymous, "calendar-limit").await;
    let path = text(&tenant.admin.post("/api/v1/calendar-feed", json!({})).await.expect(201)["path"]);
    let began = std::time::Instant::now();
    let first = stage.anonymous.get(&path).await;
    assert_eq!((first.status, first.header("x-ratelimit-limit")), (200, Some("20")), "{}", first.text);
    let (passed, refused) = at_once(&stage.anonymous, &path, 3 * OF_ONE).await;
    // While the requests were made the window may have moved on.
    let moved = (OF_ONE as f64 * began.elapsed().as_secs_f64() / 60.0).ceil() as usize;
    assert!(passed.len() <= OF_ONE + moved, "{} passed", passed.len());
    // Some are refused as there are too many at once.
    let refused = refused.iter().find(|answer| answer.json()["reason"] == "RATE_LIMITED");
    let refused = refused.expect("some are refused for the minute");
    problem(refused, 429, "RATE_LIMITED");
    assert!(refused.header("retry-after").is_some(), "{:?}", refused.headers);
    assert_eq!(refused.json()["meta"]["tier"], "api_key", "{}", refused.text);
    // Whoever is at the same address is not refused, nor is the user of the calendar.
    problem(&stage.anonymous.get("/calendar/gcf_x.ics").await, 404, "CALENDAR_FEED_NOT_FOUND");
    tenant.admin.get("/api/v1/me").await.expect(200);
}
