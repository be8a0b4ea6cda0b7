//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::Context;
use error::Error;
use proto::common::v1::Operation;
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use record::list::Asked;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::deals::{self, Deal};
use crate::importing::same;
use crate::pipelines::{
    archive, create, draft, get, impact, list, publish, restore, templates, update, versions,
};
use crate::reports;

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }

    /// Adds what is known here of operations, before they are shown.
    async fn add_details(&self, cx: &Context, operations: &mut [Operation]) -> Result<(), Error> {
        self.0.imports.add_detected(cx, operations).await?;
        self.0.bulk.add_details(cx, operations).await
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

    async fn create_deal(
        &self,
        request: Request<pb::CreateDealRequest>,
    ) -> Result<Response<pb::CreateDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let mut answer =
            record::create::<Deal, _>(&self.0.env, &cx, request, |create| &mut create.deal).await?;
        deals::shown(&self.0, &cx, "", [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::CreateDealResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn get_deal(
        &self,
        request: Request<pb::GetDealRequest>,
    ) -> Result<Response<pb::GetDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::GetDealRequest { id, fields, include } = request;
        let mut answer = record::get::<Deal>(&self.0.env, &cx, &id, &fields, &include).await?;
        deals::shown(&self.0, &cx, &fields, [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::GetDealResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn list_deals(
        &self,
        request: Request<pb::ListDealsRequest>,
    ) -> Result<Response<pb::ListDealsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let mut listed = record::list::<Deal>(
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
        deals::shown(&self.0, &cx, &request.fields, &mut listed.records).await?;
        Ok(listed.respond(&cx, |deals, next_page_token, total, warnings| pb::ListDealsResponse {
            deals,
            next_page_token,
            total,
            warnings,
        }))
    }

    async fn update_deal(
        &self,
        request: Request<pb::UpdateDealRequest>,
    ) -> Result<Response<pb::UpdateDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::UpdateDealRequest { id, deal, update_mask } = request;
        let mut answer = record::update::<Deal>(&self.0.env, &cx, &id, update_mask, deal.as_ref()).await?;
        deals::shown(&self.0, &cx, "", [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::UpdateDealResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn delete_deal(
        &self,
        request: Request<pb::DeleteDealRequest>,
    ) -> Result<Response<pb::DeleteDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        record::delete::<Deal>(&self.0.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteDealResponse {}))
    }

    async fn restore_deal(
        &self,
        request: Request<pb::RestoreDealRequest>,
    ) -> Result<Response<pb::RestoreDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let mut answer = record::restore::<Deal, _>(&self.0.env, &cx, &request, &request.id).await?;
        deals::shown(&self.0, &cx, "", [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::RestoreDealResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn get_deal_board(
        &self,
        request: Request<pb::GetDealBoardRequest>,
    ) -> Result<Response<pb::GetDealBoardResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let (board, cost) = deals::board(&self.0, &cx, request).await?;
        Ok(record::list::charged(cx.answer(board), cost))
    }

    async fn move_deal(
        &self,
        request: Request<pb::MoveDealRequest>,
    ) -> Result<Response<pb::MoveDealResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let mut answer = deals::move_deal(&self.0, &cx, request).await?;
        deals::shown(&self.0, &cx, "", [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::MoveDealResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn change_deal_pipeline(
        &self,
        request: Request<pb::ChangeDealPipelineRequest>,
    ) -> Result<Response<pb::ChangeDealPipelineResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let mut answer = deals::change_pipeline(&self.0, &cx, request).await?;
        deals::shown(&self.0, &cx, "", [&mut answer.message]).await?;
        Ok(answer.map(|deal| pb::ChangeDealPipelineResponse { deal: Some(deal) }).respond(&cx))
    }

    async fn get_stage_history(
        &self,
        request: Request<pb::GetStageHistoryRequest>,
    ) -> Result<Response<pb::GetStageHistoryResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(deals::history(&self.0, &cx, request).await?))
    }

    ::bulk::operation_rpcs!(pipeline, add_details);

    async fn create_import(
        &self,
        request: Request<pb::CreateImportRequest>,
    ) -> Result<Response<pb::CreateImportResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let queued = self.0.imports.create(&cx, &request, &same(&request)?).await?;
        Ok(queued.map(|operation| pb::CreateImportResponse { operation: Some(operation) }).respond(&cx))
    }

    async fn preview_import(
        &self,
        request: Request<pb::PreviewImportRequest>,
    ) -> Result<Response<pb::PreviewImportResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let preview = self.0.imports.preview(&cx, &same(&request)?).await?;
        Ok(cx.answer(same(&preview)?))
    }

    async fn get_funnel(
        &self,
        request: Request<pb::GetFunnelRequest>,
    ) -> Result<Response<pb::GetFunnelResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let report = reports::funnel(&self.0, &cx, request).await?;
        Ok(record::list::charged(cx.answer(report), reports::COST))
    }

    async fn get_forecast(
        &self,
        request: Request<pb::GetForecastRequest>,
    ) -> Result<Response<pb::GetForecastResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let report = reports::forecast(&self.0, &cx, request).await?;
        Ok(record::list::charged(cx.answer(report), reports::COST))
    }

    async fn get_velocity(
        &self,
        request: Request<pb::GetVelocityRequest>,
    ) -> Result<Response<pb::GetVelocityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let report = reports::velocity(&self.0, &cx, request).await?;
        Ok(record::list::charged(cx.answer(report), reports::COST))
    }

    async fn get_win_loss(
        &self,
        request: Request<pb::GetWinLossRequest>,
    ) -> Result<Response<pb::GetWinLossResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let report = reports::win_loss(&self.0, &cx, request).await?;
        Ok(record::list::charged(cx.answer(report), reports::COST))
    }

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
}
