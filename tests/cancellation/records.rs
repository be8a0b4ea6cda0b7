//! The RPCs of records.

use anyhow::Result;
use futures_util::stream;
use prost_types::FieldMask;
use proto::common::v1::RecordIds;
use proto::records::v1 as pb;
use proto::records::v1::records_service_client::RecordsServiceClient;
use proto::records::v1::records_service_server::RecordsServiceServer;

use super::dropping::{Call, DEFINITIONS, Step, Watch, at_every_point, call, rpcs, whole};
use crate::database::Database;
use crate::records::world::{Caller, World, mail, named};
use crate::world::definitions;

const KEY: [(&str, &str); 1] = [("idempotency-key", "the-key")];

#[tokio::test(flavor = "multi_thread")]
async fn records_leave_nothing() -> Result<()> {
    let database = Database::fresh("globcrm_test_dropped_records", &[records::MIGRATIONS]).await?;
    let world = World::on(database.clone())?;
    let mut watch = Watch::new(&database, &world.db, "records").await?;
    for rpc in rpcs("RecordsService") {
        at_every_point(&mut watch, &rpc, ahead(&rpc), async || prepare(&world, &rpc).await).await?;
        // Somebody else's calls are right.
        let other = world.admin()?;
        let made = other.create(named("Grace", "Hopper")).await?;
        assert_eq!(other.get(&made.id).await?.last_name.as_deref(), Some("Hopper"), "after {rpc}");
    }
    Ok(())
}

/// What a call does before its outcome.
fn ahead(rpc: &str) -> &'static [Step] {
    match rpc {
        "CreateContact" | "CreateCompany" => &[DEFINITIONS],
        _ => &[],
    }
}

fn mask(path: &str) -> FieldMask {
    FieldMask { paths: vec![path.to_owned()] }
}

async fn contact(who: &Caller) -> String {
    who.create(named("Ada", "Lovelace")).await.unwrap().id
}

async fn company(who: &Caller) -> String {
    who.create_company(pb::Company { name: Some("Acme".to_owned()), ..Default::default() }).await.unwrap().id
}

type Client = RecordsServiceClient<RecordsServiceServer<records::Service>>;

fn pieces(who: &Caller) -> tonic::Request<impl futures_util::Stream<Item = pb::CreateUploadRequest> + use<>> {
    let piece = |data: &'static [u8]| pb::CreateUploadRequest { data: data.into(), ..Default::default() };
    who.request(stream::iter([piece(b"Name\n"), piece(b"Meyer\n")]), &[])
}

async fn import(client: &mut Client, who: &Caller) -> pb::CreateImportRequest {
    let upload_id = client.create_upload(pieces(who)).await.unwrap().into_inner().id;
    pb::CreateImportRequest {
        upload_id,
        object: "contact".to_owned(),
        mapping: vec![pb::ColumnMapping { column: "Name".to_owned(), field: "last_name".to_owned() }],
        ..Default::default()
    }
}

fn bulk() -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: "contacts".to_owned(),
        filter: "*".to_owned(),
        action: "tag".to_owned(),
        changes: br#"{"add": ["x"]}"#.to_vec().into(),
        ..Default::default()
    }
}

