//! The RPCs of fields.

use proto::fields::v1::fields_service_client::FieldsServiceClient;
use proto::fields::v1::{AssignSlotRequest, FinishSlotRequest, GetFieldSetRequest};
use serde_json::json;
use testkit::fleet::Role;
use tonic::Code;

use super::row::{get, patch, post};
use super::target::{Target, created, random_id};
use super::{Check, Table, Two};
use crate::isolation::internal::{as_service, with_token};
use crate::stage::Tenant;

pub const FIELD: Target = Target::new(|_, tenant, unique| Box::pin(field(tenant, unique)));
const ARCHIVED: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = field(tenant, unique).await;
        let archive = format!("/api/v1/objects/contact/fields/{id}:archive");
        tenant.admin.post(&archive, json!({})).await.expect(200);
        id
    })
});

pub fn table() -> Table {
    let new = json!({"key": "{key}", "label": "{unique}", "type": "text"});
    let rows = vec![
        post("CreateField", "/objects/contact/fields").json(new).answers(201),
        get("GetField", "/objects/contact/fields/{id}").of(&FIELD),
        get("ListFields", "/objects/contact/fields"),
        patch("UpdateField", "/objects/contact/fields/{id}").of(&FIELD).json(json!({"label": "{unique}"})),
        post("DeprecateField", "/objects/contact/fields/{id}:deprecate").of(&FIELD),
        post("ArchiveField", "/objects/contact/fields/{id}:archive").of(&FIELD),
        post("RestoreField", "/objects/contact/fields/{id}:restore").of(&ARCHIVED),
        get("GetLimits", "/limits"),
    ];
    let internal: Vec<(_, Check)> = vec![
        ("GetFieldSet", |two| Box::pin(get_field_set(two))),
        ("AssignSlot", |two| Box::pin(slots(two))),
        ("FinishSlot", |two| Box::pin(slots(two))),
    ];
    Table { rows, internal, planted: Vec::new() }
}

async fn field(tenant: &Tenant, unique: &str) -> String {
    let body = json!({"key": unique.replace('-', "_"), "label": unique, "type": "text", "indexed": false});
    created(&tenant.admin.post("/api/v1/objects/contact/fields", body).await.expect(201))
}

/// Definitions of the caller's tenant only.
async fn get_field_set(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Records).await);
    let mut fields = FieldsServiceClient::with_interceptor(stage.grpc(Role::Fields).await, service);
    let body = json!({"key": "only_b", "label": "B", "type": "text"});
    b.admin.post("/api/v1/objects/contact/fields", body).await.expect(201);
    let request = || GetFieldSetRequest { object: "contact".to_owned(), if_version: 0 };
    let theirs = fields.get_field_set(with_token(&b.access_token, request())).await.expect("b's fields");
    assert!(theirs.into_inner().fields.iter().any(|f| f.key == "only_b"));
    let ours = fields.get_field_set(with_token(&a.access_token, request())).await.expect("a's fields");
    let ours = ours.into_inner().fields;
    assert!(ours.is_empty(), "{ours:?}");
    let bare = fields.get_field_set(request()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// A foreign field is as unknown as a random one.
async fn slots(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Records).await);
    let mut fields = FieldsServiceClient::with_interceptor(stage.grpc(Role::Fields).await, service);
    let object = || "contact".to_owned();
    let unique = random_id();
    let theirs = field(b, &format!("f{unique}")).await;
    let mut refused = Vec::new();
    for id in [theirs.clone(), random_id()] {
        let assign = AssignSlotRequest { object: object(), id: id.clone(), validate_only: false };
        let answer = fields.assign_slot(with_token(&a.access_token, assign)).await.expect_err("unknown");
        refused.push((answer.code(), answer.message().to_owned()));
        let finish = FinishSlotRequest { object: object(), id, slot_assignment: 1 };
        let answer = fields.finish_slot(with_token(&a.access_token, finish)).await.expect_err("unknown");
        refused.push((answer.code(), answer.message().to_owned()));
    }
    assert!(refused.iter().all(|one| *one == refused[0] && one.0 == Code::NotFound), "{refused:?}");
    let bare =
        fields.assign_slot(AssignSlotRequest { object: object(), id: theirs, validate_only: false }).await;
    assert_eq!(bare.expect_err("no credentials").code(), Code::Unauthenticated);
}
