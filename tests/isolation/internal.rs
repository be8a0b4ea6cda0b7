//! RPCs without a REST path, called over gRPC as other services call them.

use proto::fields::v1::GetFieldSetRequest;
use proto::fields::v1::fields_service_client::FieldsServiceClient;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    CheckReferencesRequest, ExchangeApiKeyRequest, ExchangeServiceSecretRequest, ExchangeServiceTokenRequest,
    GetJwksRequest, GetSnapshotRequest,
};
use serde_json::json;
use testkit::fleet::Role;
use tonic::{Code, Request, Status};

use super::targets::{self, Target};
use crate::stage::{Stage, text};

/// The rows of this file.
pub const RPCS: [&str; 7] = [
    "GetSnapshot",
    "ExchangeApiKey",
    "ExchangeServiceSecret",
    "ExchangeServiceToken",
    "GetJwks",
    "CheckReferences",
    "GetFieldSet",
];

/// Shows who calls, as a service does.
fn as_service(token: String) -> impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone {
    move |mut request| {
        request.metadata_mut().insert("x-service-token", token.parse().expect("a header"));
        Ok(request)
    }
}

fn with_token<T>(token: &str, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().expect("a header"));
    request
}

#[tokio::test(flavor = "multi_thread")]
async fn internal_rpcs_keep_tenants_apart() {
    let stage = Stage::shared().await;
    let (a, b) = (stage.tenant("int-a").await, stage.tenant("int-b").await);
    let service = as_service(stage.service_token(Role::Records).await);
    let channel = stage.grpc(Role::Identity).await;
    let mut identity = IdentityServiceClient::with_interceptor(channel, service.clone());
    let mut fields = FieldsServiceClient::with_interceptor(stage.grpc(Role::Fields).await, service);

    // GetSnapshot: the caller's own, and nobody's without credentials.
    let own = identity.get_snapshot(with_token(&a.access_token, GetSnapshotRequest { if_version: 0 })).await;
    let own = own.expect("own snapshot").into_inner().snapshot.expect("a snapshot");
    assert_eq!(own.owner_id, a.admin_id);
    let bare = identity.get_snapshot(GetSnapshotRequest { if_version: 0 }).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);

    // CheckReferences: a foreign id is as unknown as a random one.
    let foreign = CheckReferencesRequest {
        user_ids: vec![a.admin_id.clone(), b.admin_id.clone(), targets::random(Target::User)],
        team_ids: vec![targets::make(stage, &b, Target::Team, "b-team").await],
    };
    let team = foreign.team_ids.clone();
    let unknown = foreign.user_ids[1..].to_vec();
    let answer = identity
        .check_references(with_token(&a.access_token, foreign))
        .await
        .expect("an answer")
        .into_inner();
    assert_eq!((answer.unknown_user_ids, answer.unknown_team_ids), (unknown, team));
    let bare =
        identity.check_references(CheckReferencesRequest::default()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);

    // GetFieldSet: definitions of the caller's tenant only.
    let body = json!({"key": "only_b", "label": "B", "type": "text"});
    b.admin.post("/api/v1/objects/contact/fields", body).await.expect(201);
    let request = || GetFieldSetRequest { object: "contact".to_owned(), if_version: 0 };
    let theirs =
        fields.get_field_set(with_token(&b.access_token, request())).await.expect("b's fields").into_inner();
    assert!(theirs.fields.iter().any(|f| f.key == "only_b"));
    let ours =
        fields.get_field_set(with_token(&a.access_token, request())).await.expect("a's fields").into_inner();
    assert!(ours.fields.is_empty(), "{:?}", ours.fields);
    let bare = fields.get_field_set(request()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);

    // ExchangeApiKey: the key's own tenant; a forged one is refused.
    let key =
        a.admin.post("/api/v1/api-keys", json!({"name": "k", "scopes": ["contact.read"]})).await.expect(201);
    let secret = text(&key["secret"]);
    let traded =
        identity.exchange_api_key(ExchangeApiKeyRequest { api_key: secret.clone() }).await.expect("a token");
    assert_eq!(traded.into_inner().tenant_id, a.id);
    let forged = format!("{}x", &secret[..secret.len() - 1]);
    let refused =
        identity.exchange_api_key(ExchangeApiKeyRequest { api_key: forged }).await.expect_err("forged");
    assert_eq!(refused.code(), Code::Unauthenticated);

    // ExchangeServiceToken: the right secret, a principal of that very tenant.
    let secret = stage.service_secret(Role::Records);
    let request = |secret: &str, tenant: &str, act_for: &str| ExchangeServiceTokenRequest {
        service: "records".to_owned(),
        secret: secret.to_owned(),
        tenant_id: tenant.to_owned(),
        act_for: act_for.to_owned(),
    };
    identity.exchange_service_token(request(&secret, &a.id, &a.admin_id)).await.expect("a token");
    let foreign =
        identity.exchange_service_token(request(&secret, &a.id, &b.admin_id)).await.expect_err("foreign");
    let random = targets::random(Target::User);
    let random = identity.exchange_service_token(request(&secret, &a.id, &random)).await.expect_err("random");
    assert_eq!((foreign.code(), foreign.message()), (random.code(), random.message()));
    assert_eq!(foreign.details(), random.details());
    let forged =
        identity.exchange_service_token(request("guess", &a.id, &a.admin_id)).await.expect_err("a guess");
    assert_eq!(forged.code(), Code::Unauthenticated);

    // ExchangeServiceSecret: a token that names no tenant and opens none.
    let request = ExchangeServiceSecretRequest { service: "records".to_owned(), secret };
    let traded = identity.exchange_service_secret(request).await.expect("a token").into_inner();
    let bearer = with_token(&traded.service_token, GetSnapshotRequest { if_version: 0 });
    assert_eq!(identity.get_snapshot(bearer).await.expect_err("nobody's").code(), Code::Unauthenticated);

    // GetJwks: public keys and nothing else.
    let keys = identity.get_jwks(GetJwksRequest {}).await.expect("keys").into_inner().keys;
    assert!(!keys.is_empty() && keys.iter().all(|k| k.kty == "OKP" && k.r#use == "sig"));
}
