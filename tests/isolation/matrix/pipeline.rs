//! The RPCs of pipelines.

use std::pin::Pin;

use proto::common::v1::{RecordIds, RecordName};
use proto::pipeline::v1::pipeline_service_client::PipelineServiceClient;
use proto::pipeline::v1::{CheckRecordsRequest, GetRecordNamesRequest};
use serde_json::{Value, json};
use testkit::fleet::Role;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::identity::{ACTIVE_USER, ROLE, TEAM};
use super::records::{COMPANY, CONTACT};
use super::row::{delete, get, patch, post, put};
use super::target::{Target, created};
use super::{Check, Table, Two};
use crate::isolation::internal::{as_service, with_token};
use crate::stage::{Stage, Tenant, text};

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

pub const DEAL: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        created(&tenant.admin.post("/api/v1/deals", json!({"name": unique})).await.expect(201))
    })
});
const DELETED_DEAL: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = created(&tenant.admin.post("/api/v1/deals", json!({"name": unique})).await.expect(201));
        tenant.admin.delete(&format!("/api/v1/deals/{id}")).await.expect(204);
        id
    })
});
/// The second stage of the default pipeline, where nothing is required.
const STAGE: Target = Target::new(|_, tenant, _| Box::pin(stage(tenant, 1)));
/// The one where deals begin.
const FIRST_STAGE: Target = Target::new(|_, tenant, _| Box::pin(stage(tenant, 0)));

pub fn table() -> Table {
    let deal = |place: &str| json!({"name": "{unique}", place: "{id}"});
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
        post("CreateDeal", "/deals").of(&ACTIVE_USER).json(deal("owner_id")).answers(201),
        post("CreateDeal", "/deals").of(&TEAM).json(deal("team_id")).answers(201),
        post("CreateDeal", "/deals").of(&COMPANY).json(deal("company_id")).answers(201),
        post("CreateDeal", "/deals").of(&PIPELINE).json(deal("pipeline_id")).answers(201),
        post("CreateDeal", "/deals").of(&STAGE).json(deal("stage_id")).answers(201),
        post("CreateDeal", "/deals")
            .of(&CONTACT)
            .json(json!({"name": "{unique}", "contacts": [{"contact_id": "{id}"}]}))
            .answers(201),
        get("GetDeal", "/deals/{id}").of(&DEAL),
        get("ListDeals", "/deals"),
        get("ListDeals", "/deals?include=company,contacts,owner,stage"),
        get("GetDealBoard", "/deals:board"),
        get("GetDealBoard", "/deals:board?pipeline_id={id}").of(&PIPELINE),
        patch("UpdateDeal", "/deals/{id}").of(&DEAL).json(json!({"next_step": "{unique}"})),
        patch("UpdateDeal", "/deals/{own}")
            .of(&COMPANY)
            .json(json!({"company_id": "{id}"}))
            .with("own", &DEAL),
        delete("DeleteDeal", "/deals/{id}").of(&DEAL),
        post("RestoreDeal", "/deals/{id}:restore").of(&DELETED_DEAL),
        post("MoveDeal", "/deals/{id}:move")
            .of(&DEAL)
            .json(json!({"stage_id": "{stage}"}))
            .with("stage", &STAGE),
        post("MoveDeal", "/deals/{own}:move").of(&STAGE).json(json!({"stage_id": "{id}"})).with("own", &DEAL),
        post("MoveDeal", "/deals/{own}:move")
            .of(&DEAL)
            .json(json!({"stage_id": "{first}", "after_id": "{id}"}))
            .with("own", &DEAL)
            .with("first", &FIRST_STAGE),
        post("ChangeDealPipeline", "/deals/{id}:change-pipeline")
            .of(&DEAL)
            .json(json!({"pipeline_id": "{pipeline}"}))
            .with("pipeline", &PIPELINE),
        post("ChangeDealPipeline", "/deals/{own}:change-pipeline")
            .of(&PIPELINE)
            .json(json!({"pipeline_id": "{id}"}))
            .with("own", &DEAL),
        get("GetStageHistory", "/deals/{id}/stage-history").of(&DEAL),
        get("GetFunnel", "/reports/funnel"),
        get("GetFunnel", "/reports/funnel?pipeline_id={id}").of(&PIPELINE),
        get("GetForecast", "/reports/forecast"),
        get("GetForecast", "/reports/forecast?pipeline_id={id}").of(&PIPELINE),
        get("GetVelocity", "/reports/velocity"),
        get("GetVelocity", "/reports/velocity?pipeline_id={id}").of(&PIPELINE),
        get("GetWinLoss", "/reports/win-loss"),
        get("GetWinLoss", "/reports/win-loss?pipeline_id={id}").of(&PIPELINE),
    ];
    let of_imports = ["CreateImport", "PreviewImport"].map(|rpc| (rpc, imports as Check));
    let names: [(_, Check); 2] = [
        ("CheckRecords", |two| Box::pin(check_records(two))),
        ("GetRecordNames", |two| Box::pin(get_record_names(two))),
    ];
    let internal = super::OPERATIONS
        .map(|rpc| (rpc, operations as Check))
        .into_iter()
        .chain(of_imports)
        .chain(names)
        .collect();
    Table { rows, internal, planted: vec![&PIPELINE, &DEAL] }
}

