//! Sign-up, login, refresh, sessions.

use std::time::Duration;

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::Request;

use super::world::{PASSWORD, World, done, sign_up_request};

#[tokio::test]
async fn who_signs_up_is_the_administrator_of_a_new_organisation() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let me = ada.get_me(pb::GetMeRequest {}).await?;
    assert_eq!(me.tenant.unwrap().slug, ada.slug);
    assert_eq!((me.user.unwrap().email, me.principal_kind.as_str()), (ada.email.clone(), "user"));
    assert_eq!(me.role_ids.len(), 1);
    let snapshot = ada.snapshot().await?;
    assert_eq!((snapshot.objects[0].object.as_str(), snapshot.owner_id), ("*", ada.id.clone()));

    let taken =
        done(world.service.sign_up(Request::new(sign_up_request(&ada.slug, "b@b.test"))).await).unwrap_err();
    assert_eq!(taken.is(), (409, "SLUG_TAKEN"));
    let mut weak = sign_up_request(&world.word("w"), "b@b.test");
    weak.password = "password123".to_owned();
    let weak = done(world.service.sign_up(Request::new(weak)).await).unwrap_err();
    assert_eq!(weak.violations(), [("/password", "PASSWORD_TOO_WEAK")]);
    Ok(())
}

#[tokio::test]
async fn whatever_does_not_fit_at_login_answers_the_same() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = world.member(&ada, &[], &[]).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    let password = world.login(&ada.slug, &ada.email, "wrong password").await.unwrap_err();
    assert_eq!(password.is(), (401, "CREDENTIALS_INVALID"));
    for (slug, email) in [
        (world.word("nobody").as_str(), ada.email.as_str()),
        (&ada.slug, "nobody@nowhere.test"),
        (&ada.slug, &bob.email),
        ("\0", "\0"),
        ("", ""),
    ] {
        assert_eq!(world.login(slug, email, PASSWORD).await.unwrap_err(), password, "{slug} {email}");
    }
    let upper = world.login(&ada.slug.to_uppercase(), &ada.email.to_uppercase(), PASSWORD).await?;
    assert_eq!(upper.user.unwrap().id, ada.id);
    Ok(())
}

#[tokio::test]
async fn five_failures_make_even_the_right_password_wait() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    for email in [ada.email.as_str(), "nobody@nowhere.test"] {
        for _ in 0..5 {
            assert_eq!(
                world.login(&ada.slug, email, "wrong").await.unwrap_err().is(),
                (401, "CREDENTIALS_INVALID")
            );
        }
        let refused = world.login(&ada.slug, email, PASSWORD).await.unwrap_err();
        assert_eq!(
            (refused.is(), refused.retry_after()),
            ((429, "LOGIN_THROTTLED"), Some(Duration::from_secs(30)))
        );
    }
    world.hand.advance(Duration::from_secs(31));
    world.login(&ada.slug, &ada.email, PASSWORD).await?;
    assert_eq!(
        world.login(&ada.slug, &ada.email, "wrong").await.unwrap_err().is(),
        (401, "CREDENTIALS_INVALID")
    );
    world.login(&ada.slug, &ada.email, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn many_guesses_at_once_are_bounded_like_one_after_the_other() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let guesses = (0..20).map(|_| world.login(&ada.slug, &ada.email, "wrong password"));
    let mut told = 0;
    for guess in futures_join(guesses.collect()).await {
        told += i32::from(guess.unwrap_err().reason() == "CREDENTIALS_INVALID");
    }
    assert!(told <= 5, "{told} guesses were told wrong from right");
    Ok(())
}

/// Runs all at once.
async fn futures_join<T, F: std::future::Future<Output = T>>(futures: Vec<F>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<T>> = futures.iter().map(|_| None).collect();
    std::future::poll_fn(|cx| {
        let mut pending = false;
        for (future, output) in futures.iter_mut().zip(&mut outputs) {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(value) => *output = Some(value),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

#[tokio::test]
async fn a_session_unused_for_two_weeks_is_over_and_a_used_one_lasts_a_month() -> Result<()> {
    let world = World::new().await?;
    let (idle, busy) = (world.sign_up().await?, world.sign_up().await?);
    world.advance(13);
    let busy_token = world.refresh(&busy.refresh).await?.refresh_token;
    world.advance(2);
    assert_eq!(world.refresh(&idle.refresh).await.unwrap_err().is(), (401, "REFRESH_TOKEN_INVALID"));
    let busy_token = world.refresh(&busy_token).await?.refresh_token;
    world.advance(13);
    let busy_token = world.refresh(&busy_token).await?.refresh_token;
    world.advance(3);
    assert_eq!(world.refresh(&busy_token).await.unwrap_err().is(), (401, "REFRESH_TOKEN_INVALID"));
    Ok(())
}

#[tokio::test]
async fn sessions_are_listed_once_each_and_ended_by_their_user_only() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    for _ in 0..4 {
        world.login(&ada.slug, &ada.email, PASSWORD).await?;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let request = pb::ListSessionsRequest { page_size: Some(2), page_token: token.clone() };
        let page = ada.list_sessions(request.clone()).await?;
        if !token.is_empty() {
            let foreign = eve.list_sessions(request).await.unwrap_err();
            assert_eq!(foreign.is(), (400, "PAGE_TOKEN_MISMATCH"));
        }
        seen.extend(page.sessions);
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    let mut ids: Vec<&str> = seen.iter().map(|s| s.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), seen.len()), (5, 5));
    assert_eq!(seen.iter().filter(|s| s.current).count(), 1);

    let delete = |id: &str| pb::DeleteSessionRequest { id: id.to_owned() };
    let victim = seen.iter().find(|s| !s.current).unwrap().id.clone();
    let foreign = eve.delete_session(delete(&victim)).await.unwrap_err();
    assert_eq!(foreign.is(), (404, "SESSION_NOT_FOUND"));
    assert_eq!(eve.delete_session(delete("nonsense")).await.unwrap_err(), foreign);
    ada.delete_session(delete(&victim)).await?;
    assert_eq!(ada.delete_session(delete(&victim)).await.unwrap_err(), foreign);
    assert_eq!(ada.list_sessions(pb::ListSessionsRequest::default()).await?.sessions.len(), 4);

    ada.logout(pb::LogoutRequest {}).await?;
    assert_eq!(ada.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(world.refresh(&ada.refresh).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    Ok(())
}

#[tokio::test]
async fn what_has_expired_is_removed_and_what_lives_stays() -> Result<()> {
    let world = World::alone("globcrm_test_identity_expiry").await?;
    let ada = world.sign_up().await?;
    let ended = world.login(&ada.slug, &ada.email, PASSWORD).await?;
    ada.with(&ended.access_token).logout(pb::LogoutRequest {}).await?;
    world.advance(2);
    let shutdown = tokio_util::sync::CancellationToken::new();
    assert!(world.identity.clean_up(&shutdown).await? >= 1);
    let count = || async {
        let mut sql = world.sql().await?;
        let count: i64 =
            sqlx::query_scalar("SELECT count(*) FROM identity.session WHERE tenant_id = $1::uuid")
                .bind(uuid::Uuid::parse_str(&ada.tenant)?)
                .fetch_one(&mut sql)
                .await?;
        anyhow::Ok(count)
    };
    assert_eq!(count().await?, 1, "the ended session is gone, the live one is there");
    world.refresh(&ada.refresh).await?;
    world.advance(60);
    world.identity.clean_up(&shutdown).await?;
    assert_eq!(count().await?, 0);
    Ok(())
}
