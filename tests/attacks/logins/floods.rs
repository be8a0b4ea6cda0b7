//! Many sign-ups, many sessions, many failures.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tokio_util::sync::CancellationToken;

use super::login;
use crate::identity::world::{PASSWORD, SIGN_UPS, World, done, from, sign_up_request};

#[tokio::test]
async fn one_network_makes_so_many_organisations_in_an_hour_and_no_more() -> Result<()> {
    let world = World::new().await?;
    let prefix = world.network().trim_end_matches("::1").to_owned();
    let sign_up = |last: u32| {
        let slug = world.word("s");
        let request = from(&format!("{prefix}::{last:x}"), sign_up_request(&slug, "a@a.test"));
        let service = world.service.clone();
        async move { done(service.sign_up(request).await) }
    };
    for last in 1..=SIGN_UPS {
        sign_up(last).await?;
    }
    let refused = sign_up(100).await.unwrap_err();
    assert_eq!(refused.is(), (429, "SIGN_UP_THROTTLED"));
    assert!(refused.retry_after().is_some_and(|wait| wait.as_secs() <= 3_600));
    world.sign_up().await?;
    // The day has its own bound: what was refused counts, too.
    world.hand.advance(refused.retry_after().unwrap());
    let mut made = 0;
    let last = loop {
        match sign_up(200 + made).await {
            Ok(_) => made += 1,
            Err(refused) => break refused,
        }
        assert!(made < SIGN_UPS, "the day has no end");
    };
    assert_eq!((last.is(), made), ((429, "SIGN_UP_THROTTLED"), 4));
    assert!(last.retry_after().is_some_and(|wait| wait.as_secs() > 3_600));
    Ok(())
}

/// A customer of a provider has many networks, and they have a bound together.
#[tokio::test]
async fn a_wide_network_makes_so_many_organisations_in_an_hour_and_no_more() -> Result<()> {
    let world = World::new().await?;
    let wide = world.network().split(':').take(3).collect::<Vec<_>>().join(":");
    let [a, b, c] = world.clock.new_uuid().as_u128().to_be_bytes()[13..] else { unreachable!() };
    let ipv4 = move |last: u32| format!("{}.{b}.{c}.{last}", a | 1);
    let ipv6 = move |n: u32| format!("{wide}:{n:x}::1");
    for address in [Box::new(ipv6) as Box<dyn Fn(u32) -> String>, Box::new(ipv4)] {
        let sign_up = |n: u32| {
            let request = from(&address(n), sign_up_request(&world.word("s"), "a@a.test"));
            async { done(world.service.sign_up(request).await) }
        };
        // No network makes half of what it may.
        for n in 0..8 * SIGN_UPS {
            sign_up(n % 20).await?;
        }
        for n in [1, 100] {
            let refused = sign_up(n).await.unwrap_err();
            assert_eq!(refused.is(), (429, "SIGN_UP_THROTTLED"));
            assert!(refused.retry_after().is_some_and(|wait| wait.as_secs() <= 3_600));
        }
    }
    world.sign_up().await?;
    Ok(())
}

/// What a network is refused is not charged to its neighbours.
#[tokio::test]
async fn a_network_that_is_refused_does_not_use_up_what_its_neighbours_may_make() -> Result<()> {
    let world = World::new().await?;
    let wide = world.network().split(':').take(3).collect::<Vec<_>>().join(":");
    let sign_up = |network: u32| {
        let request = from(&format!("{wide}:{network:x}::1"), sign_up_request(&world.word("s"), "a@a.test"));
        async { done(world.service.sign_up(request).await) }
    };
    let mut made = 0;
    for _ in 0..9 * SIGN_UPS {
        made += u32::from(sign_up(7).await.is_ok());
    }
    assert_eq!(made, SIGN_UPS);
    sign_up(8).await?;
    Ok(())
}

