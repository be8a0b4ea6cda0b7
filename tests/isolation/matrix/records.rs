//! The RPCs of records.

use proto::common::v1::{RecordIds, RecordName};
use proto::records::v1::records_service_client::RecordsServiceClient;
use proto::records::v1::{
    CheckRecordsRequest, CompanyName, ExamineUploadRequest, FindRecordsRequest, GetRecordNamesRequest,
    ReadUploadRequest, UploadToRead,
};
use serde_json::json;
use testkit::fleet::Role;
use tonic::Code;

use super::fields::FIELD;
use super::identity::{ACTIVE_USER, TEAM};
use super::row::{delete, get, patch, post};
use super::target::{Target, created, random_id};
use super::{Check, Table, Two};
use crate::isolation::internal::{as_service, with_token};
use crate::stage::Tenant;

pub const CONTACT: Target = Target::new(|_, tenant, unique| Box::pin(contact(tenant, unique)));
const DELETED_CONTACT: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = contact(tenant, unique).await;
        tenant.admin.delete(&format!("/api/v1/contacts/{id}")).await.expect(204);
        id
    })
});
pub const COMPANY: Target = Target::new(|_, tenant, unique| Box::pin(company(tenant, unique)));
const DELETED_COMPANY: Target = Target::new(|_, tenant, unique| {
    Box::pin(async move {
        let id = company(tenant, unique).await;
        tenant.admin.delete(&format!("/api/v1/companies/{id}")).await.expect(204);
        id
    })
});
/// A contact linked to a company: `<contact>/companies/<company>`.
const LINK: Target = Target {
    make: |_, tenant, unique| Box::pin(link(tenant, unique)),
    random: || format!("{}/companies/{}", random_id(), random_id()),
};
const UPLOAD: Target = Target::new(|_, tenant, _| Box::pin(upload(tenant)));
const OPERATION: Target = Target {
    make: |_, tenant, _| Box::pin(operation(tenant)),
    random: || format!("records.{}", random_id()),
};

/// A change of many records that is over.
const CHANGE: Target = Target {
    make: |_, tenant, unique| Box::pin(super::changed(tenant, "contacts", unique)),
    random: || format!("records.{}", random_id()),
};

const FILE: &[u8] = b"Name\nMeyer\n";

pub fn table() -> Table {
    let mapping = json!([{"column": "Name", "field": "last_name"}]);
    let import = json!({"upload_id": "{id}", "object": "contact", "mapping": mapping, "dry_run": true});
    let owned = json!({"last_name": "{unique}", "owner_id": "{id}"});
    let shared = json!({"last_name": "{unique}", "team_id": "{id}"});
    let below = json!({"name": "{unique}", "parent_id": "{id}"});
    let rows = vec![
        post("CreateContact", "/contacts").of(&ACTIVE_USER).json(owned).answers(201),
        post("CreateContact", "/contacts").of(&TEAM).json(shared).answers(201),
        get("GetContact", "/contacts/{id}").of(&CONTACT),
        get("ListContacts", "/contacts"),
        get("ListContacts", "/contacts?include=company,owner"),
        patch("UpdateContact", "/contacts/{id}").of(&CONTACT).json(json!({"job_title": "CTO"})),
        delete("DeleteContact", "/contacts/{id}").of(&CONTACT),
        post("RestoreContact", "/contacts/{id}:restore").of(&DELETED_CONTACT),
        post("CreateCompany", "/companies").of(&COMPANY).json(below).answers(201),
        get("GetCompany", "/companies/{id}").of(&COMPANY),
        get("ListCompanies", "/companies"),
        get("ListCompanies", "/companies?include=owner,parent"),
        patch("UpdateCompany", "/companies/{id}").of(&COMPANY).json(json!({"industry": "food"})),
        delete("DeleteCompany", "/companies/{id}").of(&COMPANY),
        post("RestoreCompany", "/companies/{id}:restore").of(&DELETED_COMPANY),
        post("LinkContactCompany", "/contacts/{own}/companies")
            .of(&COMPANY)
            .json(json!({"company_id": "{id}"}))
            .with("own", &CONTACT)
            .answers(201),
        post("LinkContactCompany", "/contacts/{id}/companies")
            .of(&CONTACT)
            .json(json!({"company_id": "{own}"}))
            .with("own", &COMPANY)
            .answers(201),
        get("ListContactCompanies", "/contacts/{id}/companies").of(&CONTACT),
        delete("UnlinkContactCompany", "/contacts/{id}").of(&LINK),
        post("CreateUpload", "/uploads").bytes("text/csv", FILE).answers(201),
        post("CreateImport", "/imports").of(&UPLOAD).json(import).answers(202),
        post("PreviewImport", "/imports:preview").of(&UPLOAD).json(json!({"upload_id": "{id}"})),
        post("IndexField", "/objects/contact/fields/{id}:index").of(&FIELD).answers(202),
        post("CreateBulkOperation", "/bulk-operations")
            .json(json!({"object": "contacts", "filter": "*", "action": "tag", "changes": {"add": ["x"]}}))
            .answers(202),
        post("CreateBulkOperation", "/bulk-operations")
            .of(&ACTIVE_USER)
            .json(json!({"object": "contacts", "filter": "*", "action": "transfer",
                         "changes": {"owner_id": "{id}"}}))
            .answers(202),
        post("UndoOperation", "/operations/{id}:undo").of(&CHANGE).answers(202).open(404),
        get("GetOperation", "/operations/{id}").of(&OPERATION).open(404),
        get("ListOperations", "/operations").open(200),
        post("CancelOperation", "/operations/{id}:cancel").of(&OPERATION).open(404),
        get("GetOperationErrors", "/operations/{id}/errors").of(&OPERATION).open(404),
    ];
    let internal: Vec<(_, Check)> = vec![
        ("CheckRecords", |two| Box::pin(check_records(two))),
        ("GetRecordNames", |two| Box::pin(get_record_names(two))),
        ("ExamineUpload", |two| Box::pin(lent_uploads(two))),
        ("ReadUpload", |two| Box::pin(lent_uploads(two))),
        ("FindRecords", |two| Box::pin(find_records(two))),
    ];
    Table { rows, internal, planted: vec![&CONTACT, &COMPANY] }
}

