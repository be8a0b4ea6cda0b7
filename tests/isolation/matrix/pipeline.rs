//! The RPCs of pipelines.

use serde_json::{Value, json};

use super::Table;
use super::identity::ROLE;
use super::row::{delete, get, patch, post, put};
use super::target::{Target, created};
use crate::stage::Tenant;

const PIPELINE: Target = Target::new(|_, tenant, unique| Box::pin(pipeline(tenant, unique)));
const ARCHIVED: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = pipeline(tenant, unique).await;
        tenant.admin.post(&format!("/api/v1/pipelines/{id}:archive"), json!({})).await.expect(200);
        id
    })
});
const DRAFTED: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = pipeline(tenant, unique).await;
        let draft = document("Drafted");
        tenant.admin.put(&format!("/api/v1/pipelines/{id}/draft"), draft).await.expect(200);
        id
    })
});

pub fn table() -> Table {
    let mut restricted = document("{unique}");
    restricted["transitions"] = json!([{"from": "lost", "to": "new", "role_ids": ["{id}"]}]);
    let rows = vec![
        get("ListPipelineTemplates", "/pipeline-templates"),
        post("CreatePipeline", "/pipelines")
            .json(json!({"name": "{unique}", "template": "consulting"}))
            .answers(201),
        post("CreatePipeline", "/pipelines")
            .of(&ROLE)
            .json(json!({"name": "{unique}", "document": restricted}))
            .answers(201),
        get("GetPipeline", "/pipelines/{id}").of(&PIPELINE),
        get("ListPipelines", "/pipelines"),
        patch("UpdatePipeline", "/pipelines/{id}").of(&PIPELINE).json(json!({"name": "{unique}"})),
        post("ArchivePipeline", "/pipelines/{id}:archive").of(&PIPELINE),
        post("RestorePipeline", "/pipelines/{id}:restore").of(&ARCHIVED),
        get("GetDraft", "/pipelines/{id}/draft").of(&DRAFTED),
        put("PutDraft", "/pipelines/{id}/draft").of(&PIPELINE).json(document("{unique}")),
        delete("DeleteDraft", "/pipelines/{id}/draft").of(&DRAFTED),
        post("PublishPipeline", "/pipelines/{id}:publish").of(&DRAFTED),
        get("GetImpact", "/pipelines/{id}:impact").of(&DRAFTED),
        get("ListPipelineVersions", "/pipelines/{id}/versions").of(&PIPELINE),
        get("GetPipelineVersion", "/pipelines/{id}/versions/1").of(&PIPELINE),
    ];
    Table { rows, internal: Vec::new(), planted: vec![&PIPELINE] }
}

async fn pipeline(tenant: &Tenant, unique: &str) -> String {
    let body = json!({"name": unique, "template": "consulting"});
    created(&tenant.admin.post("/api/v1/pipelines", body).await.expect(201))
}

fn document(name: &str) -> Value {
    json!({"stages": [
        {"key": "new", "name": name, "kind": "open", "probability": 10},
        {"key": "won", "name": "Won", "kind": "won"},
        {"key": "lost", "name": "Lost", "kind": "lost"},
    ]})
}
