//! The RPCs: context, operation, answer.

use std::sync::Arc;

use auth::{Answer, Gate};
use db::Db;
use events::Wake;
use ids::Clock;
use proto::fields::v1::fields_service_server::FieldsService;
use proto::fields::v1::{self as pb, Field};
use query::CursorKey;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::fields::{
    archive, assign_slot, create, deprecate, field_set, finish_slot, get, limits, list, restore, update,
};

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service that admits calls by `gate` and seals page tokens by `cursor_key`; its events wait for a relay.
    pub fn new(gate: Gate, db: Db, clock: Clock, cursor_key: CursorKey) -> Self {
        Self(Arc::new(App { gate, db, clock, cursor_key, wake: Wake::default() }))
    }
}

/// The answer with the version of its field.
fn versioned<T>(message: T, field: impl Fn(&T) -> Option<&Field>) -> Answer<T> {
    Answer::of_version(field(&message).map(|field| field.version), message)
}

#[tonic::async_trait]
impl FieldsService for Service {
    async fn create_field(
        &self,
        request: Request<pb::CreateFieldRequest>,
    ) -> Result<Response<pb::CreateFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let created = create::create(&self.0, &cx, request).await?;
        let answer = versioned(created.answer, |answer| answer.field.as_ref());
        Ok(Answer { replayed: created.replayed, ..answer }.respond(&cx))
    }

    async fn get_field(
        &self,
        request: Request<pb::GetFieldRequest>,
    ) -> Result<Response<pb::GetFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = get::get(&self.0, &cx, request).await?;
        Ok(versioned(answer, |answer| answer.field.as_ref()).respond(&cx))
    }

    async fn list_fields(
        &self,
        request: Request<pb::ListFieldsRequest>,
    ) -> Result<Response<pb::ListFieldsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(list::list(&self.0, &cx, request).await?))
    }

    async fn update_field(
        &self,
        request: Request<pb::UpdateFieldRequest>,
    ) -> Result<Response<pb::UpdateFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = update::update(&self.0, &cx, request).await?;
        Ok(versioned(answer, |answer| answer.field.as_ref()).respond(&cx))
    }

    async fn deprecate_field(
        &self,
        request: Request<pb::DeprecateFieldRequest>,
    ) -> Result<Response<pb::DeprecateFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = deprecate::deprecate(&self.0, &cx, request).await?;
        Ok(versioned(answer, |answer| answer.field.as_ref()).respond(&cx))
    }

    async fn archive_field(
        &self,
        request: Request<pb::ArchiveFieldRequest>,
    ) -> Result<Response<pb::ArchiveFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = archive::archive(&self.0, &cx, request).await?;
        Ok(versioned(answer, |answer| answer.field.as_ref()).respond(&cx))
    }

    async fn restore_field(
        &self,
        request: Request<pb::RestoreFieldRequest>,
    ) -> Result<Response<pb::RestoreFieldResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = restore::restore(&self.0, &cx, request).await?;
        Ok(versioned(answer, |answer| answer.field.as_ref()).respond(&cx))
    }

    async fn get_limits(
        &self,
        request: Request<pb::GetLimitsRequest>,
    ) -> Result<Response<pb::GetLimitsResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(limits::get_limits(&self.0, &cx, request).await?))
    }

    async fn assign_slot(
        &self,
        request: Request<pb::AssignSlotRequest>,
    ) -> Result<Response<pb::AssignSlotResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(assign_slot::assign_slot(&self.0, &cx, request).await?))
    }

    async fn finish_slot(
        &self,
        request: Request<pb::FinishSlotRequest>,
    ) -> Result<Response<pb::FinishSlotResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(finish_slot::finish_slot(&self.0, &cx, request).await?))
    }

    async fn get_field_set(
        &self,
        request: Request<pb::GetFieldSetRequest>,
    ) -> Result<Response<pb::GetFieldSetResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        Ok(cx.answer(field_set::get_field_set(&self.0, &cx, request).await?))
    }
}
