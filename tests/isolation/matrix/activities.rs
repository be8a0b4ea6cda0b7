//! The RPCs of activities.

use serde_json::json;

use super::Table;
use super::identity::{ACTIVE_USER, TEAM};
use super::records::{COMPANY, CONTACT};
use super::row::{delete, get, patch, post};
use super::target::{Target, created};
use crate::stage::Tenant;

const NOTE: Target = Target::new(|_, tenant, unique| Box::pin(note(tenant, unique)));
const DELETED_NOTE: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = note(tenant, unique).await;
        tenant.admin.delete(&format!("/api/v1/notes/{id}")).await.expect(204);
        id
    })
});

pub fn table() -> Table {
    let owned = json!({"body": "{unique}", "owner_id": "{id}"});
    let shared = json!({"body": "{unique}", "team_id": "{id}"});
    let about = |object: &str| json!({"body": "{unique}", "links": [{"object": object, "id": "{id}"}]});
    let relinked = json!({"links": [{"object": "contact", "id": "{id}"}]});
    let rows = vec![
        post("CreateNote", "/notes").of(&ACTIVE_USER).json(owned).answers(201),
        post("CreateNote", "/notes").of(&TEAM).json(shared).answers(201),
        post("CreateNote", "/notes").of(&CONTACT).json(about("contact")).answers(201),
        post("CreateNote", "/notes").of(&COMPANY).json(about("company")).answers(201),
        get("GetNote", "/notes/{id}").of(&NOTE),
        get("ListNotes", "/notes"),
        patch("UpdateNote", "/notes/{id}").of(&NOTE).json(json!({"pinned": true})),
        patch("UpdateNote", "/notes/{own}").of(&CONTACT).json(relinked).with("own", &NOTE),
        delete("DeleteNote", "/notes/{id}").of(&NOTE),
        post("RestoreNote", "/notes/{id}:restore").of(&DELETED_NOTE),
    ];
    Table { rows, internal: Vec::new(), planted: vec![&NOTE] }
}

async fn note(tenant: &Tenant, unique: &str) -> String {
    created(&tenant.admin.post("/api/v1/notes", json!({"body": unique})).await.expect(201))
}