/// A wide network that is full may come from 65,536 networks: none of them leaves a row, and the day of all is not used up by what was
/// refused in an hour.
#[tokio::test]
async fn sign_ups_refused_to_a_wide_network_leave_no_rows_and_do_not_count_for_its_day() -> Result<()> {
    let world = World::alone("globcrm_test_identity_wide").await?;
    let wide = world.network().split(':').take(3).collect::<Vec<_>>().join(":");
    let sign_up = |network: u32| {
        let request = from(&format!("{wide}:{network:x}::1"), sign_up_request(&world.word("s"), "a@a.test"));
        async { done(world.service.sign_up(request).await) }
    };
    for n in 0..8 * SIGN_UPS {
        sign_up(n % 20).await?;
    }
    let mut sql = world.sql().await?;
    let rows = async |sql: &mut _| {
        let rows = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM identity.login_throttle");
        rows.fetch_one(sql).await
    };
    let before = rows(&mut sql).await?;
    // As many as the day of all has left, and more.
    let mut wait = None;
    for network in 0x100..=0x100 + 8 * 5 {
        let refused = sign_up(network).await.unwrap_err();
        assert_eq!(refused.is(), (429, "SIGN_UP_THROTTLED"));
        wait = refused.retry_after();
    }
    assert_eq!(rows(&mut sql).await?, before);
    world.hand.advance(wait.unwrap());
    sign_up(100).await?;
    Ok(())
}

#[tokio::test]
async fn one_session_too_many_ends_the_oldest() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let second = login(&world, &ada, &world.network(), None, PASSWORD).await?;
    for _ in 0..98 {
        login(&world, &ada, &world.network(), None, PASSWORD).await?;
    }
    ada.get_me(pb::GetMeRequest {}).await?;
    login(&world, &ada, &world.network(), None, PASSWORD).await?;
    assert_eq!(ada.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(world.refresh(&ada.refresh).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    let second = ada.with(&second.access_token);
    second.get_me(pb::GetMeRequest {}).await?;
    let page = pb::ListSessionsRequest { page_size: Some(200), ..pb::ListSessionsRequest::default() };
    assert_eq!(second.list_sessions(page).await?.sessions.len(), 100);
    Ok(())
}

#[tokio::test]
async fn one_turn_of_the_clean_up_takes_every_failure_that_is_forgotten() -> Result<()> {
    let world = World::new().await?;
    let mut sql = world.sql().await?;
    sqlx::query(
        "INSERT INTO identity.login_throttle (tenant_id, key, failures, blocked_until, expires_at)
         SELECT '00000000-0000-0000-0000-000000000000', sha256(convert_to('flood' || n, 'UTF8')), 1, $1, $1
         FROM generate_series(1, 12000) n ON CONFLICT DO NOTHING",
    )
    .bind(world.clock.now() - std::time::Duration::from_secs(60))
    .execute(&mut sql)
    .await?;
    world.identity.clean_up_slice(&CancellationToken::new()).await?;
    let left: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM identity.login_throttle t JOIN generate_series(1, 12000) n
             ON t.key = sha256(convert_to('flood' || n, 'UTF8'))",
    )
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(left, 0);
    Ok(())
}

#[tokio::test]
async fn turn_by_turn_the_clean_up_comes_to_every_tenant() -> Result<()> {
    let world = World::alone("globcrm_test_identity_turns").await?;
    for _ in 0..30 {
        world.sign_up().await?.logout(pb::LogoutRequest {}).await?;
    }
    world.advance(3);
    let mut sql = world.sql().await?;
    let mut left = Vec::new();
    for _ in 0..3 {
        world.identity.clean_up_slice(&CancellationToken::new()).await?;
        let sessions: i64 =
            sqlx::query_scalar("SELECT count(*) FROM identity.session").fetch_one(&mut sql).await?;
        left.push(sessions);
        if left.len() == 2 {
            world.sign_up().await?.logout(pb::LogoutRequest {}).await?;
            world.advance(3);
        }
    }
    assert_eq!(left, [10, 0, 1], "twenty at a time, and no tenant twice before the others");
    world.identity.clean_up_slice(&CancellationToken::new()).await?;
    let sessions: i64 =
        sqlx::query_scalar("SELECT count(*) FROM identity.session").fetch_one(&mut sql).await?;
    assert_eq!(sessions, 0, "after the last the first is next");
    Ok(())
}
