//! Passwords, invitations, sessions and teams over REST.

use reqwest::Method;
use serde_json::{Value, json};

use super::{contact, problem};
use crate::client::Client;
use crate::stage::{PASSWORD, Stage, text};

const NEXT: &str = "another horse battery staple";

async fn login(anonymous: &Client, slug: &str, email: &str, password: &str) -> crate::client::Answer {
    let body = json!({"organization": slug, "email": email, "password": password});
    anonymous.post("/api/v1/auth/login", body).await
}

#[tokio::test]
async fn a_user_who_forgot_the_password_gets_in_by_a_reset() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("forgot").await;
    let member = stage.member(&tenant, "forgetful", json!([]), json!([])).await;
    let path = format!("/api/v1/users/{}:reset-password", member.id);
    problem(&member.client.post(&path, json!({})).await, 403, "PERMISSION_DENIED");
    let keyed = tenant.admin.call(Method::POST, &path).header("idempotency-key", "k").json(&json!({}));
    problem(&keyed.send().await, 400, "IDEMPOTENCY_KEY_NOT_SUPPORTED");
    let own = format!("/api/v1/users/{}:reset-password", tenant.admin_id);
    problem(&tenant.admin.post(&own, json!({})).await, 403, "OWN_PASSWORD_RESET");

    let made = tenant.admin.post(&path, json!({})).await;
    assert_eq!(made.header("cache-control"), Some("no-store"));
    let made = made.expect(200);
    assert!(made["expires_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{made}");
    let token = text(&made["reset_token"]);
    let use_it = |password: &'static str| {
        let body = json!({"token": token, "password": password});
        async move { stage.anonymous.post("/api/v1/auth/password-reset", body).await }
    };
    let weak = use_it("password123").await;
    problem(&weak, 422, "VALIDATION_FAILED");
    assert_eq!(weak.violations(), [("/password".to_owned(), "PASSWORD_TOO_WEAK".to_owned())]);
    use_it(NEXT).await.expect(200);
    problem(&use_it(NEXT).await, 401, "PASSWORD_RESET_INVALID");
    // The old password and the old session are out when the call returns.
    problem(&member.client.get("/api/v1/me").await, 401, "SESSION_REVOKED");
    problem(
        &login(&stage.anonymous, &tenant.slug, &member.email, PASSWORD).await,
        401,
        "CREDENTIALS_INVALID",
    );
    login(&stage.anonymous, &tenant.slug, &member.email, NEXT).await.expect(200);
}

#[tokio::test]
async fn a_user_changes_the_password_and_stays_signed_in() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("change").await;
    let member = stage.member(&tenant, "changes", json!([]), json!([])).await;
    let other = login(&stage.anonymous, &tenant.slug, &member.email, PASSWORD).await.expect(200);
    let other = stage.anonymous.with_token(&text(&other["access_token"]));
    let change = |current: &'static str, new: &'static str| {
        member.client.post("/api/v1/me/password", json!({"current_password": current, "new_password": new}))
    };
    problem(&change("not the password", NEXT).await, 403, "CURRENT_PASSWORD_WRONG");
    change(PASSWORD, NEXT).await.expect(200);
    member.client.get("/api/v1/me").await.expect(200);
    problem(&other.get("/api/v1/me").await, 401, "SESSION_REVOKED");
}

#[tokio::test]
async fn a_refresh_is_answered_again_to_the_same_client_alone() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("refresh").await;
    let email = format!("admin@{}.test", tenant.slug);
    let opened = login(&stage.anonymous, &tenant.slug, &email, PASSWORD).await.expect(200);
    let token = text(&opened["refresh_token"]);
    let (home, thief) = (
        stage.anonymous.with_header("user-agent", "Browser/1.0"),
        stage.anonymous.with_header("user-agent", "Thief/1.0"),
    );
    let refresh = |client: &Client| {
        let (client, body) = (client.clone(), json!({"refresh_token": token}));
        async move { client.post("/api/v1/auth/refresh", body).await }
    };
    let pair = |answer: &Value| (text(&answer["access_token"]), text(&answer["refresh_token"]));
    let answers = futures_util::future::join_all((0..4).map(|_| refresh(&home))).await;
    let mut pairs: Vec<_> = answers.iter().map(|answer| pair(&answer.expect(200))).collect();
    pairs.dedup();
    assert_eq!(pairs.len(), 1, "{pairs:?}");
    let signed_in = stage.anonymous.with_token(&pairs[0].0);
    signed_in.get("/api/v1/me").await.expect(200);
    problem(&refresh(&thief).await, 401, "SESSION_REVOKED");
    problem(&refresh(&home).await, 401, "SESSION_REVOKED");
}