/// Another tenant's ids, random ones and texts that are no ids are unknown alike; without permission own ones are, too.
async fn check_records(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Activities).await);
    let mut records = RecordsServiceClient::with_interceptor(stage.grpc(Role::Records).await, service);
    let (ours, theirs) = (contact(a, "checked").await, contact(b, "checked").await);
    let company = company(a, "checked").await;
    let ids = |object: &str, ids: &[&str]| RecordIds {
        object: object.to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
    };
    let random = random_id();
    let asked = || CheckRecordsRequest {
        records: vec![
            ids("contact", &[&ours, &theirs, &random, "no id", &company]),
            ids("company", &[&company]),
            ids("spaceship", &[&ours]),
        ],
    };
    let unknown = records.check_records(with_token(&a.access_token, asked())).await.expect("a's records");
    let wanted = vec![ids("contact", &[&theirs, &random, "no id", &company]), ids("spaceship", &[&ours])];
    assert_eq!(unknown.into_inner().unknown, wanted);
    let denied = stage.member(a, "checks", json!([]), json!([])).await;
    let unknown = records.check_records(with_token(denied.client.token(), asked())).await.expect("an answer");
    assert_eq!(unknown.into_inner().unknown, asked().records);
    let bare = records.check_records(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// Another tenant's ids are as if they were not there; without permission own ones have no name.
async fn get_record_names(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Pipeline).await);
    let mut records = RecordsServiceClient::with_interceptor(stage.grpc(Role::Records).await, service);
    let (ours, theirs) = (contact(a, "named").await, contact(b, "named").await);
    let ids = vec![ours.clone(), theirs, random_id(), "no id".to_owned()];
    let asked = || GetRecordNamesRequest {
        records: vec![RecordIds { object: "contact".to_owned(), ids: ids.clone() }],
    };
    let named = |name: Option<&str>| {
        let (object, name) = ("contact".to_owned(), name.map(str::to_owned));
        vec![RecordName { object, id: ours.clone(), name, deleted: false }]
    };
    let names = records.get_record_names(with_token(&a.access_token, asked())).await.expect("a's records");
    assert_eq!(names.into_inner().names, named(Some("named")));
    let denied = stage.member(a, "names", json!([]), json!([])).await;
    let names =
        records.get_record_names(with_token(denied.client.token(), asked())).await.expect("an answer");
    assert_eq!(names.into_inner().names, named(None));
    let bare = records.get_record_names(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// Another service reads uploads of the caller alone, and only with the caller's credentials.
async fn lent_uploads(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Pipeline).await);
    let mut records = RecordsServiceClient::with_interceptor(stage.grpc(Role::Records).await, service);
    let (ours, theirs) = (upload(a).await, upload(b).await);
    let of = |upload_id: &str| Some(UploadToRead { upload_id: upload_id.to_owned(), ..Default::default() });
    let examine = |id: &str| ExamineUploadRequest { upload: of(id), rows: 3, only_request: false };
    let read = |id: &str| ReadUploadRequest { upload: of(id), done: 0, survey: false };
    let seen = records.examine_upload(with_token(&a.access_token, examine(&ours))).await.expect("a's upload");
    assert_eq!(seen.into_inner().rows[0].cells, ["Meyer"]);
    let rows = records.read_upload(with_token(&a.access_token, read(&ours))).await.expect("a's upload");
    assert_eq!(rows.into_inner().rows[0].cells, ["Meyer"]);
    let colleague = stage.member(a, "reads", json!([]), json!([])).await;
    let token = a.access_token.clone();
    for (token, id) in [
        (&token, &theirs),
        (&token, &random_id()),
        (&token, &"no id".to_owned()),
        (&colleague.client.token().to_owned(), &ours),
    ] {
        let refused = records.examine_upload(with_token(token, examine(id))).await.expect_err("not theirs");
        assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");
        let gone = records.read_upload(with_token(token, read(id))).await.expect("an answer").into_inner();
        assert_eq!(gone.failure.map(|failure| failure.reason).as_deref(), Some("UPLOAD_GONE"));
        assert!(gone.rows.is_empty() && gone.detected.is_none());
    }
    let bare = records.read_upload(read(&ours)).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
    let bare = records.examine_upload(examine(&ours)).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// Names find what the caller may read, in the caller's tenant.
