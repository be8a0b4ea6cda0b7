//! RPCs without a REST path, called over gRPC as other services call them.

use tonic::{Request, Status};

use super::matrix::Two;
use crate::services::SERVICES;
use crate::stage::Stage;
use crate::world::request;

/// Shows who calls, as a service does.
pub fn as_service(token: String) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |mut request| {
        request.metadata_mut().insert("x-service-token", token.parse().expect("a header"));
        Ok(request)
    }
}

pub fn with_token<T>(token: &str, message: T) -> Request<T> {
    request(token, message, &[])
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_rpcs_keep_tenants_apart() {
    let stage = Stage::shared().await;
    let two = Two { stage, a: stage.tenant("int-a").await, b: stage.tenant("int-b").await };
    for (_, check) in SERVICES.iter().flat_map(|service| (service.matrix)().internal) {
        check(&two).await;
    }
}
