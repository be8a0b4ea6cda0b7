//! What is asked of other services in addition to what every owner of records asks.

use std::sync::Arc;

use rpc::identity::Identity;

use crate::app::ServiceToken;

pub(crate) fn service_token(identity: Identity) -> ServiceToken {
    Arc::new(move |tenant, act_for| {
        let identity = identity.clone();
        Box::pin(async move { identity.service_token(tenant, act_for).await })
    })
}
