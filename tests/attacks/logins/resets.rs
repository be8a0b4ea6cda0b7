//! The token by which a user sets a new password: it opens an account, so who makes one, who uses it, and how often?

use anyhow::Result;
use futures_util::future::join_all;
use proto::identity::v1 as pb;

use super::{SLOWED, WRONG};
use crate::identity::world::{Caller, PASSWORD, World, role, user};

const NEXT: &str = "another horse battery staple";
const INVALID: (u16, &str) = (401, "PASSWORD_RESET_INVALID");

#[tokio::test]
async fn a_reset_sets_the_password_once_and_ends_every_session() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = world.member(&ada, &[], &[]).await?;
    let other = bob.with(&world.login(&bob.slug, &bob.email, PASSWORD).await?.access_token);
    let token = ada.make_reset(&bob.id).await?;
    // Until it is used, everything is as it was.
    bob.get_me(pb::GetMeRequest {}).await?;
    let weak = world.reset(&token, "password123").await.unwrap_err();
    assert_eq!(weak.violations(), [("/password", "PASSWORD_TOO_WEAK")]);
    let own = world.reset(&token, &bob.email).await.unwrap_err();
    assert_eq!(own.violations(), [("/password", "PASSWORD_TOO_WEAK")]);
    world.reset(&token, NEXT).await?;
    for caller in [&bob, &other] {
        assert_eq!(caller.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    }
    assert_eq!(world.refresh(&bob.refresh).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(world.login(&bob.slug, &bob.email, PASSWORD).await.unwrap_err().is(), WRONG);
    world.login(&bob.slug, &bob.email, NEXT).await?;
    assert_eq!(world.reset(&token, "a third one, long enough").await.unwrap_err().is(), INVALID);
    world.login(&bob.slug, &bob.email, NEXT).await?;
    Ok(())
}

#[tokio::test]
async fn a_reset_ends_with_its_time_with_the_next_one_and_with_what_makes_it_needless() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = world.member(&ada, &[], &[]).await?;
    let first = ada.make_reset(&bob.id).await?;
    let second = ada.make_reset(&bob.id).await?;
    assert_eq!(world.reset(&first, NEXT).await.unwrap_err().is(), INVALID);
    // The user remembers the password after all.
    let change = pb::ChangePasswordRequest {
        current_password: PASSWORD.to_owned(),
        new_password: "remembered, and changed".to_owned(),
    };
    bob.change_password(change).await?;
    assert_eq!(world.reset(&second, NEXT).await.unwrap_err().is(), INVALID);
    // The user is shut out, and let in again.
    let third = ada.make_reset(&bob.id).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(world.reset(&third, NEXT).await.unwrap_err().is(), INVALID);
    assert_eq!(ada.make_reset(&bob.id).await.unwrap_err().is(), (409, "USER_NOT_ACTIVE"));
    ada.enable_user(pb::EnableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(world.reset(&third, NEXT).await.unwrap_err().is(), INVALID);
    let last = ada.make_reset(&bob.id).await?;
    world.advance(1);
    assert_eq!(world.reset(&last, NEXT).await.unwrap_err().is(), INVALID);
    for other in ["", "gpr_", "gpr_nonsense", &last.replace("gpr_", "giv_"), &last[..last.len() - 1]] {
        assert_eq!(world.reset(other, NEXT).await.unwrap_err().is(), INVALID, "{other}");
    }
    let invited = ada.with(&world.login(&ada.slug, &ada.email, PASSWORD).await?.access_token);
    let id = invited.create_user(user("eve@acme.test")).await?.id;
    assert_eq!(invited.make_reset(&id).await.unwrap_err().is(), (409, "USER_NOT_ACTIVE"));
    Ok(())
}

#[tokio::test]
async fn only_whoever_reaches_all_of_a_user_makes_a_reset() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let clerk = ada.create_role(role("Clerk", "user", &["*"], pb::Scope::All)).await?.id;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let bob = world.member(&ada, &[&rep], &[]).await?;
    let plain = world.member(&ada, &[], &[]).await?;
    for target in [&ada.id, &bob.id] {
        assert_eq!(mia.make_reset(target).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    }
    let token = mia.make_reset(&plain.id).await?;
    world.reset(&token, NEXT).await?;
    // Without the permission, from outside, and where nobody is.
    assert_eq!(bob.make_reset(&plain.id).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    let foreign = eve.make_reset(&bob.id).await.unwrap_err();
    assert_eq!(foreign.is(), (404, "USER_NOT_FOUND"));
    assert_eq!(eve.make_reset(&world.clock.new_uuid().to_string()).await.unwrap_err(), foreign);
    // Nobody's own: a stolen session would need no password to keep the account.
    for own in [&ada, &mia] {
        assert_eq!(own.make_reset(&own.id).await.unwrap_err().is(), (403, "OWN_PASSWORD_RESET"));
    }
    // A key gets none: it would outlive the key.
    let secret = ada.create_key("k", &["*.*"]).await?.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    assert_eq!(key.make_reset(&bob.id).await.unwrap_err().is(), (403, "SESSION_REQUIRED"));
    Ok(())
}

/// Whoever made the token still knows it when others make its user powerful, or take their own power.
#[tokio::test]
async fn a_reset_opens_no_more_than_whoever_made_it_reaches_when_it_is_used() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let admins = ada.get_me(pb::GetMeRequest {}).await?.role_ids;
    let clerk = ada.create_role(role("Clerk", "user", &["*"], pb::Scope::All)).await?.id;
    let [promoted, widened, left, lost] = {
        let mut tokens = Vec::new();
        for _ in 0..4 {
            let mia = world.member(&ada, &[&clerk], &[]).await?;
            let held =
                ada.create_role(role(&world.word("Held"), "user", &["read"], pb::Scope::Own)).await?.id;
            let bob = world.member(&ada, &[&held], &[]).await?;
            let token = mia.make_reset(&bob.id).await?;
            tokens.push((mia, bob, held, token));
        }
        <[_; 4]>::try_from(tokens).map_err(|_| anyhow::anyhow!("four"))?
    };
    let roles = |ids: &[String]| pb::User { role_ids: ids.to_vec(), ..pb::User::default() };
    ada.change_user(&promoted.1.id, roles(&admins), &["role_ids"], None).await?;
    let wide = pb::UpdateRoleRequest {
        id: widened.2.clone(),
        role: Some(role("Wide", "contact", &["read"], pb::Scope::All)),
        update_mask: Some(crate::identity::world::mask(&["permissions"])),
    };
    ada.update_role(wide).await?;
    ada.disable_user(pb::DisableUserRequest { id: left.0.id.clone() }).await?;
    ada.change_user(&lost.0.id, roles(&[]), &["role_ids"], None).await?;
    for (what, (_, bob, _, token)) in
        [("promoted", promoted), ("widened", widened), ("left", left), ("lost", lost)]
    {
        assert_eq!(world.reset(&token, NEXT).await.unwrap_err().is(), INVALID, "{what}");
        world.login(&bob.slug, &bob.email, PASSWORD).await?;
    }
    Ok(())
}

#[tokio::test]
async fn of_many_uses_at_once_one_sets_the_password() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = world.member(&ada, &[], &[]).await?;
    let token = ada.make_reset(&bob.id).await?;
    let words: Vec<String> = (0..6).map(|n| format!("the password number {n} of many")).collect();
    let answers = join_all(words.iter().map(|word| world.reset(&token, word))).await;
    let set: Vec<&String> =
        words.iter().zip(&answers).filter(|(_, a)| a.is_ok()).map(|(word, _)| word).collect();
    assert_eq!(set.len(), 1, "{answers:?}");
    for refused in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        assert!(refused.is() == INVALID || refused.is() == (503, "LOGIN_BUSY"), "{refused}");
    }
    world.login(&bob.slug, &bob.email, set[0]).await?;
    Ok(())
}