async fn find_records(Two { stage, a, b }: &Two) {
    let service = as_service(stage.service_token(Role::Pipeline).await);
    let mut records = RecordsServiceClient::with_interceptor(stage.grpc(Role::Records).await, service);
    let ours = company(a, "Found GmbH").await;
    company(b, "Theirs GmbH").await;
    for (tenant, mail) in [(a, "found@x.test"), (b, "theirs@x.test")] {
        let body = json!({"last_name": "Found", "emails": [{"address": mail}]});
        tenant.admin.post("/api/v1/contacts", body).await.expect(201);
    }
    let named = |name: &str| CompanyName { name: name.to_owned(), domain: String::new() };
    let asked = || FindRecordsRequest {
        companies: vec![named("found gmbh"), named("Theirs GmbH"), named("Nobody")],
        emails: vec!["found@x.test".to_owned(), "theirs@x.test".to_owned(), "nobody@x.test".to_owned()],
    };
    let found = records.find_records(with_token(&a.access_token, asked())).await.expect("a's").into_inner();
    assert_eq!(found.companies[0].id, ours);
    assert_eq!((found.contacts[0].id.is_empty(), found.companies.len(), found.contacts.len()), (false, 3, 3));
    assert_eq!((&found.companies[1], &found.contacts[1]), (&found.companies[2], &found.contacts[2]));
    assert_eq!(found.companies[1].reason, "REFERENCE_NOT_FOUND");
    let denied = stage.member(a, "finds", json!([]), json!([])).await;
    let nothing = records.find_records(with_token(denied.client.token(), asked())).await.expect("an answer");
    let nothing = nothing.into_inner();
    assert!(nothing.companies.iter().chain(&nothing.contacts).all(|found| found.id.is_empty()));
    let bare = records.find_records(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

async fn contact(tenant: &Tenant, unique: &str) -> String {
    created(&tenant.admin.post("/api/v1/contacts", json!({"last_name": unique})).await.expect(201))
}

async fn company(tenant: &Tenant, unique: &str) -> String {
    created(&tenant.admin.post("/api/v1/companies", json!({"name": unique})).await.expect(201))
}

async fn link(tenant: &Tenant, unique: &str) -> String {
    let (contact, company) = (contact(tenant, unique).await, company(tenant, unique).await);
    let path = format!("/api/v1/contacts/{contact}/companies");
    tenant.admin.post(&path, json!({"company_id": company})).await.expect(201);
    format!("{contact}/companies/{company}")
}

pub(super) async fn upload(tenant: &Tenant) -> String {
    let call = tenant.admin.call(reqwest::Method::POST, "/api/v1/uploads");
    created(&call.bytes("text/csv", FILE.to_vec()).send().await.expect(201))
}

async fn operation(tenant: &Tenant) -> String {
    let body = json!({"upload_id": upload(tenant).await, "object": "contact", "dry_run": true,
                      "mapping": [{"column": "Name", "field": "last_name"}]});
    created(&tenant.admin.post("/api/v1/imports", body).await.expect(202))
}
