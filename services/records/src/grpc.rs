//! The RPCs: context, operation, answer.

use std::sync::Arc;

use futures_util::stream::BoxStream;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

use crate::app::{App, Parts};
use crate::{companies, contacts, imports, links, operations, uploads};

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
        imports::job::run(self.0, shutdown).await;
    }
}

#[tonic::async_trait]
impl RecordsService for Service {
    async fn create_contact(
        &self,
        request: Request<pb::CreateContactRequest>,
    ) -> Result<Response<pb::CreateContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::create(&self.0, &cx, request).await?)
    }

    async fn get_contact(
        &self,
        request: Request<pb::GetContactRequest>,
    ) -> Result<Response<pb::GetContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::get(&self.0, &cx, request).await?)
    }

    async fn list_contacts(
        &self,
        request: Request<pb::ListContactsRequest>,
    ) -> Result<Response<pb::ListContactsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::list(&self.0, &cx, request).await?)
    }

    async fn update_contact(
        &self,
        request: Request<pb::UpdateContactRequest>,
    ) -> Result<Response<pb::UpdateContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::update(&self.0, &cx, request).await?)
    }

    async fn delete_contact(
        &self,
        request: Request<pb::DeleteContactRequest>,
    ) -> Result<Response<pb::DeleteContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::delete(&self.0, &cx, request).await?)
    }

    async fn restore_contact(
        &self,
        request: Request<pb::RestoreContactRequest>,
    ) -> Result<Response<pb::RestoreContactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(contacts::restore(&self.0, &cx, request).await?)
    }

    async fn create_company(
        &self,
        request: Request<pb::CreateCompanyRequest>,
    ) -> Result<Response<pb::CreateCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::create(&self.0, &cx, request).await?)
    }

    async fn get_company(
        &self,
        request: Request<pb::GetCompanyRequest>,
    ) -> Result<Response<pb::GetCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::get(&self.0, &cx, request).await?)
    }

    async fn list_companies(
        &self,
        request: Request<pb::ListCompaniesRequest>,
    ) -> Result<Response<pb::ListCompaniesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::list(&self.0, &cx, request).await?)
    }

    async fn update_company(
        &self,
        request: Request<pb::UpdateCompanyRequest>,
    ) -> Result<Response<pb::UpdateCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::update(&self.0, &cx, request).await?)
    }

    async fn delete_company(
        &self,
        request: Request<pb::DeleteCompanyRequest>,
    ) -> Result<Response<pb::DeleteCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::delete(&self.0, &cx, request).await?)
    }

    async fn restore_company(
        &self,
        request: Request<pb::RestoreCompanyRequest>,
    ) -> Result<Response<pb::RestoreCompanyResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(companies::restore(&self.0, &cx, request).await?)
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
        Ok(imports::create::create(&self.0, &cx, request).await?)
    }

    async fn get_operation(
        &self,
        request: Request<pb::GetOperationRequest>,
    ) -> Result<Response<pb::GetOperationResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(operations::get::get(&self.0, &cx, request).await?))
    }

    async fn cancel_operation(
        &self,
        request: Request<pb::CancelOperationRequest>,
    ) -> Result<Response<pb::CancelOperationResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(operations::cancel::cancel(&self.0, &cx, request).await?))
    }

    type GetOperationErrorsStream = BoxStream<'static, Result<pb::GetOperationErrorsResponse, Status>>;

    async fn get_operation_errors(
        &self,
        request: Request<pb::GetOperationErrorsRequest>,
    ) -> Result<Response<Self::GetOperationErrorsStream>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(operations::errors::errors(&self.0, &cx, request).await?))
    }
}