/// Whoever may not make one any more does not use the one that they made either.
#[tokio::test]
async fn a_reset_is_good_while_whoever_made_it_may_still_make_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let north = ada.create_team("North").await?;
    let clerk = ada.create_role(role("Clerk", "user", &["*"], pb::Scope::All)).await?.id;
    let lead = ada.create_role(role("Lead", "user", &["read", "update"], pb::Scope::Team)).await?.id;
    let (mia, leo) =
        (world.member(&ada, &[&clerk], &[]).await?, world.member(&ada, &[&lead], &[&north]).await?);
    // Without roles: whoever may do it reaches all of them.
    let (bob, eve) = (world.member(&ada, &[], &[]).await?, world.member(&ada, &[], &[&north]).await?);
    let kept = world.member(&ada, &[], &[&north]).await?;
    let (of_mia, of_leo) = (mia.make_reset(&bob.id).await?, leo.make_reset(&eve.id).await?);
    let good = leo.make_reset(&kept.id).await?;
    let narrowed = pb::UpdateRoleRequest {
        id: clerk,
        role: Some(role("Clerk", "user", &["read", "create"], pb::Scope::All)),
        update_mask: Some(crate::identity::world::mask(&["permissions"])),
    };
    ada.update_role(narrowed).await?;
    ada.change_user(&eve.id, pb::User::default(), &["team_ids"], None).await?;
    for (token, user) in [(&of_mia, &bob), (&of_leo, &eve)] {
        assert_eq!(world.reset(token, NEXT).await.unwrap_err().is(), INVALID);
        world.login(&user.slug, &user.email, PASSWORD).await?;
    }
    world.reset(&good, NEXT).await?;
    Ok(())
}

