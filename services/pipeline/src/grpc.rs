//! The RPCs: context, operation, answer.

use std::sync::Arc;

use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::pipelines::{
    archive, create, draft, get, impact, list, publish, restore, templates, update, versions,
};

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }
}

#[tonic::async_trait]
impl PipelineService for Service {
    async fn list_pipeline_templates(
        &self,
        request: Request<pb::ListPipelineTemplatesRequest>,
    ) -> Result<Response<pb::ListPipelineTemplatesResponse>, Status> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(templates::templates(&cx)?))
    }

    async fn create_pipeline(
        &self,
        request: Request<pb::CreatePipelineRequest>,
    ) -> Result<Response<pb::CreatePipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(create::create(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn get_pipeline(
        &self,
        request: Request<pb::GetPipelineRequest>,
    ) -> Result<Response<pb::GetPipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(get::get(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn list_pipelines(
        &self,
        request: Request<pb::ListPipelinesRequest>,
    ) -> Result<Response<pb::ListPipelinesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(list::list(&self.0, &cx, request).await?))
    }

    async fn update_pipeline(
        &self,
        request: Request<pb::UpdatePipelineRequest>,
    ) -> Result<Response<pb::UpdatePipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(update::update(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn archive_pipeline(
        &self,
        request: Request<pb::ArchivePipelineRequest>,
    ) -> Result<Response<pb::ArchivePipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(archive::archive(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn restore_pipeline(
        &self,
        request: Request<pb::RestorePipelineRequest>,
    ) -> Result<Response<pb::RestorePipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(restore::restore(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn get_draft(
        &self,
        request: Request<pb::GetDraftRequest>,
    ) -> Result<Response<pb::GetDraftResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(draft::get(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn put_draft(
        &self,
        request: Request<pb::PutDraftRequest>,
    ) -> Result<Response<pb::PutDraftResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(draft::put(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn delete_draft(
        &self,
        request: Request<pb::DeleteDraftRequest>,
    ) -> Result<Response<pb::DeleteDraftResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(draft::delete(&self.0, &cx, request).await?))
    }

    async fn publish_pipeline(
        &self,
        request: Request<pb::PublishPipelineRequest>,
    ) -> Result<Response<pb::PublishPipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(publish::publish(&self.0, &cx, request).await?.respond(&cx))
    }

    async fn get_impact(
        &self,
        request: Request<pb::GetImpactRequest>,
    ) -> Result<Response<pb::GetImpactResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(impact::impact(&self.0, &cx, request).await?))
    }

    async fn list_pipeline_versions(
        &self,
        request: Request<pb::ListPipelineVersionsRequest>,
    ) -> Result<Response<pb::ListPipelineVersionsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(versions::list(&self.0, &cx, request).await?))
    }

    async fn get_pipeline_version(
        &self,
        request: Request<pb::GetPipelineVersionRequest>,
    ) -> Result<Response<pb::GetPipelineVersionResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(versions::get(&self.0, &cx, request).await?))
    }
}
