//! API keys.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use super::world::{Refusal, World, done, role};

#[tokio::test]
async fn a_key_acts_as_its_owner_within_its_scopes() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let made = ada.create_key("import", &["user.read", "api_key.create"]).await?;
    let secret = made.secret.unwrap();
    assert!(secret.starts_with(&made.prefix) && secret.starts_with("gck_"));
    let listed = ada.list_api_keys(pb::ListApiKeysRequest::default()).await?.api_keys;
    assert_eq!((listed.len(), listed[0].secret.as_deref()), (1, None));

    let answer = world.exchange(&secret).await?;
    assert_eq!((&answer.api_key_id, &answer.tenant_id), (&made.id, &ada.tenant));
    let key = ada.with(&answer.access_token);
    let me = key.get_me(pb::GetMeRequest {}).await?;
    assert_eq!((me.principal_kind.as_str(), me.user.unwrap().id), ("api_key", ada.id.clone()));
    key.list_users(pb::ListUsersRequest::default()).await?;
    assert_eq!(
        key.list_roles(pb::ListRolesRequest::default()).await.unwrap_err().is(),
        (403, "PERMISSION_DENIED")
    );
    // A key is not its owner: it neither sees nor ends the owner's sessions.
    let sessions = ada.list_sessions(pb::ListSessionsRequest::default()).await?.sessions;
    let listed = key.list_sessions(pb::ListSessionsRequest::default()).await.unwrap_err();
    let ended =
        key.delete_session(pb::DeleteSessionRequest { id: sessions[0].id.clone() }).await.unwrap_err();
    for refused in [listed, ended] {
        assert_eq!(refused.is(), (403, "PERMISSION_DENIED"));
    }
    let child = key.create_key("child", &["user.read"]).await.unwrap_err();
    assert_eq!(child.is(), (403, "SESSION_REQUIRED"));

    let delete = |id: &str| pb::DeleteApiKeyRequest { id: id.to_owned() };
    ada.delete_api_key(delete(&made.id)).await?;
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    assert_eq!(key.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(ada.delete_api_key(delete(&made.id)).await.unwrap_err().is(), (404, "API_KEY_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn a_key_belongs_to_its_owner_alone_and_ends_in_time() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let keeper = ada.create_role(role("Keys", "api_key", &["*"], pb::Scope::All)).await?;
    let bob = world.member(&ada, &[&keeper.id], &[]).await?;
    let made = ada.create_key("ada's", &["user.read"]).await?;
    let foreign = bob.delete_api_key(pb::DeleteApiKeyRequest { id: made.id.clone() }).await.unwrap_err();
    assert_eq!(foreign.is(), (404, "API_KEY_NOT_FOUND"));
    assert!(bob.list_api_keys(pb::ListApiKeysRequest::default()).await?.api_keys.is_empty());
    for bad in [&["nonsense"][..], &["contact.fly"], &[]] {
        assert_eq!(bob.create_key("x", bad).await.unwrap_err().http(), 422, "{bad:?}");
    }
    for n in 0..50 {
        bob.create_key(&format!("key {n}"), &["api_key.read"]).await?;
    }
    assert_eq!(
        bob.create_key("one more", &["api_key.read"]).await.unwrap_err().is(),
        (409, "API_KEY_LIMIT_REACHED")
    );
    Ok(())
}

#[tokio::test]
async fn a_key_that_has_expired_says_so_and_one_that_was_revoked_does_not() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let make = |name: &'static str| {
        let ends = world.clock.now() + std::time::Duration::from_secs(60);
        let key = pb::ApiKey {
            name: name.to_owned(),
            scopes: vec!["user.read".to_owned()],
            expires_at: Some(prost_types::Timestamp { seconds: ends.unix_timestamp(), nanos: 0 }),
            ..Default::default()
        };
        let request = ada.request(pb::CreateApiKeyRequest { api_key: Some(key) });
        async { Ok::<_, Refusal>(done(world.service.create_api_key(request).await)?.api_key.unwrap()) }
    };
    let (made, revoked) = (make("a").await?, make("b").await?);
    let secret = made.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    key.list_users(pb::ListUsersRequest::default()).await?;
    ada.delete_api_key(pb::DeleteApiKeyRequest { id: revoked.id }).await?;
    world.hand.advance(std::time::Duration::from_secs(60));
    let expired = (401, "API_KEY_EXPIRED");
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), expired);
    // Also for the token that it was traded for a moment ago, where no lease is held any more.
    let me = world.twin()?.get_me(key.request(pb::GetMeRequest {})).await;
    assert_eq!(done(me).unwrap_err().is(), expired);
    assert_eq!(key.snapshot().await.unwrap_err().is(), expired);
    // Whoever does not have the whole key learns nothing, and what was revoked has not expired.
    let forged = format!("{}{}", &secret[..secret.len() - 1], if secret.ends_with('A') { 'E' } else { 'A' });
    for other in [forged, revoked.secret.unwrap()] {
        assert_eq!(world.exchange(&other).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    }
    Ok(())
}
