//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::{Call, Context};
use error::Error;
use futures_util::stream::{self, BoxStream, StreamExt};
use proto::Rpc;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use proto::common::v1::{Operation, Warning};
use record::list::Asked;
use secrecy::SecretString;
use tonic::{Request, Response, Status};

use crate::activities::{self, Activity};
use crate::app::App;
use crate::calendar;
use crate::notes::Note;
use crate::timeline;

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }

    /// A page of the timeline of a record.
    async fn timeline<Q: Rpc + Into<timeline::Asked>, A>(
        &self,
        object: &'static str,
        request: Request<Q>,
        answer: fn(Vec<pb::TimelineEntry>, String, Vec<Warning>) -> A,
    ) -> Result<Response<A>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let page = timeline::page(&self.0.env, &cx, object, request.into()).await?;
        Ok(cx.answer(answer(page.entries, page.next_page_token, page.warnings)))
    }

    /// Adds what is known here of operations, before they are shown.
    async fn add_details(&self, cx: &Context, operations: &mut [Operation]) -> Result<(), Error> {
        self.0.bulk.add_details(cx, operations).await
    }
}

#[tonic::async_trait]
impl ActivitiesService for Service {
    async fn create_note(
        &self,
        request: Request<pb::CreateNoteRequest>,
    ) -> Result<Response<pb::CreateNoteResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = record::create::<Note, _>(&self.0.env, &cx, request, |create| &mut create.note).await?;
        Ok(answer.map(|note| pb::CreateNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn get_note(
        &self,
        request: Request<pb::GetNoteRequest>,
    ) -> Result<Response<pb::GetNoteResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::GetNoteRequest { id, fields, include } = request;
        let answer = record::get::<Note>(&self.0.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|note| pb::GetNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn list_notes(
        &self,
        request: Request<pb::ListNotesRequest>,
    ) -> Result<Response<pb::ListNotesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let asked = Asked {
            filter: &request.filter,
            order_by: &request.order_by,
            page_size: request.page_size,
            page_token: &request.page_token,
            fields: &request.fields,
            include: &request.include,
            show_deleted: request.show_deleted,
            count: request.count,
        };
        let listed = record::list::<Note>(&self.0.env, &cx, asked).await?;
        Ok(listed.respond(&cx, |notes, next_page_token, total, warnings| pb::ListNotesResponse {
            notes,
            next_page_token,
            total,
            warnings,
        }))
    }

    async fn update_note(
        &self,
        request: Request<pb::UpdateNoteRequest>,
    ) -> Result<Response<pb::UpdateNoteResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::UpdateNoteRequest { id, note, update_mask } = request;
        let answer = record::update::<Note>(&self.0.env, &cx, &id, update_mask, note.as_ref()).await?;
        Ok(answer.map(|note| pb::UpdateNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn delete_note(
        &self,
        request: Request<pb::DeleteNoteRequest>,
    ) -> Result<Response<pb::DeleteNoteResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        record::delete::<Note>(&self.0.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteNoteResponse {}))
    }

    async fn restore_note(
        &self,
        request: Request<pb::RestoreNoteRequest>,
    ) -> Result<Response<pb::RestoreNoteResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = record::restore::<Note, _>(&self.0.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|note| pb::RestoreNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn create_activity(
        &self,
        request: Request<pb::CreateActivityRequest>,
    ) -> Result<Response<pb::CreateActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer =
            record::create::<Activity, _>(&self.0.env, &cx, request, |create| &mut create.activity).await?;
        Ok(answer.map(|activity| pb::CreateActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn get_activity(
        &self,
        request: Request<pb::GetActivityRequest>,
    ) -> Result<Response<pb::GetActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::GetActivityRequest { id, fields, include } = request;
        let answer = record::get::<Activity>(&self.0.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|activity| pb::GetActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn list_activities(
        &self,
        request: Request<pb::ListActivitiesRequest>,
    ) -> Result<Response<pb::ListActivitiesResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let asked = Asked {
            filter: &request.filter,
            order_by: &request.order_by,
            page_size: request.page_size,
            page_token: &request.page_token,
            fields: &request.fields,
            include: &request.include,
            show_deleted: request.show_deleted,
            count: request.count,
        };
        let listed = record::list::<Activity>(&self.0.env, &cx, asked).await?;
        Ok(listed.respond(&cx, |activities, next_page_token, total, warnings| pb::ListActivitiesResponse {
            activities,
            next_page_token,
            total,
            warnings,
        }))
    }

    async fn update_activity(
        &self,
        request: Request<pb::UpdateActivityRequest>,
    ) -> Result<Response<pb::UpdateActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let pb::UpdateActivityRequest { id, activity, update_mask } = request;
        let answer =
            record::update::<Activity>(&self.0.env, &cx, &id, update_mask, activity.as_ref()).await?;
        Ok(answer.map(|activity| pb::UpdateActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn delete_activity(
        &self,
        request: Request<pb::DeleteActivityRequest>,
    ) -> Result<Response<pb::DeleteActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        record::delete::<Activity>(&self.0.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteActivityResponse {}))
    }

    async fn restore_activity(
        &self,
        request: Request<pb::RestoreActivityRequest>,
    ) -> Result<Response<pb::RestoreActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = record::restore::<Activity, _>(&self.0.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|activity| pb::RestoreActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn start_activity(
        &self,
        request: Request<pb::StartActivityRequest>,
    ) -> Result<Response<pb::StartActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = activities::start(&self.0.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::StartActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn complete_activity(
        &self,
        request: Request<pb::CompleteActivityRequest>,
    ) -> Result<Response<pb::CompleteActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = activities::complete(&self.0.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::CompleteActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn cancel_activity(
        &self,
        request: Request<pb::CancelActivityRequest>,
    ) -> Result<Response<pb::CancelActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = activities::cancel(&self.0.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::CancelActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn reopen_activity(
        &self,
        request: Request<pb::ReopenActivityRequest>,
    ) -> Result<Response<pb::ReopenActivityResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = activities::reopen(&self.0.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::ReopenActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn get_activity_state_machines(
        &self,
        request: Request<pb::GetActivityStateMachinesRequest>,
    ) -> Result<Response<pb::GetActivityStateMachinesResponse>, Status> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(activities::state_machines()))
    }

    type ExportActivityStream = BoxStream<'static, Result<pb::ExportActivityResponse, Status>>;

    async fn export_activity(
        &self,
        request: Request<pb::ExportActivityRequest>,
    ) -> Result<Response<Self::ExportActivityStream>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let exported = calendar::export(&self.0.env, &cx, request).await?;
        let message = |content_type, data, etag| Ok(pb::ExportActivityResponse { content_type, data, etag });
        Ok(cx.answer(stream::iter(exported.pieces(message)).boxed()))
    }

    type GetCalendarStream = BoxStream<'static, Result<pb::GetCalendarResponse, Status>>;

    async fn get_calendar(
        &self,
        request: Request<pb::GetCalendarRequest>,
    ) -> Result<Response<Self::GetCalendarStream>, Status> {
        let (metadata, _, pb::GetCalendarRequest { token }) = request.into_parts();
        let call = Call::read(&metadata)?;
        let feed = calendar::feed(&self.0, call, SecretString::from(token)).await?;
        let message = |content_type, data, etag| Ok(pb::GetCalendarResponse { content_type, data, etag });
        Ok(Response::new(stream::iter(feed.pieces(message)).boxed()))
    }

    ::bulk::operation_rpcs!(activities, add_details);

    async fn get_contact_timeline(
        &self,
        request: Request<pb::GetContactTimelineRequest>,
    ) -> Result<Response<pb::GetContactTimelineResponse>, Status> {
        let answer = |entries, next_page_token, warnings| pb::GetContactTimelineResponse {
            entries,
            next_page_token,
            warnings,
        };
        self.timeline("contact", request, answer).await
    }

    async fn get_company_timeline(
        &self,
        request: Request<pb::GetCompanyTimelineRequest>,
    ) -> Result<Response<pb::GetCompanyTimelineResponse>, Status> {
        let answer = |entries, next_page_token, warnings| pb::GetCompanyTimelineResponse {
            entries,
            next_page_token,
            warnings,
        };
        self.timeline("company", request, answer).await
    }

    async fn get_deal_timeline(
        &self,
        request: Request<pb::GetDealTimelineRequest>,
    ) -> Result<Response<pb::GetDealTimelineResponse>, Status> {
        let answer = |entries, next_page_token, warnings| pb::GetDealTimelineResponse {
            entries,
            next_page_token,
            warnings,
        };
        self.timeline("deal", request, answer).await
    }
}
