//! Invitations whose answer was lost, that ran out, or whose user was shut out meanwhile.

use anyhow::Result;
use proto::identity::v1 as pb;

use super::world::{PASSWORD, World, role, user};

const INVALID: (u16, &str) = (401, "INVITATION_INVALID");

#[tokio::test]
async fn whoever_invites_an_invited_address_again_gets_a_new_token_and_the_old_one_ends() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let first = ada.create_user(user("bob@acme.test")).await?;
    let second = ada.create_user(user("Bob@ACME.test")).await?;
    assert_eq!((&second.id, second.version, second.state()), (&first.id, 2, pb::UserState::Invited));
    let ended = world.accept(&first.invitation_token.unwrap(), PASSWORD).await.unwrap_err();
    assert_eq!(ended.is(), INVALID);
    // Also when the first one has run out.
    world.advance(8);
    let ada = ada.with(&world.login(&ada.slug, &ada.email, PASSWORD).await?.access_token);
    assert_eq!(world.accept(&second.invitation_token.unwrap(), PASSWORD).await.unwrap_err(), ended);
    let team = ada.create_team("North").await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let wanted = pb::User {
        display_name: "Robert".to_owned(),
        role_ids: vec![rep.clone()],
        team_ids: vec![team.clone()],
        manager_id: Some(ada.id.clone()),
        ..user("bob@acme.test")
    };
    let third = ada.create_user(wanted).await?;
    assert_eq!((&third.id, third.display_name.as_str()), (&first.id, "Robert"));
    assert_eq!(
        (third.role_ids, third.team_ids, third.manager_id),
        (vec![rep], vec![team], Some(ada.id.clone()))
    );
    world.accept(&third.invitation_token.unwrap(), PASSWORD).await?;
    let shown = ada.get_user(pb::GetUserRequest { id: first.id }).await?.user.unwrap();
    assert_eq!((shown.display_name.as_str(), shown.state()), ("Robert", pb::UserState::Active));
    // Who has accepted has the address.
    assert_eq!(ada.create_user(user("bob@acme.test")).await.unwrap_err().is(), (409, "EMAIL_TAKEN"));
    Ok(())
}

#[tokio::test]
async fn only_whoever_could_have_done_it_otherwise_invites_again_by_address() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let clerk = ada.create_role(role("Clerk", "user", &["create", "read"], pb::Scope::All)).await?.id;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let taken = (409, "EMAIL_TAKEN");

    // A change of the user needs the permission for that; the same once more does not.
    let first = mia.create_user(user("bob@acme.test")).await?.invitation_token.unwrap();
    let renamed = pb::User { display_name: "Robert".to_owned(), ..user("bob@acme.test") };
    assert_eq!(mia.create_user(renamed).await.unwrap_err().is(), taken);
    let second = mia.create_user(user("bob@acme.test")).await?.invitation_token.unwrap();
    assert_eq!(world.accept(&first, PASSWORD).await.unwrap_err().is(), INVALID);
    world.accept(&second, PASSWORD).await?;

    // Whom the caller does not reach is not handed over.
    let held = pb::User { role_ids: vec![rep], ..user("held@acme.test") };
    let token = ada.create_user(held.clone()).await?.invitation_token.unwrap();
    assert_eq!(mia.create_user(held).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    assert_eq!(mia.create_user(user("held@acme.test")).await.unwrap_err().is(), taken);
    // A key gets no token, so it ends none.
    let secret = ada.create_key("k", &["user.create"]).await?.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    assert_eq!(key.create_user(user("held@acme.test")).await.unwrap_err().is(), taken);
    world.accept(&token, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn a_manager_of_somebody_invited_is_not_made_their_own_by_inviting_again() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = ada.create_user(user("bob@acme.test")).await?;
    let under = pb::User { manager_id: Some(bob.id.clone()), ..user("eve@acme.test") };
    let eve = ada.create_user(under).await?;
    let circle = pb::User { manager_id: Some(eve.id), ..user("bob@acme.test") };
    let refused = ada.create_user(circle).await.unwrap_err();
    assert_eq!(refused.violations(), [("/manager_id", "REFERENCE_CYCLE")]);
    Ok(())
}

#[tokio::test]
async fn an_invitation_ends_when_its_user_is_shut_out_and_does_not_live_again() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let made = ada.create_user(user("bob@acme.test")).await?;
    let token = made.invitation_token.unwrap();
    let id = made.id;
    ada.disable_user(pb::DisableUserRequest { id: id.clone() }).await?;
    assert_eq!(world.accept(&token, PASSWORD).await.unwrap_err().is(), INVALID);
    let on = ada.enable_user(pb::EnableUserRequest { id: id.clone() }).await?.user.unwrap();
    assert_eq!(on.state(), pb::UserState::Invited);
    assert_eq!(world.accept(&token, PASSWORD).await.unwrap_err().is(), INVALID);
    let again = ada.resend_invitation(pb::ResendInvitationRequest { id }).await?.user.unwrap();
    world.accept(&again.invitation_token.unwrap(), PASSWORD).await?;
    Ok(())
}

