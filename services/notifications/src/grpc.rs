//! The RPCs: context, operation, answer.

use std::sync::Arc;

use proto::notifications::v1 as pb;
use proto::notifications::v1::notifications_service_server::NotificationsService;
use tonic::{Request, Response, Status};

use crate::app::App;
use crate::sync;

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(app: App) -> Self {
        Self(Arc::new(app))
    }
}

#[tonic::async_trait]
impl NotificationsService for Service {
    async fn list_event_types(
        &self,
        request: Request<pb::ListEventTypesRequest>,
    ) -> Result<Response<pb::ListEventTypesResponse>, Status> {
        let (cx, _) = self.0.gate.admit(request).await?;
        Ok(cx.answer(self.0.catalogue.list()))
    }

    async fn sync(&self, request: Request<pb::SyncRequest>) -> Result<Response<pb::SyncResponse>, Status> {
        let (cx, request) = self.0.gate.admit(request).await?;
        let answer = sync::sync(&self.0, &cx, request).await?;
        Ok(cx.answer(answer))
    }
}
