//! Passwords, invitations, refresh tokens, keys and roles, where answers are lost and keyboards differ.

use std::time::Duration;

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Wrong, violation};
use crate::client::{Answer, Client};
use crate::stage::{PASSWORD, Stage, Tenant, text};
use crate::waiting;

/// One password as different keyboards send it.
const KEYBOARDS: [[&str; 2]; 5] = [
    ["cafe\u{301}-nai\u{308}ve-77-kelp", "caf\u{e9}-na\u{ef}ve-77-kelp"],
    ["\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}-fjord-31", "\u{d55c}\u{ae00}-fjord-31"],
    ["\u{212b}ngstrom-unit-204", "A\u{30a}ngstrom-unit-204"],
    ["vi\u{1ec7}t-nam-pho-88", "vie\u{323}\u{302}t-nam-pho-88"],
    ["deux\u{a0}mots\u{3000}de\u{2003}passe", "deux mots de passe"],
];

async fn login(anonymous: &Client, slug: &str, email: &str, password: &str) -> Answer {
    let body = json!({"organization": slug, "email": email, "password": password});
    anonymous.post("/api/v1/auth/login", body).await
}

async fn invite(tenant: &Tenant, email: &str) -> Answer {
    let body = json!({"email": email, "display_name": "New", "role_ids": []});
    tenant.admin.post("/api/v1/users", body).await
}

async fn accept(anonymous: &Client, token: &Value, password: &str) -> Answer {
    let body = json!({"token": token, "password": password, "display_name": "New"});
    anonymous.post("/api/v1/invitations:accept", body).await
}

#[tokio::test]
async fn a_password_is_the_same_on_every_keyboard() {
    let stage = Stage::shared().await;
    let anonymous = &stage.anonymous;
    let tenant = stage.tenant("f-passwords").await;
    let mut wrong = Wrong::default();
    for (n, pair) in KEYBOARDS.into_iter().enumerate() {
        for (way, [set, typed]) in [pair, [pair[1], pair[0]]].into_iter().enumerate() {
            // Set by an invitation, by a sign-up, and by a change.
            let email = format!("user{n}{way}@x.test");
            let invited = invite(&tenant, &email).await.expect(201);
            let accepted = accept(anonymous, &invited["invitation_token"], set).await;
            let session = accepted.expect(200);
            let answer = login(anonymous, &tenant.slug, &email, typed).await;
            wrong.unless(answer.status == 200, || format!("invitation {set:?} {typed:?}: {}", answer.text));

            let user = anonymous.with_token(&text(&session["access_token"]));
            let change = json!({"current_password": typed, "new_password": format!("2{typed}")});
            let answer = user.post("/api/v1/me/password", change).await;
            wrong.unless(answer.status / 100 == 2, || format!("change {typed:?}: {}", answer.text));
            let answer = login(anonymous, &tenant.slug, &email, &format!("2{set}")).await;
            wrong.unless(answer.status == 200, || format!("changed {set:?}: {}", answer.text));
        }
        let [set, typed] = pair;
        let slug = format!("f-pw-{n}-{}", std::process::id());
        let body = json!({"organization": "P", "slug": slug, "email": "p@x.test", "password": set, "display_name": "P"});
        anonymous.post("/api/v1/signup", body).await.expect(201);
        let answer = login(anonymous, &slug, "p@x.test", typed).await;
        wrong.unless(answer.status == 200, || format!("sign-up {set:?} {typed:?}: {}", answer.text));
    }
    wrong.none();
}

#[tokio::test]
async fn passwords_that_look_alike_are_not_one() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-passwords-differ").await;
    let invited = invite(&tenant, "user@x.test").await.expect(201);
    accept(&stage.anonymous, &invited["invitation_token"], "Kelp-forest-77-é").await.expect(200);
    for other in ["kelp-forest-77-é", "Ｋelp-forest-77-é", "Kelp-forest-77-e"] {
        let answer = login(&stage.anonymous, &tenant.slug, "user@x.test", other).await;
        answer.refused(401, "CREDENTIALS_INVALID");
    }
    login(&stage.anonymous, &tenant.slug, "user@x.test", "Kelp-forest-77-é").await.expect(200);
}

