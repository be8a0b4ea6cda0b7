//! Users: invitation, change, disabling.

use anyhow::Result;
use proto::identity::v1 as pb;

use super::world::{PASSWORD, World, mask, role, user};

#[tokio::test]
async fn an_invitation_is_accepted_once_and_in_time() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let made = ada.create_user(user("Bob@Acme.test")).await?;
    assert_eq!((made.email.as_str(), made.state()), ("bob@acme.test", pb::UserState::Invited));
    let token = made.invitation_token.unwrap();
    let shown = ada.get_user(pb::GetUserRequest { id: made.id.clone() }).await?.user.unwrap();
    assert_eq!(shown.invitation_token, None, "the token is in one answer only");
    assert_eq!(
        world.login(&ada.slug, "bob@acme.test", PASSWORD).await.unwrap_err().is(),
        (401, "CREDENTIALS_INVALID")
    );

    let weak = world.accept(&token, "bob@acme.test").await.unwrap_err();
    assert_eq!(weak.violations(), [("/password", "PASSWORD_TOO_WEAK")]);
    world.accept(&token, PASSWORD).await?;
    world.login(&ada.slug, "bob@acme.test", PASSWORD).await?;
    let used = world.accept(&token, PASSWORD).await.unwrap_err();
    assert_eq!(used.is(), (401, "INVITATION_INVALID"));
    assert_eq!(world.accept("giv_nonsense", PASSWORD).await.unwrap_err(), used);

    let late = ada.create_user(user("late@acme.test")).await?.invitation_token.unwrap();
    world.advance(8);
    assert_eq!(world.accept(&late, PASSWORD).await.unwrap_err(), used);
    Ok(())
}

#[tokio::test]
async fn an_address_is_taken_within_its_organisation_only() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let bob = world.member(&ada, &[], &[]).await?;
    let upper = user(&bob.email.to_uppercase());
    assert_eq!(ada.create_user(upper).await.unwrap_err().is(), (409, "EMAIL_TAKEN"));
    eve.create_user(user(&bob.email)).await?;
    Ok(())
}

#[tokio::test]
async fn foreign_and_random_references_are_refused_in_the_same_bytes() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let foreign_role = eve.create_role(role("R", "contact", &["read"], pb::Scope::Own)).await?.id;
    let foreign_team = eve.create_team("T").await?;
    let random = world.clock.new_uuid().to_string();
    let create = |role: &str, team: &str, manager: &str| {
        ada.create_user(pb::User {
            role_ids: vec![role.to_owned()],
            team_ids: vec![team.to_owned()],
            manager_id: Some(manager.to_owned()),
            ..user("bob@acme.test")
        })
    };
    let foreign = create(&foreign_role, &foreign_team, &eve.id).await.unwrap_err();
    assert_eq!(
        foreign.violations(),
        ["/role_ids/0", "/team_ids/0", "/manager_id"].map(|pointer| (pointer, "REFERENCE_NOT_FOUND"))
    );
    assert_eq!(create(&random, &random, &random).await.unwrap_err(), foreign);
    Ok(())
}

#[tokio::test]
async fn nobody_gives_more_than_they_have() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let mut manager = role("Manager", "user", &["create", "read", "update"], pb::Scope::All);
    manager.permissions.push(pb::ObjectPermission {
        object: "role".into(),
        actions: vec!["create".into(), "update".into(), "read".into()],
        scopes: vec![pb::Scope::All.into()],
    });
    let manager = ada.create_role(manager).await?;
    let admin_role = ada.get_me(pb::GetMeRequest {}).await?.role_ids[0].clone();
    let mia = world.member(&ada, &[&manager.id], &[]).await?;

    let roles = |ids: &[&str]| pb::User {
        role_ids: ids.iter().map(|i| (*i).to_owned()).collect(),
        ..pb::User::default()
    };
    let to_self =
        mia.change_user(&mia.id, roles(&[&manager.id, &admin_role]), &["role_ids"], None).await.unwrap_err();
    assert_eq!(to_self.is(), (403, "ROLE_EXCEEDS_CALLER"));
    let invited = pb::User { role_ids: vec![admin_role.clone()], ..user("x@acme.test") };
    assert_eq!(mia.create_user(invited).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    let wide = role("Wide", "contact", &["read"], pb::Scope::Own);
    assert_eq!(mia.create_role(wide.clone()).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    let widened = pb::UpdateRoleRequest {
        id: manager.id.clone(),
        role: Some(wide),
        update_mask: Some(mask(&["permissions"])),
    };
    assert_eq!(mia.update_role(widened).await.unwrap_err().is(), (403, "ROLE_EXCEEDS_CALLER"));
    // What she has she may give.
    let bob = world.member(&mia, &[&manager.id], &[]).await?;
    assert_eq!(bob.get_me(pb::GetMeRequest {}).await?.role_ids, [manager.id]);
    Ok(())
}

#[tokio::test]
async fn a_mask_names_members_and_ignores_those_that_only_the_service_sets() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = ada.create_user(user("bob@acme.test")).await?;
    let named = pb::User { display_name: "Bob".into(), ..pb::User::default() };
    let refused = ada.change_user(&bob.id, named.clone(), &["shoe_size"], None).await.unwrap_err();
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"));
    let changed = ada.change_user(&bob.id, named, &["id", "version", "state", "display_name"], None).await?;
    assert_eq!((changed.version, changed.id, changed.display_name.as_str()), (2, bob.id, "Bob"));
    Ok(())
}

