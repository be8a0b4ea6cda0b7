//! The RPCs of identity without a REST path, called over gRPC as other services call them.

use proto::common::v1::RecordName;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use proto::identity::v1::{
    CheckReferencesRequest, ExchangeApiKeyRequest, ExchangeServiceSecretRequest, ExchangeServiceTokenRequest,
    GetJwksRequest, GetSnapshotRequest, GetUserNamesRequest, ResolveCalendarFeedRequest,
};
use serde_json::json;
use testkit::fleet::Role;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::{ROLE, TEAM};
use crate::isolation::internal::{as_service, with_token};
use crate::isolation::matrix::{Check, Two, random_id};
use crate::stage::{Stage, Tenant, text};

pub(super) fn checks() -> Vec<(&'static str, Check)> {
    vec![
        ("GetSnapshot", |two| Box::pin(get_snapshot(two))),
        ("CheckReferences", |two| Box::pin(check_references(two))),
        ("GetUserNames", |two| Box::pin(get_user_names(two))),
        ("ExchangeApiKey", |two| Box::pin(exchange_api_key(two))),
        ("ResolveCalendarFeed", |two| Box::pin(resolve_calendar_feed(two))),
        ("ExchangeServiceToken", |two| Box::pin(exchange_service_token(two))),
        ("ExchangeServiceSecret", |two| Box::pin(exchange_service_secret(two))),
        ("GetJwks", |two| Box::pin(get_jwks(two))),
    ]
}

type Intercepted<I> = IdentityServiceClient<InterceptedService<Channel, I>>;

/// As records.
async fn identity(
    stage: &Stage,
) -> Intercepted<impl FnMut(Request<()>) -> Result<Request<()>, Status> + Clone + use<>> {
    let service = as_service(stage.service_token(Role::Records).await);
    IdentityServiceClient::with_interceptor(stage.grpc(Role::Identity).await, service)
}

