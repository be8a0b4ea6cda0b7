//! Page sizes, tokens, chosen fields and includes.

use serde_json::json;

use super::{contact, problem};
use crate::stage::{Stage, text};

#[tokio::test]
async fn a_page_has_as_many_as_asked_and_nothing_is_clamped() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("pages").await;
    let admin = &tenant.admin;
    for n in 0..5 {
        contact(&tenant, &format!("Page {n}")).await;
    }
    for bad in ["0", "-1", "201", "2147483648", "ten", "", "1.5", "1&page_size=2"] {
        let answer = admin.get(&format!("/api/v1/contacts?page_size={bad}")).await;
        assert_eq!(answer.status, 400, "{bad}: {}", answer.text);
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    }
    for (size, got) in [(1, 1), (3, 3), (200, 5)] {
        let page = admin.get(&format!("/api/v1/contacts?page_size={size}")).await.expect(200);
        assert_eq!(page["contacts"].as_array().map(Vec::len), Some(got), "{size}");
        assert_eq!(text(&page["next_page_token"]).is_empty(), got == 5, "{page}");
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page =
            admin.get(&format!("/api/v1/contacts?page_size=2&order_by=last_name&page_token={token}")).await;
        let page = page.expect(200);
        seen.extend(page["contacts"].as_array().expect("contacts").iter().map(|c| text(&c["last_name"])));
        token = text(&page["next_page_token"]);
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, ["Page 0", "Page 1", "Page 2", "Page 3", "Page 4"]);
}

#[tokio::test]
async fn a_token_serves_the_list_it_was_made_for_and_nobody_else() {
    let stage = Stage::shared().await;
    let (tenant, other) = (stage.tenant("token").await, stage.tenant("token-other").await);
    for (tenant, n) in [(&tenant, 1), (&tenant, 2), (&other, 1), (&other, 2)] {
        contact(tenant, &format!("Token {n}")).await;
    }
    let first = tenant.admin.get("/api/v1/contacts?page_size=1&order_by=last_name").await.expect(200);
    let token = text(&first["next_page_token"]);
    let list = "/api/v1/contacts?page_size=1";
    for other in ["order_by=last_name+desc", "order_by=first_name", "order_by=last_name&filter=score%3D1"] {
        let answer = tenant.admin.get(&format!("{list}&{other}&page_token={token}")).await;
        problem(&answer, 400, "PAGE_TOKEN_MISMATCH");
    }
    let theirs = other.admin.get(&format!("{list}&order_by=last_name&page_token={token}")).await;
    problem(&theirs, 400, "PAGE_TOKEN_MISMATCH");
    let mut flipped = token.clone().into_bytes();
    let middle = flipped.len() / 2;
    flipped[middle] = if flipped[middle] == b'A' { b'B' } else { b'A' };
    let flipped = String::from_utf8(flipped).expect("ASCII");
    for bad in [flipped.as_str(), "nonsense", "AAAA"] {
        let answer = tenant
            .admin
            .get(&format!("/api/v1/contacts?page_size=1&order_by=last_name&page_token={bad}"))
            .await;
        problem(&answer, 400, "PAGE_TOKEN_INVALID");
    }
}

#[tokio::test]
async fn only_chosen_fields_are_answered_and_access_when_asked() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("fields").await;
    let path = contact(&tenant, "Fields").await;
    tenant.admin.patch(&path, json!({"score": 7})).await.expect(200);
    let members = |value: &serde_json::Value| {
        let mut names: Vec<String> = value.as_object().expect("an object").keys().cloned().collect();
        names.sort();
        names
    };
    let one = tenant.admin.get(&format!("{path}?fields=id,last_name")).await.expect(200);
    assert_eq!(members(&one), ["id", "last_name"]);
    let page = tenant.admin.get("/api/v1/contacts?fields=id,last_name").await.expect(200);
    assert_eq!(members(&page["contacts"][0]), ["id", "last_name"]);
    let unknown = tenant.admin.get(&format!("{path}?fields=id,nosuch")).await;
    assert_eq!(unknown.status, 400, "{}", unknown.text);

    assert!(tenant.admin.get(&path).await.expect(200).get("access").is_none());
    let own = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
    let hidden = json!([{"object": "contact", "field": "score", "access": "none"}]);
    let reader = stage.member(&tenant, "reader", own, hidden).await.client;
    let mine = tenant.admin.get(&format!("{path}?include=access")).await.expect(200);
    let can = |value: &serde_json::Value| value["access"]["can"].as_array().expect("can").clone();
    assert!(can(&mine).contains(&json!("update")) && can(&mine).contains(&json!("delete")), "{mine}");
    let theirs = reader.get(&format!("{path}?include=access")).await.expect(200);
    assert!(!can(&theirs).contains(&json!("update")) && !can(&theirs).contains(&json!("delete")), "{theirs}");
    assert_eq!((&mine["score"], &theirs["score"]), (&json!(7), &serde_json::Value::Null), "{theirs}");
    // A hidden field answers exactly as an unknown one.
    let (hidden, unknown) = (
        reader.get(&format!("{path}?fields=score")).await,
        reader.get(&format!("{path}?fields=scora")).await,
    );
    assert_eq!(hidden.without_instance().replace("score", "scora"), unknown.without_instance());
    let nosuch = tenant.admin.get(&format!("{path}?include=nosuch")).await;
    assert_eq!(nosuch.status, 400, "{}", nosuch.text);
}

#[tokio::test]
async fn a_page_ends_early_where_custom_values_are_large() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("large-values").await;
    let admin = &tenant.admin;
    let keys: Vec<String> = (0..5).map(|n| format!("long_{n}")).collect();
    for key in &keys {
        let field = json!({"key": key, "label": key, "type": "long_text"});
        admin.post("/api/v1/objects/deal/fields", field).await.expect(201);
    }
    let long = "\u{1f427}".repeat(10_000);
    let custom: serde_json::Map<_, _> = keys.into_iter().map(|key| (key, json!(long))).collect();
    let body = json!({"name": "large", "custom": custom});
    let made: Vec<String> = {
        let mut made = Vec::new();
        crate::waiting::until(std::time::Duration::from_secs(30), "the fields are known", async || {
            let answer = admin.post("/api/v1/deals", body.clone()).await;
            if answer.status == 201 {
                made.push(text(&answer.expect(201)["id"]));
            }
            !made.is_empty()
        })
        .await;
        for _ in 1..15 {
            made.push(text(&admin.post("/api/v1/deals", body.clone()).await.expect(201)["id"]));
        }
        made
    };
    let ids = |page: &serde_json::Value, of: &str| -> Vec<String> {
        page[of].as_array().expect("a list").iter().map(|deal| text(&deal["id"])).collect()
    };
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = admin.get(&format!("/api/v1/deals?page_size=200&page_token={token}")).await;
        assert!(page.text.len() < 3 << 20, "{} bytes", page.text.len());
        let page = page.expect(200);
        seen.extend(ids(&page, "deals"));
        (token, pages) = (text(&page["next_page_token"]), pages + 1);
        if token.is_empty() {
            break;
        }
    }
    seen.sort_unstable();
    assert_eq!((seen, pages > 1), (made, true));
    let board = admin.get("/api/v1/deals:board?limit=50").await;
    assert!(board.text.len() < 3 << 20, "{} bytes", board.text.len());
    let column = &board.expect(200)["columns"][0];
    assert_eq!(column["count"]["value"], 15);
    assert!(!text(&column["next_page_token"]).is_empty() && ids(column, "deals").len() < 15);
}