/// The service, called as activities call it.
async fn as_activities(
    stage: &Stage,
) -> PipelineServiceClient<
    InterceptedService<Channel, impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<>>,
> {
    let service = as_service(stage.service_token(Role::Activities).await);
    PipelineServiceClient::with_interceptor(stage.grpc(Role::Pipeline).await, service)
}

/// An own deal, and what is none of a's.
async fn deals(Two { stage, a, b }: &Two) -> (String, Vec<String>) {
    let (ours, theirs) = ((DEAL.make)(stage, a, "ours").await, (DEAL.make)(stage, b, "theirs").await);
    (ours, vec![theirs, super::random_id(), "no id".to_owned()])
}

fn ids(object: &str, ids: Vec<String>) -> RecordIds {
    RecordIds { object: object.to_owned(), ids }
}

/// Another tenant's ids, random ones and texts that are no ids are unknown alike; without permission own ones are, too.
async fn check_records(two: &Two) {
    let Two { stage, a, .. } = two;
    let mut pipeline = as_activities(stage).await;
    let (ours, others) = deals(two).await;
    let all = [vec![ours.clone()], others.clone()].concat();
    let asked = || CheckRecordsRequest {
        records: vec![ids("deal", all.clone()), ids("contact", vec![ours.clone()])],
    };
    let unknown = pipeline.check_records(with_token(&a.access_token, asked())).await.expect("a's deals");
    assert_eq!(unknown.into_inner().unknown, [ids("deal", others), ids("contact", vec![ours.clone()])]);
    let denied = stage.member(a, "checks", json!([]), json!([])).await;
    let unknown =
        pipeline.check_records(with_token(denied.client.token(), asked())).await.expect("an answer");
    assert_eq!(unknown.into_inner().unknown, asked().records);
    let bare = pipeline.check_records(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// Another tenant's ids are as if they were not there; without permission own ones have no name.
async fn get_record_names(two: &Two) {
    let Two { stage, a, .. } = two;
    let mut pipeline = as_activities(stage).await;
    let (ours, others) = deals(two).await;
    let all = [vec![ours.clone()], others].concat();
    let asked = || GetRecordNamesRequest { records: vec![ids("deal", all.clone())] };
    let named = |name: Option<&str>| {
        let (object, name) = ("deal".to_owned(), name.map(str::to_owned));
        vec![RecordName { object, id: ours.clone(), name, deleted: false }]
    };
    let names = pipeline.get_record_names(with_token(&a.access_token, asked())).await.expect("a's deals");
    assert_eq!(names.into_inner().names, named(Some("ours")));
    let denied = stage.member(a, "names", json!([]), json!([])).await;
    let names =
        pipeline.get_record_names(with_token(denied.client.token(), asked())).await.expect("an answer");
    assert_eq!(names.into_inner().names, named(None));
    let bare = pipeline.get_record_names(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// A file is its owner's: another tenant's, a colleague's and a random one are unknown alike, and so is what they hold.
fn imports<'a>(two: &'a Two) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let Two { stage, a, b } = two;
        let import = |upload: &str| json!({"upload_id": upload, "object": "deal", "mapping": [{"column": "Name", "field": "name"}]});
        let preview = |upload: &str| json!({"upload_id": upload, "object": "deal"});
        let rights = json!([{"object": "deal", "actions": ["import", "create"], "scopes": ["all"]}]);
        let colleague = stage.member(a, "imports", rights, json!([])).await;
        let (ours, theirs) = (super::records::upload(a).await, super::records::upload(b).await);
        for (client, upload) in
            [(&a.admin, &theirs), (&a.admin, &super::random_id()), (&colleague.client, &ours)]
        {
            for (path, body) in [("imports", import(upload)), ("imports:preview", preview(upload))] {
                let refused = client.post(&format!("/api/v1/{path}"), body).await.expect(422);
                let error = &refused["errors"][0];
                assert_eq!(
                    (&error["pointer"], &error["reason"]),
                    (&json!("/upload_id"), &json!("REFERENCE_NOT_FOUND"))
                );
            }
        }
        let nobody = stage.member(a, "imports-nothing", json!([]), json!([])).await;
        nobody.client.post("/api/v1/imports", import(&ours)).await.refused(403, "PERMISSION_DENIED");
        let queued = a.admin.post("/api/v1/imports", import(&ours)).await.expect(202);
        let over = super::over(a, &text(&queued["id"])).await;
        assert_eq!(over["result"]["created"], 1, "{over}");
        let shown = a.admin.post("/api/v1/imports:preview", preview(&ours)).await.expect(200);
        assert_eq!(shown["mapping"], json!([{"column": "Name", "field": "name"}]));
        let listed = b.admin.get("/api/v1/deals?filter=name%20%3D%20%22Meyer%22").await.expect(200);
        assert_eq!(listed["deals"], json!([]));
    })
}

fn operations<'a>(two: &'a Two) -> Pin<Box<dyn Future<Output = ()> + 'a>> {
    Box::pin(async move {
        let theirs = created(&two.b.admin.post("/api/v1/deals", json!({"name": "theirs"})).await.expect(201));
        super::operations(two, ("deals", &theirs), "DEAL_NOT_FOUND").await;
    })
}

async fn stage(tenant: &Tenant, at: usize) -> String {
    let all = tenant.admin.get("/api/v1/pipelines").await.expect(200);
    text(&all["pipelines"][0]["stages"][at]["id"])
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
