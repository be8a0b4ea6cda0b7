//! A password that leaked, an invitation that ran out.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::Request;

use super::{SLOWED, guess, login};
use crate::identity::world::{Caller, PASSWORD, Refusal, SERVICE_SECRET, World, done, role, user};

const NEXT: &str = "another horse battery staple";

async fn change(caller: &Caller, current: &str, new: &str) -> Result<pb::ChangePasswordResponse, Refusal> {
    let request =
        pb::ChangePasswordRequest { current_password: current.to_owned(), new_password: new.to_owned() };
    caller.change_password(request).await
}

#[tokio::test]
async fn whoever_knew_the_old_password_is_out_when_it_is_changed() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let home = world.network();
    let thief = login(&world, &ada, &world.network(), None, PASSWORD).await?;
    let stolen = ada.with(&thief.access_token);
    stolen.get_me(pb::GetMeRequest {}).await?;
    let device = login(&world, &ada, &home, None, PASSWORD).await?.device_token;

    let fresh = change(&ada, PASSWORD, NEXT).await?.device_token.unwrap();
    assert_eq!(stolen.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(world.refresh(&thief.refresh_token).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    ada.get_me(pb::GetMeRequest {}).await?;
    assert_eq!(ada.list_sessions(pb::ListSessionsRequest::default()).await?.sessions.len(), 1);
    let old = login(&world, &ada, &home, None, PASSWORD).await.unwrap_err();
    assert_eq!(old.is(), (401, "CREDENTIALS_INVALID"));
    // Where somebody was who knew the old one is no longer known; the device that changed it is.
    guess(&world, &ada, 19).await?;
    for from in [thief.device_token, device] {
        let refused = login(&world, &ada, &home, from.as_deref(), NEXT).await.unwrap_err();
        assert_eq!(refused.is(), SLOWED);
    }
    login(&world, &ada, &world.network(), Some(&fresh), NEXT).await?;
    Ok(())
}

#[tokio::test]
async fn a_password_is_changed_by_its_user_who_knows_it_and_not_by_guessing() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    for (new, reason) in [
        ("short", "PASSWORD_TOO_WEAK"),
        ("password123", "PASSWORD_TOO_WEAK"),
        (PASSWORD, "PASSWORD_UNCHANGED"),
        (&ada.email, "PASSWORD_TOO_WEAK"),
    ] {
        let refused = change(&ada, PASSWORD, new).await.unwrap_err();
        assert_eq!(refused.violations(), [("/new_password", reason)], "{new}");
    }
    // Neither a key nor a service that acts for the user.
    let secret = ada.create_key("k", &["*.*"]).await?.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    let request = pb::ExchangeServiceTokenRequest {
        service: "records".to_owned(),
        secret: SERVICE_SECRET.to_owned(),
        tenant_id: ada.tenant.clone(),
        act_for: ada.id.clone(),
    };
    let service = done(world.service.exchange_service_token(Request::new(request)).await)?.access_token;
    for caller in [key, ada.with(&service)] {
        let refused = change(&caller, PASSWORD, NEXT).await.unwrap_err();
        assert_eq!(refused.is(), (403, "SESSION_REQUIRED"));
    }
    for _ in 0..5 {
        assert_eq!(change(&ada, "a guess", NEXT).await.unwrap_err().is(), (403, "CURRENT_PASSWORD_WRONG"));
    }
    assert_eq!(change(&ada, PASSWORD, NEXT).await.unwrap_err().is(), SLOWED);
    // A stolen session does not keep its user from another.
    let other = login(&world, &ada, &world.network(), None, PASSWORD).await?;
    change(&ada.with(&other.access_token), PASSWORD, NEXT).await?;
    Ok(())
}

