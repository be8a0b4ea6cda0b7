//! L4: callers that reach a service's own port, bypassing the gateway.

mod internal;
mod permissions;
mod rules;

use std::time::Duration;

use bytes::Bytes;
use error::Error;
use rpc::Channel;
use serde_json::json;
use testkit::fleet::Role;
use tonic::metadata::MetadataMap;

use crate::stage::{Stage, Tenant, text};

const DEADLINE: Duration = Duration::from_secs(10);

/// A caller of one service's port.
struct Direct {
    channel: Channel,
}

/// What a call comes with, as name and value.
type Shown<'a> = [(&'static str, &'a str)];

impl Direct {
    fn to(stage: &Stage, role: Role) -> Self {
        let url = format!("http://127.0.0.1:{}", stage.ports.grpc[&role]);
        Self { channel: rpc::connect(&url, "the attacked").expect("a channel") }
    }

    /// Calls a method by its path; the answer's bytes.
    async fn call(&self, path: &str, shown: &Shown<'_>, message: Vec<u8>) -> Result<Bytes, Error> {
        let mut metadata = MetadataMap::new();
        for (name, value) in shown {
            metadata.append(*name, value.parse().expect("a header"));
        }
        let answer = rpc::raw::unary(&self.channel, path, metadata, Bytes::from(message), DEADLINE).await;
        Ok(answer?.1)
    }
}

/// The access token that an API key with these scopes is traded for.
async fn key_token(stage: &Stage, tenant: &Tenant, scopes: &[&str]) -> String {
    use proto::identity::v1::ExchangeApiKeyRequest;
    use proto::identity::v1::identity_service_client::IdentityServiceClient;
    let body = json!({"name": "attacks", "scopes": scopes});
    let key = tenant.admin.post("/api/v1/api-keys", body).await.expect(201);
    let request = ExchangeApiKeyRequest { api_key: text(&key["secret"]) };
    let mut request = tonic::Request::new(request);
    let gateway = stage.service_token(Role::Gateway).await;
    request.metadata_mut().insert("x-service-token", gateway.parse().expect("a header"));
    let mut identity = IdentityServiceClient::new(stage.grpc(Role::Identity).await);
    identity.exchange_api_key(request).await.expect("a token").into_inner().access_token
}
