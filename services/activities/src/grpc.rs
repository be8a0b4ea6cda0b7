//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::Gate;
use proto::activities::v1 as pb;
use proto::activities::v1::activities_service_server::ActivitiesService;
use record::Env;
use record::list::Asked;
use tonic::{Request, Response, Status};

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
        Ok(listed.respond(&cx, |notes, next_page_token, total| pb::ListNotesResponse {
            notes,
            next_page_token,
            total,
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
}