#[tokio::test]
async fn who_was_invited_is_invited_again_and_the_invitation_before_ends() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let made = ada.create_user(user("bob@acme.test")).await?;
    let first = made.invitation_token.unwrap();
    let resend = |caller: &Caller| {
        let (caller, id) = (caller.clone(), made.id.clone());
        async move { caller.resend_invitation(pb::ResendInvitationRequest { id }).await }
    };
    let second = resend(&ada).await?.user.unwrap();
    assert_eq!((second.version, second.state()), (2, pb::UserState::Invited));
    let second = second.invitation_token.unwrap();
    let ended = world.accept(&first, PASSWORD).await.unwrap_err();
    assert_eq!(ended.is(), (401, "INVITATION_INVALID"));
    world.advance(8);
    assert_eq!(world.accept(&second, PASSWORD).await.unwrap_err(), ended);
    let ada = ada.with(&login(&world, &ada, &world.network(), None, PASSWORD).await?.access_token);
    let third = resend(&ada).await?.user.unwrap().invitation_token.unwrap();
    world.accept(&third, PASSWORD).await?;
    assert_eq!(resend(&ada).await.unwrap_err().is(), (409, "USER_NOT_INVITED"));
    let eve = world.sign_up().await?;
    assert_eq!(resend(&eve).await.unwrap_err().is(), (404, "USER_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn nobody_becomes_somebody_with_more_by_inviting_them_again() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let clerk = ada.create_role(role("Clerk", "user", &["*"], pb::Scope::All)).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let role_ids = ada.get_me(pb::GetMeRequest {}).await?.role_ids;
    let board = ada.create_user(pb::User { role_ids, ..user("chair@acme.test") }).await?;
    let request = pb::ResendInvitationRequest { id: board.id };
    assert_eq!(mia.resend_invitation(request).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    world.accept(&board.invitation_token.unwrap(), PASSWORD).await?;
    let plain = ada.create_user(user("new@acme.test")).await?;
    mia.resend_invitation(pb::ResendInvitationRequest { id: plain.id }).await?;
    Ok(())
}

/// An address that went to the wrong user, or whose user has left, is free for another again; that of somebody who logs in by it
/// is nobody else's to take.
#[tokio::test]
async fn an_address_is_taken_back_from_who_cannot_log_in_and_from_nobody_else() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let at = |email: &str| pb::User { email: email.to_owned(), ..pb::User::default() };
    let put = async |id: &str, email: &str| ada.change_user(id, at(email), &["email"], None).await;
    // Mistyped: the invitation at the wrong address ends.
    let wanted = format!("{}@acme.test", world.word("wanted"));
    let typo = ada.create_user(user(&format!("{}@acme.test", world.word("typo")))).await?;
    assert_eq!(put(&typo.id, &wanted).await?.email, wanted);
    let token = typo.invitation_token.unwrap();
    world.accept(&token, PASSWORD).await.unwrap_err();
    // Left: the address goes to who comes next.
    let bob = world.member(&ada, &[], &[]).await?;
    let refused = put(&bob.id, "other@acme.test").await.unwrap_err();
    assert_eq!(refused.violations(), [("/email", "FIELD_IMMUTABLE")]);
    put(&bob.id, &bob.email).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(put(&bob.id, &wanted).await.unwrap_err().is(), (409, "EMAIL_TAKEN"));
    put(&bob.id, &format!("gone-{}", bob.email)).await?;
    let next = ada.create_user(user(&bob.email)).await?;
    world.accept(&next.invitation_token.unwrap(), "another-long-password").await?;
    world.login(&ada.slug, &bob.email, "another-long-password").await?;
    assert_eq!(put(&bob.id, &bob.email).await.unwrap_err().is(), (409, "EMAIL_TAKEN"));
    // Who does not reach all of a user does not take their address.
    let clerk = role("Clerk", "user", &["read", "update"], pb::Scope::All);
    let clerk = ada.create_role(clerk).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let held = pb::User { role_ids: vec![rep], ..user(&format!("{}@acme.test", world.word("held"))) };
    let held = ada.create_user(held).await?;
    let taken = mia.change_user(&held.id, at("mine@acme.test"), &["email"], None).await;
    assert_eq!(taken.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    Ok(())
}