/// The caller's own, and nobody's without credentials.
async fn get_snapshot(Two { stage, a, .. }: &Two) {
    let mut identity = identity(stage).await;
    let own = identity.get_snapshot(with_token(&a.access_token, GetSnapshotRequest { if_version: 0 })).await;
    let own = own.expect("own snapshot").into_inner().snapshot.expect("a snapshot");
    assert_eq!(own.owner_id, a.admin_id);
    let bare = identity.get_snapshot(GetSnapshotRequest { if_version: 0 }).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// A foreign id is as unknown as a random one.
async fn check_references(Two { stage, a, b }: &Two) {
    let mut identity = identity(stage).await;
    let foreign = CheckReferencesRequest {
        user_ids: vec![a.admin_id.clone(), b.admin_id.clone(), random_id()],
        team_ids: vec![(TEAM.make)(stage, b, "b-team").await],
        role_ids: vec![
            (ROLE.make)(stage, a, "a-role").await,
            (ROLE.make)(stage, b, "b-role").await,
            random_id(),
        ],
        user_emails: Vec::new(),
    };
    let (team, roles) = (foreign.team_ids.clone(), foreign.role_ids[1..].to_vec());
    let unknown = foreign.user_ids[1..].to_vec();
    let answer = identity.check_references(with_token(&a.access_token, foreign)).await;
    let answer = answer.expect("an answer").into_inner();
    assert_eq!((answer.unknown_user_ids, answer.unknown_team_ids), (unknown, team));
    assert_eq!(answer.unknown_role_ids, roles);
    // An address of another tenant is nobody's here.
    let address =
        async |tenant: &Tenant| text(&tenant.admin.get("/api/v1/me").await.expect(200)["user"]["email"]);
    let (ours, theirs) = (address(a).await, address(b).await);
    assert_ne!(ours, theirs);
    let asked = CheckReferencesRequest { user_emails: vec![ours.clone(), theirs], ..Default::default() };
    let answer = identity.check_references(with_token(&a.access_token, asked)).await;
    let found: Vec<_> = answer.expect("an answer").into_inner().user_ids_by_email.into_iter().collect();
    assert_eq!(found, [(ours, a.admin_id.clone())]);
    let bare = identity.check_references(CheckReferencesRequest::default()).await;
    assert_eq!(bare.expect_err("no credentials").code(), Code::Unauthenticated);
}

/// Another tenant's user is as if there were none; without permission another's name is not told, and one's own is.
async fn get_user_names(Two { stage, a, b }: &Two) {
    let mut identity = identity(stage).await;
    let member = stage.member(a, "named", json!([]), json!([])).await;
    let user_ids =
        vec![a.admin_id.clone(), member.id.clone(), b.admin_id.clone(), random_id(), "x".to_owned()];
    let asked = || GetUserNamesRequest { user_ids: user_ids.clone() };
    let named = |of_admin: Option<&str>| {
        let of = |id: &String, name: Option<&str>| RecordName {
            object: "user".to_owned(),
            id: id.clone(),
            name: name.map(str::to_owned),
            deleted: false,
        };
        vec![of(&a.admin_id, of_admin), of(&member.id, Some("named"))]
    };
    for (token, wanted) in
        [(a.access_token.as_str(), named(Some("Ada Admin"))), (member.client.token(), named(None))]
    {
        let answer = identity.get_user_names(with_token(token, asked())).await.expect("an answer");
        let mut names = answer.into_inner().names;
        names.sort_by(|one, other| one.id.cmp(&other.id));
        assert_eq!(names, wanted);
    }
    let bare = identity.get_user_names(asked()).await.expect_err("no credentials");
    assert_eq!(bare.code(), Code::Unauthenticated);
}

/// The key's own tenant; a forged one is refused.
async fn exchange_api_key(Two { stage, a, .. }: &Two) {
    let mut identity = identity(stage).await;
    let body = json!({"name": "k", "scopes": ["contact.read"]});
    let secret = text(&a.admin.post("/api/v1/api-keys", body).await.expect(201)["secret"]);
    let traded = identity.exchange_api_key(ExchangeApiKeyRequest { api_key: secret.clone() }).await;
    assert_eq!(traded.expect("a token").into_inner().tenant_id, a.id);
    let forged = format!("{}x", &secret[..secret.len() - 1]);
    let refused = identity.exchange_api_key(ExchangeApiKeyRequest { api_key: forged }).await;
    assert_eq!(refused.expect_err("forged").code(), Code::Unauthenticated);
}

/// The token's own tenant and user; whatever is no token that stands answers the same.
async fn resolve_calendar_feed(Two { stage, a, b }: &Two) {
    let mut identity = identity(stage).await;
    let token = async |tenant: &Tenant| {
        let made = tenant.admin.post("/api/v1/calendar-feed", json!({})).await.expect(201);
        let path = text(&made["path"]);
        path.trim_start_matches("/calendar/").trim_end_matches(".ics").to_owned()
    };
    let (ours, theirs) = (token(a).await, token(b).await);
    let mut resolve = async |token: String| {
        let answer = identity.resolve_calendar_feed(ResolveCalendarFeedRequest { token }).await;
        answer.map(|answer| answer.into_inner()).map_err(|status| (status.code(), status.details().to_vec()))
    };
    for (token, tenant) in [(&ours, a), (&theirs, b)] {
        let owner = resolve(token.clone()).await.expect("an owner");
        assert_eq!((owner.tenant_id, owner.user_id), (tenant.id.clone(), tenant.admin_id.clone()));
    }
    let parts = |token: &str| token.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (ours, theirs) = (parts(&ours), parts(&theirs));
    let mut refusals = Vec::new();
    for forged in [
        // The secret of another, in either tenant, and none at all.
        format!("{}.{}.{}", ours[0], ours[1], theirs[2]),
        format!("{}.{}.{}", theirs[0], ours[1], ours[2]),
        format!("{}.{}.{}", ours[0], theirs[1], ours[2]),
        format!("{}.{}", ours[0], ours[1]),
        String::new(),
    ] {
        refusals.push(resolve(forged).await.expect_err("forged"));
    }
    assert_eq!(refusals[0].0, Code::NotFound);
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
}

/// The right secret, a principal of that very tenant.
async fn exchange_service_token(Two { stage, a, b }: &Two) {
    let mut identity = identity(stage).await;
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
    let random =
        identity.exchange_service_token(request(&secret, &a.id, &random_id())).await.expect_err("random");
    assert_eq!((foreign.code(), foreign.message()), (random.code(), random.message()));
    assert_eq!(foreign.details(), random.details());
    let forged =
        identity.exchange_service_token(request("guess", &a.id, &a.admin_id)).await.expect_err("a guess");
    assert_eq!(forged.code(), Code::Unauthenticated);
}

/// A token that names no tenant and opens none.
async fn exchange_service_secret(Two { stage, .. }: &Two) {
    let mut identity = identity(stage).await;
    let secret = stage.service_secret(Role::Records);
    let request = ExchangeServiceSecretRequest { service: "records".to_owned(), secret };
    let traded = identity.exchange_service_secret(request).await.expect("a token").into_inner();
    let bearer = with_token(&traded.service_token, GetSnapshotRequest { if_version: 0 });
    assert_eq!(identity.get_snapshot(bearer).await.expect_err("nobody's").code(), Code::Unauthenticated);
}

/// Public keys and nothing else.
async fn get_jwks(Two { stage, .. }: &Two) {
    let keys = identity(stage).await.get_jwks(GetJwksRequest {}).await.expect("keys").into_inner().keys;
    assert!(!keys.is_empty() && keys.iter().all(|k| k.kty == "OKP" && k.r#use == "sig"));
}
