//! The rules of a request hold for who sends it past the gateway.

use std::collections::BTreeSet;

use error::{Code, Error};
use prost::Message;
use proto::activities::v1::ListNotesRequest;
use proto::fields::v1::{CreateFieldRequest, Field};
use proto::identity::v1::{CreateTeamRequest, Team};
use proto::pipeline::v1::{CreatePipelineRequest, Document, Stage as PipelineStage};
use proto::records::v1::{Contact, CreateContactRequest, EmailAddress, ListContactsRequest};
use serde_json::json;
use testkit::fleet::Role;

use super::Direct;
use crate::stage::Stage;

const CREATE_CONTACT: &str = "/globcrm.records.v1.RecordsService/CreateContact";
const LIST_CONTACTS: &str = "/globcrm.records.v1.RecordsService/ListContacts";

fn violations(error: &Error) -> BTreeSet<(String, String)> {
    error.violations().iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn broken_rules_are_told_all_at_once_as_through_rest() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("rules").await;
    let bearer = format!("Bearer {}", tenant.access_token);
    let shown = [("authorization", bearer.as_str())];
    let (long, many) = ("x".repeat(201), vec!["tag".to_owned(); 51]);
    let body = json!({
        "last_name": "nul\u{0}", "job_title": long, "owner_id": "nobody", "score": 1_000_001, "tags": many,
        "emails": [{"address": ""}], "external_ids": {"k".repeat(61): "v"}, "custom": {"a": "\u{0}"},
    });
    let through_rest = tenant.admin.post("/api/v1/contacts", body).await;
    through_rest.refused(422, "VALIDATION_FAILED");
    let contact = Contact {
        last_name: Some("nul\0".to_owned()),
        job_title: Some(long),
        owner_id: Some("nobody".to_owned()),
        score: Some(1_000_001),
        tags: many,
        emails: vec![EmailAddress::default()],
        external_ids: [("k".repeat(61), "v".to_owned())].into(),
        custom: br#"{"a":"\u0000"}"#.to_vec().into(),
        ..Default::default()
    };
    let request = CreateContactRequest { contact: Some(contact), ..Default::default() };
    let records = Direct::to(stage, Role::Records);
    let direct = records.call(CREATE_CONTACT, &shown, request.encode_to_vec()).await.expect_err("broken");
    assert_eq!((direct.code(), direct.reason()), (Code::Unprocessable, "VALIDATION_FAILED"), "{direct}");
    let wanted: BTreeSet<_> = through_rest.violations().into_iter().collect();
    assert!(wanted.len() > 7, "{wanted:?}");
    assert_eq!(violations(&direct), wanted);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_service_keeps_its_rules_and_takes_what_is_right() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("kept").await;
    let bearer = format!("Bearer {}", tenant.access_token);
    let shown = [("authorization", bearer.as_str())];
    let field = Field { label: "x".repeat(101), description: Some("\0".to_owned()), ..Default::default() };
    let field = CreateFieldRequest { object: "contact".to_owned(), field: Some(field) };
    let team = |name: String| CreateTeamRequest { team: Some(Team { name, ..Default::default() }) };
    let page = ListContactsRequest { page_size: Some(-1), filter: "\0".to_owned(), ..Default::default() };
    let notes = ListNotesRequest { page_size: Some(-1), filter: "\0".to_owned(), ..Default::default() };
    let stage_of = |key: String| Document {
        stages: vec![PipelineStage { key, ..Default::default() }],
        ..Default::default()
    };
    let pipeline = CreatePipelineRequest {
        name: "\0".to_owned(),
        template: None,
        document: Some(stage_of("x".repeat(41))),
    };
    let create_team = "/globcrm.identity.v1.IdentityService/CreateTeam";
    let broken = [
        (
            Role::Fields,
            "/globcrm.fields.v1.FieldsService/CreateField",
            field.encode_to_vec(),
            &["/description", "/label"][..],
        ),
        (Role::Identity, create_team, team("x\0".repeat(200)).encode_to_vec(), &["/name"]),
        (Role::Records, LIST_CONTACTS, page.encode_to_vec(), &["/filter", "/page_size"]),
        (
            Role::Pipeline,
            "/globcrm.pipeline.v1.PipelineService/CreatePipeline",
            pipeline.encode_to_vec(),
            &["/document/stages/0/key", "/name"],
        ),
        (
            Role::Activities,
            "/globcrm.activities.v1.ActivitiesService/ListNotes",
            notes.encode_to_vec(),
            &["/filter", "/page_size"],
        ),
    ];
    let asked: BTreeSet<Role> = broken.iter().map(|(role, ..)| *role).collect();
    let serving: BTreeSet<Role> =
        Role::ALL.into_iter().filter(|role| role.member().service.is_some()).collect();
    assert_eq!(asked, serving, "the services that are asked");
    for (role, path, message, places) in broken {
        let refused = Direct::to(stage, role).call(path, &shown, message).await.expect_err(path);
        assert_eq!((refused.code(), refused.reason()), (Code::Unprocessable, "VALIDATION_FAILED"), "{path}");
        let found: Vec<String> = violations(&refused).into_iter().map(|(place, _)| place).collect();
        assert_eq!(found, places, "{path}");
    }
    let identity = Direct::to(stage, Role::Identity);
    identity.call(create_team, &shown, team("North".to_owned()).encode_to_vec()).await.expect("a good name");
    let records = Direct::to(stage, Role::Records);
    records.call(LIST_CONTACTS, &shown, Vec::new()).await.expect("a good list");
    let broken = records.call(LIST_CONTACTS, &shown, vec![0x0a, 0x7f]).await.expect_err("no message");
    assert_eq!((broken.code(), broken.reason()), (Code::InvalidArgument, "MESSAGE_MALFORMED"));
}
