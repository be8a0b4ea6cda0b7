//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::Context;
use error::Error;
use proto::common::v1::Operation;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use record::Alike;
use record::list::Asked;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::app::{App, Parts};
use crate::companies::wire::Company;
use crate::contacts::wire::Contact;
use crate::{files, indexing, links, uploads};

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(App::new(parts)))
    }

    /// Works imports until `shutdown`; [`crate::serve`] does it beside the calls.
    pub async fn work_imports(self, shutdown: CancellationToken) {
        self.0.imports.clone().work(shutdown).await;
    }

    /// Works changes of many records until `shutdown`; [`crate::serve`] does it beside the calls.
    pub async fn work_bulk(self, shutdown: CancellationToken) {
        self.0.bulk.clone().work(shutdown).await;
    }

    /// Fills indexes until `shutdown`; [`crate::serve`] does it beside the calls.
    pub async fn work_indexing(self, shutdown: CancellationToken) {
        indexing::job::run(self.0, shutdown).await;
    }

    /// Adds what is known here of operations, before they are shown.
    async fn add_details(&self, cx: &Context, operations: &mut [Operation]) -> Result<(), Error> {
        self.0.imports.add_detected(cx, operations).await?;
        self.0.bulk.add_details(cx, operations).await
    }
}

#[tonic::async_trait]
impl RecordsService for Service {
    async fn create_contact(
        &self,
        request: Request<pb::CreateContactRequest>,
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let alike = Alike::of(&cx, request.allow_duplicates);
        let answer = record::create_unlike::<Contact, _>(
            &self.0.env,
            &cx,
            request,
            |create| &mut create.contact,
            alike,
        )
        .await?;
        Ok(answer.map(|contact| pb::CreateContactResponse { contact: Some(contact) }).respond(&cx))
    }

