//! Some work for a fleet, so that its metrics have something to say.

use serde_json::{Value, json};

use crate::stage::{Stage, Tenant, text};

/// Everything once: every service is called, every kind of event is written, a log-in fails, a power is refused, an operation is worked.
pub(super) async fn once(stage: &Stage) -> Tenant {
    let tenant = stage.tenant("watched").await;
    let admin = &tenant.admin;
    let field = json!({"key": "tier", "label": "Tier", "type": "text"});
    admin.post("/api/v1/objects/contact/fields", field).await.expect(201);
    let company = admin.post("/api/v1/companies", json!({"name": "Acme"})).await.expect(201);
    admin.delete(&format!("/api/v1/companies/{}", text(&company["id"]))).await;
    let contact = admin.post("/api/v1/contacts", json!({"last_name": "A"})).await.expect(201);
    let path = format!("/api/v1/contacts/{}", text(&contact["id"]));
    admin.patch(&path, json!({"job_title": "CTO"})).await.expect(200);
    admin
        .post("/api/v1/notes", json!({"body": "x", "links": [{"object": "contact", "id": contact["id"]}]}))
        .await;
    let deal = admin.post("/api/v1/deals", json!({"name": "100 seats"})).await.expect(201);
    lose(&tenant, &deal).await;
    let change = json!({"object": "contacts", "filter": "last_name = \"A\"", "action": "update", "changes": {"job_title": "CEO"}});
    admin.post("/api/v1/bulk-operations", change).await;
    let wrong = json!({"organization": tenant.slug, "email": format!("admin@{}.test", tenant.slug), "password": "not this one at all"});
    stage.anonymous.post("/api/v1/auth/login", wrong).await.refused(401, "CREDENTIALS_INVALID");
    // Somebody who may make roles, and asks for one that may do more than they.
    let permissions = json!([{"object": "role", "actions": ["create", "read"], "scopes": ["all"]}]);
    let member = stage.member(&tenant, "climber", permissions, json!([])).await;
    let greedy = json!([{"object": "contact", "actions": ["delete"], "scopes": ["all"]}]);
    let role = json!({"name": "More", "permissions": greedy, "fields": []});
    member.client.post("/api/v1/roles", role).await.refused(403, "ROLE_EXCEEDS_CALLER");
    tenant
}

/// Puts a deal into the stage of those that are lost.
async fn lose(tenant: &Tenant, deal: &Value) {
    let pipeline =
        tenant.admin.get(&format!("/api/v1/pipelines/{}", text(&deal["pipeline_id"]))).await.expect(200);
    let stages = pipeline["stages"].as_array().expect("stages");
    let lost = stages.iter().find(|stage| stage["kind"] == "lost").expect("a stage for lost ones");
    let moved = json!({"stage_id": lost["id"], "lost_reason": "price", "reason": "price"});
    let answer = tenant.admin.post(&format!("/api/v1/deals/{}:move", text(&deal["id"])), moved).await;
    assert!(answer.status < 500, "{}", answer.text);
}

/// A little of what is asked all the time, of every service.
pub(super) async fn again(tenant: &Tenant) {
    for path in [
        "me",
        "objects/contact/fields",
        "contacts",
        "companies",
        "deals",
        "pipelines",
        "activities",
        "notes",
        "operations",
    ] {
        tenant.admin.get(&format!("/api/v1/{path}")).await.expect(200);
    }
}
