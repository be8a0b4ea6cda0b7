//! The RPCs: context, operation, answer.

use std::sync::Arc;

use proto::notifications::v1 as pb;
use proto::notifications::v1::notifications_service_server::NotificationsService;
use tonic::{Request, Response, Status};

use crate::app::App;

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
}
