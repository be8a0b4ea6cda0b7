//! Refresh tokens: used once, lost on the way, used by two.

use std::time::Duration;

use anyhow::Result;
use futures_util::future::join_all;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::Request;

use super::world::{Caller, Refusal, World, done};

const REVOKED: (u16, &str) = (401, "SESSION_REVOKED");

/// Refreshes as a client with this user agent, at this address.
async fn refresh_as(
    service: &impl IdentityService,
    token: &str,
    (agent, address): (&str, &str),
) -> Result<pb::RefreshResponse, Refusal> {
    let mut request = Request::new(pb::RefreshRequest { refresh_token: token.to_owned() });
    request.metadata_mut().insert("x-user-agent", agent.parse().unwrap());
    request.metadata_mut().insert("x-client-address", address.parse().unwrap());
    done(service.refresh(request).await)
}

/// Nothing of the session works any more.
async fn is_over(world: &World, ada: &Caller, pair: &pb::RefreshResponse) {
    assert_eq!(world.refresh(&pair.refresh_token).await.unwrap_err().is(), REVOKED);
    let gone = ada.with(&pair.access_token).get_me(pb::GetMeRequest {}).await.unwrap_err();
    assert_eq!(gone.is(), REVOKED);
}

#[tokio::test]
async fn a_lost_answer_is_given_again_for_ten_seconds() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let first = world.refresh(&ada.refresh).await?;
    world.hand.advance(Duration::from_secs(7));
    let again = world.refresh(&ada.refresh).await?;
    assert_eq!((&again.access_token, &again.refresh_token), (&first.access_token, &first.refresh_token));
    assert_eq!((first.expires_in, again.expires_in), (300, 293));
    world.hand.advance(Duration::from_secs(3));
    assert_eq!(world.refresh(&ada.refresh).await?.refresh_token, first.refresh_token);
    ada.with(&again.access_token).get_me(pb::GetMeRequest {}).await?;
    // The session goes on with what was given twice, and every pair is another.
    let second = world.refresh(&first.refresh_token).await?;
    assert_ne!(second.refresh_token, first.refresh_token);
    ada.with(&second.access_token).get_me(pb::GetMeRequest {}).await?;
    Ok(())
}

#[tokio::test]
async fn a_token_that_is_used_after_that_time_ends_the_session() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let next = world.refresh(&ada.refresh).await?;
    world.hand.advance(Duration::from_secs(11));
    assert_eq!(world.refresh(&ada.refresh).await.unwrap_err().is(), REVOKED);
    is_over(&world, &ada, &next).await;
    for bad in ["", "grt_x", &next.refresh_token[..20], &next.refresh_token.replace("grt_", "gck_")] {
        assert_eq!(world.refresh(bad).await.unwrap_err().is(), (401, "REFRESH_TOKEN_INVALID"), "{bad}");
    }
    Ok(())
}

#[tokio::test]
async fn a_token_whose_successor_was_used_ends_the_session_at_once() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let second = world.refresh(&ada.refresh).await?;
    let third = world.refresh(&second.refresh_token).await?;
    ada.with(&third.access_token).get_me(pb::GetMeRequest {}).await?;
    assert_eq!(world.refresh(&ada.refresh).await.unwrap_err().is(), REVOKED);
    is_over(&world, &ada, &third).await;
    Ok(())
}

#[tokio::test]
async fn another_client_is_not_answered_again() -> Result<()> {
    let world = World::new().await?;
    for thief in [("Thief/1.0", "198.51.100.7"), ("Browser/1.0", "203.0.113.9")] {
        let ada = world.sign_up().await?;
        let home = ("Browser/1.0", "198.51.100.7");
        let next = refresh_as(&world.service, &ada.refresh, home).await?;
        assert_eq!(refresh_as(&world.service, &ada.refresh, home).await?.refresh_token, next.refresh_token);
        assert_eq!(refresh_as(&world.service, &ada.refresh, thief).await.unwrap_err().is(), REVOKED);
        is_over(&world, &ada, &next).await;
    }
    Ok(())
}

#[tokio::test]
async fn many_refreshes_at_once_give_one_pair_whichever_instance_answers() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let twin = world.twin()?;
    let home = ("Browser/1.0", "198.51.100.7");
    let mut token = ada.refresh.clone();
    for _ in 0..5 {
        let calls = (0..8).map(|n| {
            let service = if n % 2 == 0 { &world.service } else { &twin };
            refresh_as(service, &token, home)
        });
        let answers: Vec<_> = join_all(calls).await.into_iter().collect::<Result<_, _>>()?;
        let mut pairs: Vec<_> =
            answers.iter().map(|a| (a.access_token.clone(), a.refresh_token.clone())).collect();
        pairs.dedup();
        assert_eq!(pairs.len(), 1, "{pairs:?}");
        token.clone_from(&answers[0].refresh_token);
        ada.with(&answers[0].access_token).get_me(pb::GetMeRequest {}).await?;
    }
    Ok(())
}

#[tokio::test]
async fn an_ended_session_is_not_answered_again() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let next = world.refresh(&ada.refresh).await?;
    ada.with(&next.access_token).logout(pb::LogoutRequest {}).await?;
    assert_eq!(world.refresh(&ada.refresh).await.unwrap_err().is(), REVOKED);
    let bob = world.member(&world.sign_up().await?, &[], &[]).await?;
    world.refresh(&bob.refresh).await?;
    Ok(())
}

/// What the database holds leads to no token.
#[tokio::test]
async fn a_successor_is_stored_as_a_hash() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let next = world.refresh(&ada.refresh).await?;
    let mut sql = world.sql().await?;
    let rows: Vec<String> =
        sqlx::query_scalar("SELECT t::text FROM identity.refresh_token t WHERE tenant_id = $1")
            .bind(uuid::Uuid::parse_str(&ada.tenant)?)
            .fetch_all(&mut sql)
            .await?;
    assert_eq!(rows.len(), 2);
    for token in [&ada.refresh, &next.refresh_token] {
        let secret = token.rsplit('.').next().unwrap();
        assert!(rows.iter().all(|row| !row.contains(secret)));
    }
    Ok(())
}