#[tokio::test]
async fn an_invitation_whose_answer_was_lost_is_made_again() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-invited-again").await;
    let first = invite(&tenant, "new@x.test").await.expect(201);
    // The same person, as somebody else writes the address.
    let again = invite(&tenant, "New@X.test").await.expect(201);
    assert_eq!((&again["id"], &again["state"]), (&first["id"], &json!("invited")));
    assert_ne!(again["invitation_token"], first["invitation_token"]);
    accept(&stage.anonymous, &first["invitation_token"], PASSWORD).await.refused(401, "INVITATION_INVALID");
    accept(&stage.anonymous, &again["invitation_token"], PASSWORD).await.expect(200);
    accept(&stage.anonymous, &again["invitation_token"], PASSWORD).await.refused(401, "INVITATION_INVALID");
    // Who is in is not invited again.
    invite(&tenant, "new@x.test").await.refused(409, "EMAIL_TAKEN");
    let users = tenant.admin.get("/api/v1/users").await.expect(200);
    assert_eq!(users["users"].as_array().map(Vec::len), Some(2), "{users}");
}

#[tokio::test]
async fn invitations_made_at_the_same_moment_leave_one_that_is_good() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-invited-at-once").await;
    let answers = futures_util::future::join_all((0..4).map(|_| invite(&tenant, "twin@x.test"))).await;
    let tokens: Vec<Value> = answers
        .iter()
        .filter(|answer| answer.status == 201)
        .map(|answer| answer.json()["invitation_token"].clone())
        .collect();
    assert!(!tokens.is_empty(), "{answers:?}");
    let mut good = 0;
    for token in &tokens {
        good += usize::from(accept(&stage.anonymous, token, PASSWORD).await.status == 200);
    }
    assert_eq!(good, 1, "{answers:?}");
}

#[tokio::test]
async fn an_invitation_ends_with_its_user_and_does_not_come_back() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-invited-disabled").await;
    let user = invite(&tenant, "off@x.test").await.expect(201);
    let path = format!("/api/v1/users/{}", text(&user["id"]));
    for verb in ["disable", "enable"] {
        tenant.admin.post(&format!("{path}:{verb}"), json!({})).await.expect(200);
    }
    let dead = accept(&stage.anonymous, &user["invitation_token"], PASSWORD).await;
    dead.refused(401, "INVITATION_INVALID");
    let again = invite(&tenant, "off@x.test").await.expect(201);
    accept(&stage.anonymous, &again["invitation_token"], PASSWORD).await.expect(200);
}

#[tokio::test]
async fn a_wrong_address_of_an_invited_user_is_corrected() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-invited-typo").await;
    let user = invite(&tenant, "jon@x.test").await.expect(201);
    let path = format!("/api/v1/users/{}", text(&user["id"]));
    let now = tenant.admin.patch(&path, json!({"email": "John@x.test"})).await.expect(200);
    assert_eq!(now["email"], "john@x.test");
    // What went to the wrong address opens nothing.
    let dead = accept(&stage.anonymous, &user["invitation_token"], PASSWORD).await;
    dead.refused(401, "INVITATION_INVALID");
    let again = invite(&tenant, "john@x.test").await.expect(201);
    assert_eq!(again["id"], user["id"]);
    accept(&stage.anonymous, &again["invitation_token"], PASSWORD).await.expect(200);
    login(&stage.anonymous, &tenant.slug, "john@x.test", PASSWORD).await.expect(200);
    // The address that nobody has is free.
    invite(&tenant, "jon@x.test").await.expect(201);
}

async fn refresh(client: &Client, token: &Value) -> Answer {
    client.post("/api/v1/auth/refresh", json!({"refresh_token": token})).await
}

/// A session of the tenant's administrator.
async fn session(client: &Client, tenant: &Tenant) -> Value {
    login(client, &tenant.slug, &format!("admin@{}.test", tenant.slug), PASSWORD).await.expect(200)
}