#[tokio::test]
async fn an_invitation_whose_answer_was_lost_is_made_again() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("invite").await;
    let body = json!({"email": format!("new@{}.test", tenant.slug), "display_name": "New", "role_ids": []});
    let invite = async || tenant.admin.post("/api/v1/users", body.clone()).await;
    let first = invite().await.expect(201);
    let again = invite().await;
    let location = format!("/api/v1/users/{}", text(&first["id"]));
    assert_eq!(again.header("location"), Some(location.as_str()));
    let again = again.expect(201);
    assert_eq!(again["id"], first["id"]);
    let accept = async |token: &Value| {
        let body = json!({"token": token, "password": PASSWORD});
        // The colon before a verb may be encoded, here and everywhere.
        stage.anonymous.post("/api/v1/invitations%3Aaccept", body).await
    };
    problem(&accept(&first["invitation_token"]).await, 401, "INVITATION_INVALID");
    accept(&again["invitation_token"]).await.expect(200);
    problem(&invite().await, 409, "EMAIL_TAKEN");
}

#[tokio::test]
async fn a_team_is_changed_under_its_tag_and_deleted() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("team").await;
    let reads = json!([{"object": "contact", "actions": ["create", "read"], "scopes": ["team"]}]);
    let (bob, eve) = (
        stage.member(&tenant, "bob", reads.clone(), json!([])).await,
        stage.member(&tenant, "eve", reads, json!([])).await,
    );
    let made = tenant.admin.post("/api/v1/teams", json!({"name": "North"})).await;
    let path = made.header("location").expect("a location").to_owned();
    let id = text(&made.expect(201)["id"]);
    let rename = |tag: &'static str, name: &'static str| {
        let call = tenant.admin.call(Method::PATCH, &path).header("if-match", tag);
        async move { call.json(&json!({"name": name})).send().await }
    };
    let changed = rename("W/\"1\"", "South").await;
    assert_eq!((changed.header("etag"), &changed.expect(200)["name"]), (Some("\"2\""), &json!("South")));
    problem(&rename("\"1\"", "Late").await, 412, "VERSION_STALE");
    for member in [&bob, &eve] {
        let user = format!("/api/v1/users/{}", member.id);
        tenant.admin.patch(&user, json!({"team_ids": [id]})).await.expect(200);
    }
    let theirs = bob.client.post("/api/v1/contacts", json!({"last_name": "Bobs"})).await;
    let theirs = theirs.header("location").expect("a location").to_owned();
    crate::waiting::until(std::time::Duration::from_secs(10), "the team sees the contact", async || {
        eve.client.get(&theirs).await.status == 200
    })
    .await;
    tenant.admin.delete(&path).await.expect(204);
    // When the call has returned, nobody sees anything by the team.
    problem(&eve.client.get(&theirs).await, 404, "CONTACT_NOT_FOUND");
    bob.client.get(&theirs).await.expect(200);
    problem(&tenant.admin.get(&path).await, 404, "TEAM_NOT_FOUND");
    let taken = json!({"last_name": "X", "team_id": id});
    problem(&tenant.admin.post("/api/v1/contacts", taken).await, 422, "VALIDATION_FAILED");
}

#[tokio::test]
async fn the_colon_before_a_verb_may_be_encoded() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("colon").await;
    let path = contact(&tenant, "Colon").await;
    for colon in ["%3A", "%3a", ":"] {
        tenant.admin.delete(&path).await.expect(204);
        tenant.admin.post(&format!("{path}{colon}restore"), json!({})).await.expect(200);
    }
    let nobody =
        path.replace(path.rsplit('/').next().expect("an id"), "01890a5d-ac96-774b-bcce-b302099a8057");
    problem(&tenant.admin.post(&format!("{nobody}%3Arestore"), json!({})).await, 404, "CONTACT_NOT_FOUND");
    // What is no verb is none encoded either, and nothing is decoded twice.
    for other in ["%3Aerase", "%253Arestore", "%3Are%73tore"] {
        let answer = tenant.admin.post(&format!("{path}{other}"), json!({})).await;
        problem(&answer, 405, "METHOD_NOT_ALLOWED");
    }
    problem(&tenant.admin.get(&format!("{path}%3Arestore")).await, 404, "CONTACT_NOT_FOUND");
}
