//! The typed wrappers against a real server.

use std::sync::Arc;
use std::time::Duration;

use auth::{Call, Context, Principal, PrincipalKind, Snapshot, VerifiedTenant};
use ids::{Clock, RoleId, TenantId, UserId};
use secrecy::{ExposeSecret, SecretString};
use tonic::metadata::MetadataMap;
use uuid::Uuid;

use super::peer::{Served, serve};
use crate::identity::{Identity, Unknown};
use crate::{ServiceSecret, connect};

fn identity(served: &Served, clock: Clock) -> Identity {
    let own = Some(("records", ServiceSecret(SecretString::from("s3cret"))));
    Identity::new(connect(&served.url(), "identity").unwrap(), own, clock)
}

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

#[tokio::test]
async fn a_service_token_is_held_per_tenant_and_principal_until_shortly_before_its_end() {
    let served = serve().await;
    let (clock, hand) = Clock::fixed(time::OffsetDateTime::UNIX_EPOCH);
    let identity = identity(&served, clock);
    let (tenant, user) = (TenantId::from(id(1)), id(2));
    let token = identity.service_token(tenant, user).await.unwrap();
    assert_eq!(token.expose_secret(), format!("{tenant}:{user}"));
    identity.service_token(tenant, user).await.unwrap();
    assert_eq!(served.peer.calls().len(), 1);
    let other = identity.service_token(tenant, id(3)).await.unwrap();
    assert_ne!(other.expose_secret(), token.expose_secret());
    assert_eq!(served.peer.calls().len(), 2, "another principal, another token");
    hand.advance(Duration::from_secs(239));
    identity.service_token(tenant, user).await.unwrap();
    assert_eq!(served.peer.calls().len(), 2);
    hand.advance(Duration::from_secs(1));
    identity.service_token(tenant, user).await.unwrap();
    assert_eq!(served.peer.calls().len(), 3, "a minute before its end it is not handed out any more");
    assert!(!format!("{identity:?}").contains("s3cret"));
}

#[tokio::test]
async fn an_api_key_is_traded_once_in_thirty_seconds() {
    let served = serve().await;
    let (clock, hand) = Clock::fixed(time::OffsetDateTime::UNIX_EPOCH);
    let identity = identity(&served, clock);
    let trade = || identity.exchange_api_key(SecretString::from("gck_x"));
    assert_eq!(trade().await.unwrap().expose_secret(), "token of gck_x");
    hand.advance(Duration::from_secs(29));
    trade().await.unwrap();
    assert_eq!(served.peer.calls().len(), 1);
    hand.advance(Duration::from_secs(1));
    trade().await.unwrap();
    assert_eq!(served.peer.calls().len(), 2);
}

#[tokio::test]
async fn whose_calendar_a_token_opens_is_asked_each_time() {
    let served = serve().await;
    let identity = identity(&served, Clock::system());
    let owner = |token: String| identity.calendar_owner(SecretString::from(token));
    for _ in 0..2 {
        assert_eq!(owner(format!("{}:{}", id(1), id(2))).await.unwrap(), (id(1).into(), id(2)));
    }
    assert_eq!(served.peer.calls().len(), 2, "an address that has ended opens nothing");
    assert_eq!(owner("x".to_owned()).await.unwrap_err().code(), error::Code::Internal);
}

#[tokio::test]
async fn a_process_without_a_secret_gets_no_token_of_its_own() {
    let served = serve().await;
    let identity = Identity::new(connect(&served.url(), "identity").unwrap(), None, Clock::system());
    assert_eq!(identity.service_token(id(1).into(), id(2)).await.unwrap_err().code(), error::Code::Internal);
    assert!(served.peer.calls().is_empty());
}

#[tokio::test]
async fn references_are_asked_for_with_the_callers_own_token() {
    let served = serve().await;
    let identity = identity(&served, Clock::system());
    let call = Call { request_id: "r-1".to_owned(), ..Call::read(&MetadataMap::new()).unwrap() };
    let snapshot = Arc::new(Snapshot::from_wire(&proto::identity::v1::PermissionSnapshot::default()));
    let principal = Principal { kind: PrincipalKind::User, id: id(9) };
    let tenant = VerifiedTenant::from_directory(id(1).into());
    let cx = Context::new(call, tenant, principal, None, snapshot, SecretString::from("jwt"));
    let users = [UserId::from(id(5)), UserId::from(id(6))];
    let unknown = identity.check_references(&cx, &users, &[]).await.unwrap();
    assert_eq!(unknown, Unknown { users: vec![users[1]], teams: vec![] });
    let metadata = served.peer.last();
    assert_eq!(metadata.get("authorization").unwrap(), "Bearer jwt");
    assert_eq!(metadata.get("x-request-id").unwrap(), "r-1");
    assert_eq!(identity.check_references(&cx, &[], &[]).await.unwrap(), Unknown::default());
    let roles = [RoleId::from(id(3)), RoleId::from(id(4))];
    assert_eq!(identity.unknown_roles(&cx, &[]).await.unwrap(), []);
    assert_eq!(identity.users_by_email(&cx, Vec::new()).await.unwrap(), []);
    assert_eq!(identity.user_names(&cx, &[]).await.unwrap(), []);
    assert_eq!(served.peer.calls().len(), 1, "nothing asked, nothing sent");
    assert_eq!(identity.unknown_roles(&cx, &roles).await.unwrap(), roles[1..]);
    let asked = vec!["a@x.test".to_owned(), "b@x.test".to_owned()];
    let found = identity.users_by_email(&cx, asked).await.unwrap();
    assert_eq!(found, [("a@x.test".to_owned(), UserId::from(id(7)))]);
    assert_eq!(served.peer.last().get("authorization").unwrap(), "Bearer jwt");
    let named = identity.user_names(&cx, &users).await.unwrap();
    assert_eq!(named.iter().map(|name| &name.id).collect::<Vec<_>>(), [&users[0].to_string()]);
    assert_eq!(served.peer.last().get("authorization").unwrap(), "Bearer jwt");
}

#[tokio::test]
async fn keys_come_from_identity() {
    let served = serve().await;
    let keys = (identity(&served, Clock::system()).fetch_keys())().await.unwrap();
    assert_eq!(keys[0].kid, "k1");
}
