//! Step 1: two organisations, sessions, a sales rep.

use serde_json::json;

use super::Journey;
use crate::client::Client;
use crate::stage::{PASSWORD, invite, sign_up, text};

pub async fn sign_up_and_invite(anonymous: &Client) -> Journey {
    let (a, b) = (sign_up(anonymous, "journey-a").await, sign_up(anonymous, "journey-b").await);
    let again = json!({"organization": "Again", "slug": a.slug, "email": "x@x.test", "password": PASSWORD, "display_name": "X"});
    anonymous.post("/api/v1/signup", again).await.refused(409, "SLUG_TAKEN");
    let weak = json!({"organization": "W", "slug": "Not A Slug", "email": "nobody", "password": "short", "display_name": "W"});
    let answer = anonymous.post("/api/v1/signup", weak).await;
    answer.refused(422, "VALIDATION_FAILED");
    let mut places: Vec<String> = answer.violations().into_iter().map(|(pointer, _)| pointer).collect();
    places.sort();
    assert_eq!(places, ["/email", "/password", "/slug"]);

    // A wrong organisation, user or password: one answer.
    let mut answers = Vec::new();
    for (organization, email, password) in [
        ("no-such-organisation", format!("admin@{}.test", a.slug), PASSWORD),
        (a.slug.as_str(), "nobody@example.test".to_owned(), PASSWORD),
        (a.slug.as_str(), format!("admin@{}.test", a.slug), "wrong-password-entirely"),
        (a.slug.as_str(), format!("admin@{}.test", b.slug), PASSWORD),
    ] {
        let body = json!({"organization": organization, "email": email, "password": password});
        let answer = anonymous.post("/api/v1/auth/login", body).await;
        answer.refused(401, "CREDENTIALS_INVALID");
        answers.push(answer.without_instance());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");

    let permissions = json!([
        {"object": "contact", "actions": ["create", "read", "update", "delete", "import"], "scopes": ["own"]},
        {"object": "company", "actions": ["read"], "scopes": ["all"]},
    ]);
    let fields = json!([{"object": "contact", "field": "custom.budget", "access": "none"}]);
    let rep = invite(anonymous, &a, "rep", permissions, fields).await;
    let me = rep.client.get("/api/v1/me").await;
    assert_eq!(me.expect(200)["user"]["id"], rep.id);
    assert!(me.header("permission-version").is_some());
    rep.client.get("/api/v1/users").await.refused(403, "PERMISSION_DENIED");
    Journey { a, b, rep }
}

pub async fn sessions_rotate_and_reuse_is_caught(anonymous: &Client, journey: &Journey) {
    let body = json!({"organization": journey.a.slug, "email": format!("admin@{}.test", journey.a.slug), "password": PASSWORD});
    let login = anonymous.post("/api/v1/auth/login", body).await.expect(200);
    let first = text(&login["refresh_token"]);
    let second = anonymous.post("/api/v1/auth/refresh", json!({"refresh_token": first})).await.expect(200);
    // The answer may have been lost: the same client gets the same pair again, until it goes on.
    let again = anonymous.post("/api/v1/auth/refresh", json!({"refresh_token": first})).await.expect(200);
    for token in ["access_token", "refresh_token"] {
        assert_eq!(again[token], second[token], "{token}");
    }
    let second = text(&second["refresh_token"]);
    let third = anonymous.post("/api/v1/auth/refresh", json!({"refresh_token": second})).await.expect(200);
    // Then the first is spent: whoever presents it again ends the session for both.
    anonymous
        .post("/api/v1/auth/refresh", json!({"refresh_token": first}))
        .await
        .refused(401, "SESSION_REVOKED");
    let third = json!({"refresh_token": third["refresh_token"]});
    anonymous.post("/api/v1/auth/refresh", third).await.refused(401, "SESSION_REVOKED");
}