/// Whoever made the token still knows it when others make its user powerful.
#[tokio::test]
async fn an_invitation_opens_no_more_than_whoever_made_it_reaches() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let admins = ada.get_me(pb::GetMeRequest {}).await?.role_ids;
    let clerk = ada.create_role(role("Clerk", "user", &["create", "read"], pb::Scope::All)).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let bob = mia.create_user(user("bob@acme.test")).await?;
    let token = bob.invitation_token.unwrap();
    ada.change_user(&bob.id, pb::User { role_ids: admins, ..pb::User::default() }, &["role_ids"], None)
        .await?;
    assert_eq!(world.accept(&token, PASSWORD).await.unwrap_err().is(), INVALID);
    // One who was shut out keeps no way in either.
    let joe = mia.create_user(user("joe@acme.test")).await?.invitation_token.unwrap();
    ada.disable_user(pb::DisableUserRequest { id: mia.id.clone() }).await?;
    assert_eq!(world.accept(&joe, PASSWORD).await.unwrap_err().is(), INVALID);
    let id = bob.id;
    let again = ada.resend_invitation(pb::ResendInvitationRequest { id }).await?.user.unwrap();
    world.accept(&again.invitation_token.unwrap(), PASSWORD).await?;
    Ok(())
}

/// Whoever may invite nobody any more opens no account by an invitation of theirs.
#[tokio::test]
async fn an_invitation_is_good_while_whoever_made_it_may_still_invite() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let clerk = ada.create_role(role("Clerk", "user", &["create", "read"], pb::Scope::All)).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let token = mia.create_user(user("bob@acme.test")).await?.invitation_token.unwrap();
    let narrowed = pb::UpdateRoleRequest {
        id: clerk.clone(),
        role: Some(role("Clerk", "user", &["read", "update"], pb::Scope::All)),
        update_mask: Some(super::world::mask(&["permissions"])),
    };
    ada.update_role(narrowed).await?;
    assert_eq!(world.accept(&token, PASSWORD).await.unwrap_err().is(), INVALID);
    let widened = pb::UpdateRoleRequest {
        id: clerk,
        role: Some(role("Clerk", "user", &["create"], pb::Scope::All)),
        update_mask: Some(super::world::mask(&["permissions"])),
    };
    ada.update_role(widened).await?;
    world.accept(&token, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn an_invitation_by_a_key_ends_with_the_key() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let clerk = ada.create_role(role("Clerk", "user", &["*"], pb::Scope::All)).await?.id;
    let keys = ada.create_role(role("Keys", "api_key", &["*"], pb::Scope::Own)).await?.id;
    let mia = world.member(&ada, &[&clerk, &keys], &[]).await?;
    let mut tokens = Vec::new();
    let makers = [
        ("live", &ada, "user.create"),
        ("revoked", &ada, "user.create"),
        ("narrow", &ada, "contact.create"),
        ("of-mia", &mia, "user.create"),
    ];
    let mut sql = world.sql().await?;
    for (name, owner, scope) in makers {
        let made = ada.create_user(user(&format!("{name}@acme.test"))).await?;
        let key = owner.create_key(name, &[scope]).await?;
        // A key is shown no token; whoever passes one on for it, by mail one day, has this one.
        sqlx::query("UPDATE identity.invitation SET created_by = $3 WHERE tenant_id = $1 AND user_id = $2")
            .bind(uuid::Uuid::parse_str(&ada.tenant)?)
            .bind(uuid::Uuid::parse_str(&made.id)?)
            .bind(uuid::Uuid::parse_str(&key.id)?)
            .execute(&mut sql)
            .await?;
        tokens.push((name, made.invitation_token.unwrap(), key.id));
    }
    ada.delete_api_key(pb::DeleteApiKeyRequest { id: tokens[1].2.clone() }).await?;
    ada.disable_user(pb::DisableUserRequest { id: mia.id.clone() }).await?;
    for (name, token, _) in &tokens[1..] {
        assert_eq!(world.accept(token, PASSWORD).await.map(drop).unwrap_err().is(), INVALID, "{name}");
    }
    world.accept(&tokens[0].1, PASSWORD).await?;
    Ok(())
}
