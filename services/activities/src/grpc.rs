//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::Gate;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use record::Env;
use record::list::Asked;
use tonic::{Request, Response, Status};

use crate::activities::{self, Activity};
use crate::notes::Note;

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service {
    gate: Gate,
    env: Arc<Env>,
}

impl Service {
    /// A service that works with these.
    pub fn new(gate: Gate, env: Env) -> Self {
        Self { gate, env: Arc::new(env) }
    }
}

#[tonic::async_trait]
impl ActivitiesService for Service {
    async fn create_note(
        &self,
        request: Request<pb::CreateNoteRequest>,
    ) -> Result<Response<pb::CreateNoteResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = record::create::<Note, _>(&self.env, &cx, request, |create| &mut create.note).await?;
        Ok(answer.map(|note| pb::CreateNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn get_note(
        &self,
        request: Request<pb::GetNoteRequest>,
    ) -> Result<Response<pb::GetNoteResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let pb::GetNoteRequest { id, fields, include } = request;
        let answer = record::get::<Note>(&self.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|note| pb::GetNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn list_notes(
        &self,
        request: Request<pb::ListNotesRequest>,
    ) -> Result<Response<pb::ListNotesResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
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
        let listed = record::list::<Note>(&self.env, &cx, asked).await?;
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
        let (cx, request) = self.gate.admit(request).await?;
        let pb::UpdateNoteRequest { id, note, update_mask } = request;
        let answer = record::update::<Note>(&self.env, &cx, &id, update_mask, note.as_ref()).await?;
        Ok(answer.map(|note| pb::UpdateNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn delete_note(
        &self,
        request: Request<pb::DeleteNoteRequest>,
    ) -> Result<Response<pb::DeleteNoteResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        record::delete::<Note>(&self.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteNoteResponse {}))
    }

    async fn restore_note(
        &self,
        request: Request<pb::RestoreNoteRequest>,
    ) -> Result<Response<pb::RestoreNoteResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = record::restore::<Note, _>(&self.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|note| pb::RestoreNoteResponse { note: Some(note) }).respond(&cx))
    }

    async fn create_activity(
        &self,
        request: Request<pb::CreateActivityRequest>,
    ) -> Result<Response<pb::CreateActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer =
            record::create::<Activity, _>(&self.env, &cx, request, |create| &mut create.activity).await?;
        Ok(answer.map(|activity| pb::CreateActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn get_activity(
        &self,
        request: Request<pb::GetActivityRequest>,
    ) -> Result<Response<pb::GetActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let pb::GetActivityRequest { id, fields, include } = request;
        let answer = record::get::<Activity>(&self.env, &cx, &id, &fields, &include).await?;
        Ok(answer.map(|activity| pb::GetActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn list_activities(
        &self,
        request: Request<pb::ListActivitiesRequest>,
    ) -> Result<Response<pb::ListActivitiesResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
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
        let listed = record::list::<Activity>(&self.env, &cx, asked).await?;
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
        let (cx, request) = self.gate.admit(request).await?;
        let pb::UpdateActivityRequest { id, activity, update_mask } = request;
        let answer = record::update::<Activity>(&self.env, &cx, &id, update_mask, activity.as_ref()).await?;
        Ok(answer.map(|activity| pb::UpdateActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn delete_activity(
        &self,
        request: Request<pb::DeleteActivityRequest>,
    ) -> Result<Response<pb::DeleteActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        record::delete::<Activity>(&self.env, &cx, &request.id).await?;
        Ok(cx.answer(pb::DeleteActivityResponse {}))
    }

    async fn restore_activity(
        &self,
        request: Request<pb::RestoreActivityRequest>,
    ) -> Result<Response<pb::RestoreActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = record::restore::<Activity, _>(&self.env, &cx, &request, &request.id).await?;
        Ok(answer.map(|activity| pb::RestoreActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn start_activity(
        &self,
        request: Request<pb::StartActivityRequest>,
    ) -> Result<Response<pb::StartActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = activities::start(&self.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::StartActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn complete_activity(
        &self,
        request: Request<pb::CompleteActivityRequest>,
    ) -> Result<Response<pb::CompleteActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = activities::complete(&self.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::CompleteActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn cancel_activity(
        &self,
        request: Request<pb::CancelActivityRequest>,
    ) -> Result<Response<pb::CancelActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = activities::cancel(&self.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::CancelActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn reopen_activity(
        &self,
        request: Request<pb::ReopenActivityRequest>,
    ) -> Result<Response<pb::ReopenActivityResponse>, Status> {
        let (cx, request) = self.gate.admit(request).await?;
        let answer = activities::reopen(&self.env, &cx, request).await?;
        Ok(answer.map(|activity| pb::ReopenActivityResponse { activity: Some(activity) }).respond(&cx))
    }

    async fn get_activity_state_machines(
        &self,
        request: Request<pb::GetActivityStateMachinesRequest>,
    ) -> Result<Response<pb::GetActivityStateMachinesResponse>, Status> {
        let (cx, _) = self.gate.admit(request).await?;
        Ok(cx.answer(activities::state_machines()))
    }
}