#[tokio::test]
async fn a_change_keeps_what_the_mask_does_not_name_and_refuses_a_stale_version() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let bob = ada.create_user(pb::User { manager_id: Some(ada.id.clone()), ..user("bob@acme.test") }).await?;
    let named = pb::User { display_name: "Bob".into(), ..pb::User::default() };
    let changed = ada.change_user(&bob.id, named.clone(), &["display_name"], Some("\"1\"")).await?;
    assert_eq!(
        (changed.version, changed.display_name.as_str(), changed.manager_id.as_deref()),
        (2, "Bob", Some(ada.id.as_str()))
    );
    let stale = ada.change_user(&bob.id, named.clone(), &["display_name"], Some("\"1\"")).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    let cleared = ada.change_user(&bob.id, pb::User::default(), &["manager_id"], Some("\"2\"")).await?;
    assert_eq!(cleared.manager_id, None);
    let circle = pb::User { manager_id: Some(bob.id.clone()), ..pb::User::default() };
    ada.change_user(&ada.id, circle, &["manager_id"], None).await?;
    let closes = pb::User { manager_id: Some(ada.id.clone()), ..pb::User::default() };
    let refused = ada.change_user(&bob.id, closes, &["manager_id"], None).await.unwrap_err();
    assert_eq!(refused.violations(), [("/manager_id", "REFERENCE_CYCLE")]);
    // Who logs in by an address keeps it.
    let immutable = ada.change_user(&ada.id, user("other@acme.test"), &["email"], None).await.unwrap_err();
    assert_eq!(immutable.violations(), [("/email", "FIELD_IMMUTABLE")]);
    Ok(())
}

#[tokio::test]
async fn the_last_administrator_stays() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let admin_role = ada.get_me(pb::GetMeRequest {}).await?.role_ids[0].clone();
    let bob = world.member(&ada, &[&admin_role], &[]).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    let disabled = ada.disable_user(pb::DisableUserRequest { id: ada.id.clone() }).await.unwrap_err();
    assert_eq!(disabled.is(), (409, "LAST_ADMINISTRATOR"));
    let stripped = ada.change_user(&ada.id, pb::User::default(), &["role_ids"], None).await.unwrap_err();
    assert_eq!(stripped.is(), (409, "LAST_ADMINISTRATOR"));
    ada.get_me(pb::GetMeRequest {}).await?;
    ada.enable_user(pb::EnableUserRequest { id: bob.id.clone() }).await?;
    ada.change_user(&ada.id, pb::User::default(), &["role_ids"], None).await?;
    assert_eq!(
        ada.list_users(pb::ListUsersRequest::default()).await.unwrap_err().is(),
        (403, "PERMISSION_DENIED")
    );
    Ok(())
}

#[tokio::test]
async fn disabling_ends_sessions_and_keys_at_once_and_enabling_does_not_revive_them() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let keeper = ada.create_role(role("Keys", "api_key", &["create"], pb::Scope::Own)).await?;
    let bob = world.member(&ada, &[&keeper.id], &[]).await?;
    let secret = bob.create_key("k", &["api_key.create"]).await?.secret.unwrap();
    let key = bob.with(&world.exchange(&secret).await?.access_token);
    key.get_me(pb::GetMeRequest {}).await?;

    let id = bob.id.clone();
    let off = ada.disable_user(pb::DisableUserRequest { id: id.clone() }).await?.user.unwrap();
    assert_eq!(off.state(), pb::UserState::Disabled);
    for caller in [&bob, &key] {
        assert_eq!(caller.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    }
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    assert_eq!(world.refresh(&bob.refresh).await.unwrap_err().is(), (401, "SESSION_REVOKED"));

    let on = ada.enable_user(pb::EnableUserRequest { id }).await?.user.unwrap();
    assert_eq!(on.state(), pb::UserState::Active);
    assert_eq!(bob.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    world.login(&bob.slug, &bob.email, PASSWORD).await?;
    Ok(())
}

#[tokio::test]
async fn row_rules_hold_for_users_too() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let team = ada.create_team("North").await?;
    let lead = ada.create_role(role("Lead", "user", &["read", "update"], pb::Scope::Team)).await?;
    let own = ada.create_role(role("Own", "user", &["read", "create"], pb::Scope::Own)).await?;
    let lea = world.member(&ada, &[&lead.id], &[&team]).await?;
    let bob = world.member(&ada, &[&own.id], &[&team]).await?;
    let ids = |answer: pb::ListUsersResponse| {
        let mut ids: Vec<String> = answer.users.into_iter().map(|u| u.id).collect();
        ids.sort();
        ids
    };
    let mut both = vec![lea.id.clone(), bob.id.clone()];
    both.sort();
    assert_eq!(ids(lea.list_users(pb::ListUsersRequest::default()).await?), both);
    assert_eq!(ids(bob.list_users(pb::ListUsersRequest::default()).await?), std::slice::from_ref(&bob.id));
    let hidden = lea.get_user(pb::GetUserRequest { id: ada.id.clone() }).await.unwrap_err();
    assert_eq!(hidden.is(), (404, "USER_NOT_FOUND"));
    let id = ada.id.clone();
    assert_eq!(lea.disable_user(pb::DisableUserRequest { id }).await.unwrap_err(), hidden);
    assert_eq!(bob.create_user(user("x@acme.test")).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    Ok(())
}