#[tokio::test]
async fn a_refresh_token_shown_again_at_once_gives_the_same_pair() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-refresh").await;
    let browser = stage.anonymous.with_header("user-agent", "Browser/1");
    let first = session(&browser, &tenant).await["refresh_token"].clone();
    // Five tabs at the same moment, and one whose answer was lost.
    let mut answers = futures_util::future::join_all((0..5).map(|_| refresh(&browser, &first))).await;
    answers.push(refresh(&browser, &first).await);
    let pairs: Vec<Value> =
        answers.iter().map(|answer| answer.expect(200)["refresh_token"].clone()).collect();
    assert!(pairs.iter().all(|pair| *pair == pairs[0]), "{pairs:?}");
    for answer in &answers {
        let client = browser.with_token(&text(&answer.json()["access_token"]));
        client.get("/api/v1/me").await.expect(200);
    }
    // The session lives on with the pair.
    let next = refresh(&browser, &pairs[0]).await.expect(200);
    // Its successor is used: whoever comes with the first one now has no right to it.
    refresh(&browser, &first).await.refused(401, "SESSION_REVOKED");
    assert_eq!(refresh(&browser, &next["refresh_token"]).await.status, 401);
}

#[tokio::test]
async fn a_refresh_token_shown_by_another_client_ends_the_session() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-refresh-thief").await;
    let browser = stage.anonymous.with_header("user-agent", "Browser/1");
    let first = session(&browser, &tenant).await["refresh_token"].clone();
    let pair = refresh(&browser, &first).await.expect(200);
    let thief = stage.anonymous.with_header("user-agent", "Script/9");
    refresh(&thief, &first).await.refused(401, "SESSION_REVOKED");
    assert_eq!(refresh(&browser, &pair["refresh_token"]).await.status, 401);
}

#[tokio::test]
async fn a_key_that_has_expired_says_so() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-expired").await;
    let end = (OffsetDateTime::now_utc() + Duration::from_secs(3)).format(&Rfc3339).expect("a time");
    let body = json!({"name": "Short", "scopes": ["contact.read"], "expires_at": end});
    let made = tenant.admin.post("/api/v1/api-keys", body).await.expect(201);
    let client = stage.anonymous.with_token(&text(&made["secret"]));
    client.get("/api/v1/contacts").await.expect(200);
    let refused = waiting::outcome(Duration::from_secs(40), "the key has expired", async || {
        let answer = client.get("/api/v1/contacts").await;
        if answer.status == 200 { Err("it is still good") } else { Ok(answer) }
    });
    refused.await.refused(401, "API_KEY_EXPIRED");
    // Not held anywhere, it says the same.
    client.get("/api/v1/me").await.refused(401, "API_KEY_EXPIRED");
}

#[tokio::test]
async fn a_role_speaks_of_fields_that_there_are() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("f-role-fields").await;
    let rule = |object: &str, field: &str| json!({"object": object, "field": field, "access": "none"});
    let role = |name: &str, fields: Value| {
        let read = json!([{"object": "contact", "actions": ["read"], "scopes": ["all"]}]);
        tenant.admin.post("/api/v1/roles", json!({"name": name, "permissions": read, "fields": fields}))
    };
    let mut wrong = Wrong::default();
    for (object, field) in [
        ("contact", "email"),
        ("contact", "lastname"),
        ("contact", "First_Name"),
        ("company", "nmae"),
        ("company", "emails"),
        ("note", "text"),
    ] {
        let answer =
            role(&format!("{object} {field}"), json!([rule("contact", "score"), rule(object, field)])).await;
        let right = violation(&answer, "/fields/1/field").is_some();
        wrong.unless(right, || format!("{object} {field}: {} {}", answer.status, answer.text));
    }
    // A custom field may come later.
    let good =
        json!([rule("contact", "emails"), rule("company", "domains"), rule("contact", "custom.later")]);
    let made = role("Good", good).await.expect(201);
    let path = format!("/api/v1/roles/{}", text(&made["id"]));
    let answer = tenant.admin.patch(&path, json!({"fields": [rule("contact", "phone_numbers")]})).await;
    wrong.unless(violation(&answer, "/fields/0/field").is_some(), || format!("changed: {}", answer.status));
    wrong.none();
}