#[tokio::test]
async fn a_reset_is_not_found_by_guessing_and_stored_as_a_hash() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = world.member(&ada, &[], &[]).await?;
    let token = ada.make_reset(&bob.id).await?;
    let (front, secret) = token.rsplit_once('.').expect("three parts");
    let guess = format!("{front}.{}", secret.chars().rev().collect::<String>());
    for _ in 0..5 {
        assert_eq!(world.reset(&guess, NEXT).await.unwrap_err().is(), INVALID);
    }
    assert_eq!(world.reset(&token, NEXT).await.unwrap_err().is(), SLOWED);
    let mut sql = world.sql().await?;
    let stored: String = sqlx::query_scalar(
        "SELECT concat(r::text, (SELECT string_agg(concat(a.before, a.after), '') FROM identity.audit_log a
                                 WHERE a.tenant_id = r.tenant_id))
         FROM identity.password_reset r WHERE r.tenant_id = $1",
    )
    .bind(uuid::Uuid::parse_str(&ada.tenant)?)
    .fetch_one(&mut sql)
    .await?;
    assert!(!stored.contains(secret) && !stored.contains(&token), "{stored}");
    Ok(())
}

/// What the audit log and the events say: who made it and that it was used, in the right name.
#[tokio::test]
async fn a_reset_is_in_the_audit_log_twice() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob: Caller = world.member(&ada, &[], &[]).await?;
    let token = ada.make_reset(&bob.id).await?;
    world.reset(&token, NEXT).await?;
    let mut sql = world.sql().await?;
    let rows: Vec<(String, uuid::Uuid)> = sqlx::query_as(
        "SELECT action, actor_id FROM identity.audit_log
         WHERE tenant_id = $1 AND record_id = $2 AND action LIKE '%reset%' ORDER BY sequence",
    )
    .bind(uuid::Uuid::parse_str(&ada.tenant)?)
    .bind(uuid::Uuid::parse_str(&bob.id)?)
    .fetch_all(&mut sql)
    .await?;
    let wanted =
        [("identity.user.create_password_reset", &ada.id), ("identity.user.reset_password", &bob.id)];
    let wanted = wanted.map(|(action, actor)| (action.to_owned(), uuid::Uuid::parse_str(actor).unwrap()));
    assert_eq!(rows, wanted);
    Ok(())
}