/// A call of `rpc` by somebody new, in a tenant of their own.
async fn prepare(world: &World, rpc: &str) -> Call {
    let who = world.admin().unwrap();
    let mut client = RecordsServiceClient::new(RecordsServiceServer::new(who.service.clone()));
    match rpc {
        "CreateContact" => {
            let contact = pb::Contact { emails: vec![mail("ada@x.test")], ..named("Ada", "Lovelace") };
            let request = pb::CreateContactRequest { contact: Some(contact), ..Default::default() };
            call!(client, create_contact, who.request(request, &KEY))
        }
        "IndexField" => {
            let id =
                definitions::field_set().fields.into_iter().find(|field| field.key == "note").unwrap().id;
            let request = pb::IndexFieldRequest { object: "contact".to_owned(), id };
            call!(client, index_field, who.request(request, &KEY))
        }
        "GetContact" => {
            let include = "access".to_owned();
            let request = pb::GetContactRequest { id: contact(&who).await, include, ..Default::default() };
            call!(client, get_contact, who.request(request, &[]))
        }
        "ListContacts" => {
            contact(&who).await;
            let request = pb::ListContactsRequest { page_size: Some(10), ..Default::default() };
            call!(client, list_contacts, who.request(request, &[]))
        }
        "UpdateContact" => {
            let change = pb::Contact { job_title: Some("CTO".to_owned()), ..Default::default() };
            let request = pb::UpdateContactRequest {
                id: contact(&who).await,
                contact: Some(change),
                update_mask: Some(mask("job_title")),
            };
            call!(client, update_contact, who.request(request, &KEY))
        }
        "DeleteContact" => {
            let request = pb::DeleteContactRequest { id: contact(&who).await };
            call!(client, delete_contact, who.request(request, &[]))
        }
        "RestoreContact" => {
            let id = contact(&who).await;
            who.delete(&id, &[]).await.unwrap();
            call!(client, restore_contact, who.request(pb::RestoreContactRequest { id }, &[]))
        }
        "CreateCompany" => {
            let company = pb::Company { name: Some("Acme".to_owned()), ..Default::default() };
            let request = pb::CreateCompanyRequest { company: Some(company) };
            call!(client, create_company, who.request(request, &KEY))
        }
        "GetCompany" => {
            let request = pb::GetCompanyRequest { id: company(&who).await, ..Default::default() };
            call!(client, get_company, who.request(request, &[]))
        }
        "ListCompanies" => {
            let request = pb::ListCompaniesRequest::default();
            call!(client, list_companies, who.request(request, &[]))
        }
        "UpdateCompany" => {
            let change = pb::Company { industry: Some("food".to_owned()), ..Default::default() };
            let request = pb::UpdateCompanyRequest {
                id: company(&who).await,
                company: Some(change),
                update_mask: Some(mask("industry")),
            };
            call!(client, update_company, who.request(request, &KEY))
        }
        "DeleteCompany" => {
            let request = pb::DeleteCompanyRequest { id: company(&who).await };
            call!(client, delete_company, who.request(request, &[]))
        }
        "RestoreCompany" => {
            let id = company(&who).await;
            let gone = pb::DeleteCompanyRequest { id: id.clone() };
            client.delete_company(who.request(gone, &[])).await.unwrap();
            call!(client, restore_company, who.request(pb::RestoreCompanyRequest { id }, &[]))
        }
        "LinkContactCompany" | "UnlinkContactCompany" | "ListContactCompanies" => {
            let (contact_id, company_id) = (contact(&who).await, company(&who).await);
            let link = pb::ContactCompany { company_id: company_id.clone(), ..Default::default() };
            let link = pb::LinkContactCompanyRequest {
                contact_id: contact_id.clone(),
                link: Some(link),
                ..Default::default()
            };
            if rpc == "LinkContactCompany" {
                return call!(client, link_contact_company, who.request(link, &[]));
            }
            client.link_contact_company(who.request(link, &[])).await.unwrap();
            if rpc == "ListContactCompanies" {
                let request = pb::ListContactCompaniesRequest { contact_id };
                return call!(client, list_contact_companies, who.request(request, &[]));
            }
            let request = pb::UnlinkContactCompanyRequest { contact_id, company_id };
            call!(client, unlink_contact_company, who.request(request, &[]))
        }
        "CreateUpload" => call!(client, create_upload, pieces(&who)),
        "CreateImport" => {
            let request = import(&mut client, &who).await;
            call!(client, create_import, who.request(request, &KEY))
        }
        "PreviewImport" => {
            let pb::CreateImportRequest { upload_id, .. } = import(&mut client, &who).await;
            let request = pb::PreviewImportRequest { upload_id, ..Default::default() };
            call!(client, preview_import, who.request(request, &[]))
        }
        "CreateBulkOperation" => {
            contact(&who).await;
            call!(client, create_bulk_operation, who.request(bulk(), &KEY))
        }
        "UndoOperation" => {
            contact(&who).await;
            let made = client.create_bulk_operation(who.request(bulk(), &[])).await.unwrap();
            let id = made.into_inner().operation.unwrap().id;
            // Cancelled before it begins, it is over.
            let cancel = pb::CancelOperationRequest { id: id.clone() };
            client.cancel_operation(who.request(cancel, &[])).await.unwrap();
            call!(client, undo_operation, who.request(pb::UndoOperationRequest { id }, &KEY))
        }
        "ListOperations" => {
            call!(client, list_operations, who.request(pb::ListOperationsRequest::default(), &[]))
        }
        "GetOperation" | "CancelOperation" | "GetOperationErrors" => {
            let request = import(&mut client, &who).await;
            let made = client.create_import(who.request(request, &[])).await.unwrap();
            let id = made.into_inner().operation.unwrap().id;
            match rpc {
                "GetOperation" => {
                    call!(client, get_operation, who.request(pb::GetOperationRequest { id }, &[]))
                }
                "CancelOperation" => {
                    call!(client, cancel_operation, who.request(pb::CancelOperationRequest { id }, &[]))
                }
                _ => {
                    let request = who.request(pb::GetOperationErrorsRequest { id }, &[]);
                    whole!(client, get_operation_errors, request)
                }
            }
        }
        "ExamineUpload" => {
            let upload_id = import(&mut client, &who).await.upload_id;
            let upload = Some(pb::UploadToRead { upload_id, ..Default::default() });
            let request = pb::ExamineUploadRequest { upload, rows: 5, only_request: false };
            call!(client, examine_upload, who.request(request, &[]))
        }
        "ReadUpload" => {
            let upload_id = import(&mut client, &who).await.upload_id;
            let upload = Some(pb::UploadToRead { upload_id, ..Default::default() });
            let request = pb::ReadUploadRequest { upload, done: 0, survey: false };
            call!(client, read_upload, who.request(request, &[]))
        }
        "FindRecords" => {
            let company = pb::CompanyName { name: "Acme".to_owned(), domain: String::new() };
            let request =
                pb::FindRecordsRequest { companies: vec![company], emails: vec!["a@x.test".to_owned()] };
            call!(client, find_records, who.request(request, &[]))
        }
        "CheckRecords" => {
            let ids = RecordIds { object: "contact".to_owned(), ids: vec![contact(&who).await] };
            let request = pb::CheckRecordsRequest { records: vec![ids] };
            call!(client, check_records, who.request(request, &[]))
        }
        "GetRecordNames" => {
            let ids = RecordIds { object: "contact".to_owned(), ids: vec![contact(&who).await] };
            let request = pb::GetRecordNamesRequest { records: vec![ids] };
            call!(client, get_record_names, who.request(request, &[]))
        }
        other => panic!("{other} has no call here"),
    }
}