    async fn get_contact(
        &self,
        request: Request<pb::GetContactRequest>,
    ) -> Result<Response<pb::GetContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::GetContactRequest { id, fields, include } = request;
        let answer = record::get::<Contact>(&self.0.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|contact| pb::GetContactResponse { contact: Some(contact) }).respond(&cx))
    }

    async fn list_contacts(
        &self,
        request: Request<pb::ListContactsRequest>,
    ) -> Result<Response<pb::ListContactsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let listed = record::list::<Contact>(
            &self.0.env,
            &cx,
            Asked {
                filter: &request.filter,
                order_by: &request.order_by,
                page_size: request.page_size,
                page_token: &request.page_token,
                fields: &request.fields,
                include: &request.include,
                show_deleted: request.show_deleted,
                count: request.count,
            },
        )
        .await?;
        Ok(listed.respond(&cx, |contacts, next_page_token, total, warnings| pb::ListContactsResponse {
            contacts,
            next_page_token,
            total,
            warnings,
        }))
    }

    async fn update_contact(
        &self,
        request: Request<pb::UpdateContactRequest>,
    ) -> Result<Response<pb::UpdateContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::UpdateContactRequest { id, contact, update_mask } = request;
        let answer = record::update::<Contact>(&self.0.env, &cx, &id, update_mask, contact.as_ref()).await?;
        Ok(answer.map(|contact| pb::UpdateContactResponse { contact: Some(contact) }).respond(&cx))
    }

    async fn delete_contact(
        &self,
        request: Request<pb::DeleteContactRequest>,
    ) -> Result<Response<pb::DeleteContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        record::delete::<Contact>(&self.0.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteContactResponse {}))
    }

    async fn restore_contact(
        &self,
        request: Request<pb::RestoreContactRequest>,
    ) -> Result<Response<pb::RestoreContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = record::restore::<Contact, _>(&self.0.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|contact| pb::RestoreContactResponse { contact: Some(contact) }).respond(&cx))
    }

    async fn create_company(
        &self,
        request: Request<pb::CreateCompanyRequest>,
    ) -> Result<Response<pb::CreateCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer =
            record::create::<Company, _>(&self.0.env, &cx, request, |create| &mut create.company).await?;
        Ok(answer.map(|company| pb::CreateCompanyResponse { company: Some(company) }).respond(&cx))
    }

    async fn get_company(
        &self,
        request: Request<pb::GetCompanyRequest>,
    ) -> Result<Response<pb::GetCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::GetCompanyRequest { id, fields, include } = request;
        let answer = record::get::<Company>(&self.0.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|company| pb::GetCompanyResponse { company: Some(company) }).respond(&cx))
    }

    async fn list_companies(
        &self,
        request: Request<pb::ListCompaniesRequest>,
    ) -> Result<Response<pb::ListCompaniesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let listed = record::list::<Company>(
            &self.0.env,
            &cx,
            Asked {
                filter: &request.filter,
                order_by: &request.order_by,
                page_size: request.page_size,
                page_token: &request.page_token,
                fields: &request.fields,
                include: &request.include,
                show_deleted: request.show_deleted,
                count: request.count,
            },
        )
        .await?;
        Ok(listed.respond(&cx, |companies, next_page_token, total, warnings| pb::ListCompaniesResponse {
            companies,
            next_page_token,
            total,
            warnings,
        }))
    }

    async fn update_company(
        &self,
        request: Request<pb::UpdateCompanyRequest>,
    ) -> Result<Response<pb::UpdateCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::UpdateCompanyRequest { id, company, update_mask } = request;
        let answer = record::update::<Company>(&self.0.env, &cx, &id, update_mask, company.as_ref()).await?;
        Ok(answer.map(|company| pb::UpdateCompanyResponse { company: Some(company) }).respond(&cx))
    }

    async fn delete_company(
        &self,
        request: Request<pb::DeleteCompanyRequest>,
    ) -> Result<Response<pb::DeleteCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        record::delete::<Company>(&self.0.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteCompanyResponse {}))
    }

    async fn restore_company(
        &self,
        request: Request<pb::RestoreCompanyRequest>,
    ) -> Result<Response<pb::RestoreCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = record::restore::<Company, _>(&self.0.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|company| pb::RestoreCompanyResponse { company: Some(company) }).respond(&cx))
    }

    async fn link_contact_company(
        &self,
        request: Request<pb::LinkContactCompanyRequest>,
    ) -> Result<Response<pb::LinkContactCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(links::link(&self.0, &cx, request).await?)
    }

    async fn list_contact_companies(
        &self,
        request: Request<pb::ListContactCompaniesRequest>,
    ) -> Result<Response<pb::ListContactCompaniesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(links::list(&self.0, &cx, request).await?)
    }

    async fn unlink_contact_company(
        &self,
        request: Request<pb::UnlinkContactCompanyRequest>,
    ) -> Result<Response<pb::UnlinkContactCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(links::unlink(&self.0, &cx, request).await?)
    }

    async fn create_upload(
        &self,
        request: Request<Streaming<pb::CreateUploadRequest>>,
    ) -> Result<Response<pb::CreateUploadResponse>, Status> {
        let (cx, messages) = self.0.gate.admit(request).await?;
        Ok(cx.answer(uploads::create::create(&self.0, &cx, messages).await?))
    }

    async fn create_import(
        &self,
        request: Request<pb::CreateImportRequest>,
    ) -> Result<Response<pb::CreateImportResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let queued = self.0.imports.create(&cx, &request, &request).await?;
        Ok(queued.map(|operation| pb::CreateImportResponse { operation: Some(operation) }).respond(&cx))
    }

    async fn preview_import(
        &self,
        request: Request<pb::PreviewImportRequest>,
    ) -> Result<Response<pb::PreviewImportResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(self.0.imports.preview(&cx, &request).await?))
    }

    async fn index_field(
        &self,
        request: Request<pb::IndexFieldRequest>,
    ) -> Result<Response<pb::IndexFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(indexing::create::create(&self.0, &cx, request).await?)
    }

    bulk::operation_rpcs!(records, add_details);

    async fn check_records(
        &self,
        request: Request<pb::CheckRecordsRequest>,
    ) -> Result<Response<pb::CheckRecordsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let unknown = record::check(&self.0.env, &cx, request.records).await?;
        Ok(cx.answer(pb::CheckRecordsResponse { unknown }))
    }

    async fn get_record_names(
        &self,
        request: Request<pb::GetRecordNamesRequest>,
    ) -> Result<Response<pb::GetRecordNamesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let names = record::names(&self.0.env, &cx, request.records).await?;
        Ok(cx.answer(pb::GetRecordNamesResponse { names }))
    }

    async fn examine_upload(
        &self,
        request: Request<pb::ExamineUploadRequest>,
    ) -> Result<Response<pb::ExamineUploadResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(files::examine(&self.0, &cx, request).await?))
    }

    async fn read_upload(
        &self,
        request: Request<pb::ReadUploadRequest>,
    ) -> Result<Response<pb::ReadUploadResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(files::read(&self.0, &cx, request).await?))
    }

    async fn find_records(
        &self,
        request: Request<pb::FindRecordsRequest>,
    ) -> Result<Response<pb::FindRecordsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(files::find(&self.0, &cx, request).await?))
    }
}
