//! Giving and taking what one does not have.

mod oracle;
mod sequences;

use anyhow::Result;
use proto::identity::v1 as pb;

use crate::identity::world::{Caller, PASSWORD, Refusal, World, mask, role, user};

/// Permissions of a role, each with its scope.
fn roles(name: &str, parts: &[(&str, &[&str], pb::Scope)]) -> pb::Role {
    let permissions =
        parts.iter().flat_map(|(object, actions, scope)| role("", object, actions, *scope).permissions);
    pb::Role { name: name.to_owned(), permissions: permissions.collect(), ..pb::Role::default() }
}

fn teams(ids: &[&str]) -> pb::User {
    pb::User { team_ids: ids.iter().map(|i| (*i).to_owned()).collect(), ..pb::User::default() }
}

fn holds(ids: &[&str]) -> pb::User {
    pb::User { role_ids: ids.iter().map(|i| (*i).to_owned()).collect(), ..pb::User::default() }
}

async fn put(caller: &Caller, id: &str, change: pb::User, path: &str) -> Result<pb::User, Refusal> {
    caller.change_user(id, change, &[path], None).await
}

async fn administrators_role(ada: &Caller) -> Result<String> {
    Ok(ada.get_me(pb::GetMeRequest {}).await?.role_ids[0].clone())
}

const TEAM: (u16, &str) = (403, "TEAM_EXCEEDS_CALLER");
const ROLE: (u16, &str) = (403, "ROLE_EXCEEDS_CALLER");

#[tokio::test]
async fn nobody_puts_themselves_into_a_team() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let (north, board) = (ada.create_team("North").await?, ada.create_team("Board").await?);
    for scope in [pb::Scope::Own, pb::Scope::Team, pb::Scope::All] {
        let rep = roles(
            &format!("{scope:?}"),
            &[("contact", &["read"], pb::Scope::Team), ("user", &["read", "update"], scope)],
        );
        let rep = ada.create_role(rep).await?.id;
        let bob = world.member(&ada, &[&rep], &[&north]).await?;
        for wanted in [&[north.as_str(), board.as_str()][..], &[&board], &[]] {
            let refused = put(&bob, &bob.id, teams(wanted), "team_ids").await.unwrap_err();
            assert_eq!(refused.is(), TEAM, "{scope:?} {wanted:?}");
        }
        assert_eq!(bob.snapshot().await?.team_ids, std::slice::from_ref(&north));
        // What is harmless stays one's own to change.
        let named = pb::User { display_name: "Bob".into(), ..teams(&[&north]) };
        bob.change_user(&bob.id, named, &["display_name", "team_ids"], None).await?;
    }
    Ok(())
}

#[tokio::test]
async fn nobody_with_the_right_over_teams_joins_one_whose_records_they_do_not_reach() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let board = ada.create_team("Board").await?;
    let keeper = [("user", &["create", "update"][..], pb::Scope::All), ("team", &["update"], pb::Scope::All)];
    let plain = ada.create_role(roles("Keeper", &keeper)).await?.id;
    let reader = [("contact", &["read"][..], pb::Scope::Team)];
    let reader = ada.create_role(roles("Reader", &reader)).await?.id;
    let mia = world.member(&ada, &[&plain, &reader], &[]).await?;
    assert_eq!(put(&mia, &mia.id, teams(&[&board]), "team_ids").await.unwrap_err().is(), TEAM);
    // An accomplice who would reach the team's contacts, already there or new.
    let bob = world.member(&ada, &[&reader], &[]).await?;
    assert_eq!(put(&mia, &bob.id, teams(&[&board]), "team_ids").await.unwrap_err().is(), TEAM);
    let invited = pb::User { role_ids: vec![reader.clone()], ..teams(&[&board]) };
    let invited = pb::User { email: "x@acme.test".into(), display_name: "X".into(), ..invited };
    assert_eq!(mia.create_user(invited.clone()).await.unwrap_err().is(), TEAM);
    // In two steps, role first or team first.
    let one = mia.create_user(pb::User { role_ids: vec![], ..invited }).await?;
    assert_eq!(put(&mia, &one.id, holds(&[&reader]), "role_ids").await.unwrap_err().is(), TEAM);
    // Without a permission that teams widen, the right over teams is enough.
    let cal = world.member(&ada, &[], &[]).await?;
    put(&mia, &cal.id, teams(&[&board]), "team_ids").await?;
    Ok(())
}

#[tokio::test]
async fn nobody_puts_an_accomplice_beside_oneself() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let (north, board) = (ada.create_team("North").await?, ada.create_team("Board").await?);
    let lead = roles(
        "Lead",
        &[("contact", &["read"], pb::Scope::Team), ("user", &["create", "read", "update"], pb::Scope::Team)],
    );
    let lead = ada.create_role(lead).await?.id;
    let lea = world.member(&ada, &[&lead], &[&north]).await?;
    let invited = |ids: &[&str]| pb::User {
        role_ids: vec![lead.clone()],
        team_ids: teams(ids).team_ids,
        ..user("x@acme.test")
    };
    assert_eq!(lea.create_user(invited(&[&north, &board])).await.unwrap_err().is(), TEAM);
    let made = lea.create_user(invited(&[&north])).await?;
    assert_eq!(put(&lea, &made.id, teams(&[&north, &board]), "team_ids").await.unwrap_err().is(), TEAM);
    // Of somebody who is in a team besides, nothing is changed.
    let both = world.member(&ada, &[&lead], &[&north, &board]).await?;
    assert_eq!(put(&lea, &both.id, teams(&[&north]), "team_ids").await.unwrap_err().is(), TEAM);
    assert_eq!(put(&lea, &both.id, holds(&[]), "role_ids").await.unwrap_err().is(), TEAM);
    assert_eq!(
        lea.disable_user(pb::DisableUserRequest { id: both.id.clone() }).await.unwrap_err().is(),
        TEAM
    );
    // The lead's own people are the lead's to manage.
    put(&lea, &made.id, holds(&[]), "role_ids").await?;
    put(&lea, &made.id, holds(&[&lead]), "role_ids").await?;
    lea.disable_user(pb::DisableUserRequest { id: made.id.clone() }).await?;
    lea.enable_user(pb::EnableUserRequest { id: made.id }).await?;
    Ok(())
}

#[tokio::test]
async fn nobody_draws_a_persons_records_into_their_own_team() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let (mine, board) = (ada.create_team("Mine").await?, ada.create_team("Board").await?);
    let clerk = roles(
        "Clerk",
        &[
            ("contact", &["read"], pb::Scope::Team),
            ("user", &["read", "update"], pb::Scope::All),
            ("team", &["update"], pb::Scope::All),
        ],
    );
    let clerk = ada.create_role(clerk).await?.id;
    let mia = world.member(&ada, &[&clerk], &[&mine]).await?;
    // Without roles, but an owner of records.
    let vip = world.member(&ada, &[], &[]).await?;
    assert_eq!(put(&mia, &vip.id, teams(&[&mine]), "team_ids").await.unwrap_err().is(), TEAM);
    // The same for an accomplice's team: his role reads what Mia's does not.
    let spy = ada.create_role(role("Spy", "company", &["read"], pb::Scope::Team)).await?.id;
    world.member(&ada, &[&spy], &[&board]).await?;
    assert_eq!(put(&mia, &vip.id, teams(&[&board]), "team_ids").await.unwrap_err().is(), TEAM);
    put(&ada, &vip.id, teams(&[&board]), "team_ids").await?;
    // Nor are they taken from the eyes of those who have them.
    assert_eq!(put(&mia, &vip.id, teams(&[]), "team_ids").await.unwrap_err().is(), TEAM);
    Ok(())
}

fn with_field(role: pb::Role, field: &str, access: pb::FieldAccess) -> pb::Role {
    let rule = pb::FieldRule { object: "contact".into(), field: field.into(), access: access.into() };
    pb::Role { fields: vec![rule], ..role }
}

/// Whoever sees less of a record than a team's members do shows them nothing by a membership: no field, in no way of hiding it.
#[tokio::test]
async fn a_membership_shows_no_field_that_the_caller_does_not_see() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let clerk = roles(
        "Clerk",
        &[
            ("contact", &["*"], pb::Scope::All),
            ("user", &["read", "update"], pb::Scope::All),
            ("team", &["update"], pb::Scope::All),
        ],
    );
    let reader = || role("", "contact", &["read"], pb::Scope::Team);
    let own = || role("", "contact", &["update"], pb::Scope::Own);
    let named = |role: pb::Role, name: &str| pb::Role { name: name.into(), ..role };
    let mut refused = 0;
    for (n, (hides, shown, shows)) in [
        (pb::FieldAccess::None, vec![reader()], true),
        (pb::FieldAccess::None, vec![with_field(reader(), "phones", pb::FieldAccess::Read)], true),
        (pb::FieldAccess::Read, vec![reader()], true),
        // By another of the member's roles, which reaches none of the team's records itself.
        (pb::FieldAccess::None, vec![with_field(reader(), "phones", pb::FieldAccess::None), own()], true),
        (pb::FieldAccess::None, vec![with_field(reader(), "phones", pb::FieldAccess::None)], false),
        (pb::FieldAccess::Read, vec![with_field(reader(), "phones", pb::FieldAccess::Read)], false),
        (pb::FieldAccess::None, vec![own()], false),
    ]
    .into_iter()
    .enumerate()
    {
        let held = with_field(named(clerk.clone(), &format!("Clerk {n}")), "phones", hides);
        let mia = world.member(&ada, &[&ada.create_role(held).await?.id], &[]).await?;
        let board = ada.create_team(&format!("Board {n}")).await?;
        let mut ids = Vec::new();
        for (i, role) in shown.into_iter().enumerate() {
            ids.push(ada.create_role(named(role, &format!("Shown {n} {i}"))).await?.id);
        }
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        world.member(&ada, &ids, &[&board]).await?;
        let vip = world.member(&ada, &[], &[]).await?;
        let joins = put(&mia, &vip.id, teams(&[&board]), "team_ids").await;
        if shows {
            assert_eq!(joins.unwrap_err().is(), TEAM, "{n}");
            // Nor herself, nor is it taken from those who have it.
            assert_eq!(put(&mia, &mia.id, teams(&[&board]), "team_ids").await.unwrap_err().is(), TEAM, "{n}");
            put(&ada, &vip.id, teams(&[&board]), "team_ids").await?;
            assert_eq!(put(&mia, &vip.id, teams(&[]), "team_ids").await.unwrap_err().is(), TEAM, "{n}");
            refused += 1;
        } else {
            joins?;
        }
    }
    assert_eq!(refused, 4);
    Ok(())
}

/// An invitation given again hands over the invited user whole, with the records they own already.
#[tokio::test]
async fn nobody_is_handed_over_whose_records_lie_beyond_the_caller() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let north = ada.create_team("North").await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let seeing =
        with_field(role("Seeing", "contact", &["read"], pb::Scope::Own), "phones", pb::FieldAccess::Edit);
    let seeing = ada.create_role(seeing).await?.id;
    let inviter = |name: &str, scope| {
        roles(name, &[("contact", &["read"], scope), ("user", &["create", "read"], pb::Scope::All)])
    };
    let again = |who: &Caller, id: &str| {
        let (who, id) = (who.clone(), id.to_owned());
        async move { who.resend_invitation(pb::ResendInvitationRequest { id }).await }
    };
    let own = ada.create_role(inviter("Own", pb::Scope::Own)).await?.id;
    let team = ada.create_role(inviter("Team", pb::Scope::Team)).await?.id;
    let all = ada.create_role(inviter("All", pb::Scope::All)).await?.id;
    let hidden = with_field(inviter("Hidden", pb::Scope::All), "phones", pb::FieldAccess::None);
    let hidden = ada.create_role(hidden).await?.id;
    let (own, team) =
        (world.member(&ada, &[&own], &[&north]).await?, world.member(&ada, &[&team], &[&north]).await?);
    let (all, hidden) = (world.member(&ada, &[&all], &[]).await?, world.member(&ada, &[&hidden], &[]).await?);
    let invited = |email: &str, ids: &[&str], teams_of: &[&str]| pb::User {
        team_ids: teams(teams_of).team_ids,
        role_ids: holds(ids).role_ids,
        ..user(email)
    };
    let apart = ada.create_user(invited("apart@acme.test", &[&rep], &[])).await?.id;
    let beside = ada.create_user(invited("beside@acme.test", &[&rep], &[&north])).await?.id;
    let sees = ada.create_user(invited("sees@acme.test", &[&seeing], &[])).await?.id;
    assert_eq!(again(&own, &apart).await.unwrap_err().is(), ROLE);
    assert_eq!(again(&own, &beside).await.unwrap_err().is(), ROLE);
    assert_eq!(again(&team, &apart).await.unwrap_err().is(), ROLE);
    again(&team, &beside).await?;
    again(&all, &apart).await?;
    assert_eq!(again(&hidden, &sees).await.unwrap_err().is(), ROLE);
    again(&all, &sees).await?;
    Ok(())
}

/// A key has its own scopes and not its owner's: it names a manager for the owner only with the right over all users.
#[tokio::test]
async fn a_key_names_no_manager_for_its_owner_without_the_right_over_all() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let managed = |id: &str| pb::User { manager_id: Some(id.to_owned()), ..pb::User::default() };
    let denied = (403, "MANAGER_EXCEEDS_CALLER");
    for (scope, named) in [(pb::Scope::Own, false), (pb::Scope::Team, false), (pb::Scope::All, true)] {
        let update = roles(
            &format!("Update {scope:?}"),
            &[("user", &["read", "update"], scope), ("api_key", &["create"], pb::Scope::Own)],
        );
        let update = ada.create_role(update).await?.id;
        let bob = world.member(&ada, &[&update], &[]).await?;
        let secret =
            bob.create_key("k", &["user.read", "user.update", "api_key.create"]).await?.secret.unwrap();
        let key = bob.with(&world.exchange(&secret).await?.access_token);
        for caller in [&bob, &key] {
            let result = put(caller, &bob.id, managed(&ada.id), "manager_id").await;
            if named {
                result?;
                put(caller, &bob.id, pb::User::default(), "manager_id").await?;
            } else {
                assert_eq!(result.unwrap_err().is(), denied, "{scope:?}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn who_may_change_users_takes_nothing_from_those_who_have_more() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let admin = administrators_role(&ada).await?;
    let clerk = roles(
        "Clerk",
        &[
            ("user", &["*"], pb::Scope::All),
            ("role", &["*"], pb::Scope::All),
            ("team", &["*"], pb::Scope::All),
        ],
    );
    let clerk = ada.create_role(clerk).await?.id;
    let mia = world.member(&ada, &[&clerk], &[]).await?;
    let second = world.member(&ada, &[&admin], &[]).await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    let bob = world.member(&ada, &[&rep.id], &[]).await?;
    for target in [&second, &bob] {
        let named = pb::User { display_name: "Nobody".into(), ..pb::User::default() };
        let managed = pb::User { manager_id: Some(mia.id.clone()), ..pb::User::default() };
        for (change, path) in [
            (holds(&[]), "role_ids"),
            (holds(&[&clerk]), "role_ids"),
            (named, "display_name"),
            (managed, "manager_id"),
        ] {
            assert_eq!(put(&mia, &target.id, change, path).await.unwrap_err().is(), ROLE, "{path}");
        }
        let id = target.id.clone();
        assert_eq!(mia.disable_user(pb::DisableUserRequest { id: id.clone() }).await.unwrap_err().is(), ROLE);
        ada.disable_user(pb::DisableUserRequest { id: id.clone() }).await?;
        assert_eq!(mia.enable_user(pb::EnableUserRequest { id: id.clone() }).await.unwrap_err().is(), ROLE);
        ada.enable_user(pb::EnableUserRequest { id }).await?;
    }
    // Whom she does not exceed she may change, and undo what she did.
    let cal = world.member(&ada, &[&clerk], &[]).await?;
    put(&mia, &cal.id, holds(&[]), "role_ids").await?;
    put(&mia, &cal.id, holds(&[&clerk]), "role_ids").await?;
    mia.disable_user(pb::DisableUserRequest { id: cal.id.clone() }).await?;
    mia.enable_user(pb::EnableUserRequest { id: cal.id.clone() }).await?;
    Ok(())
}

#[tokio::test]
async fn a_role_that_exceeds_the_caller_is_neither_emptied_nor_renamed_nor_deleted() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let keeper = ada.create_role(role("Keeper", "role", &["*"], pb::Scope::All)).await?.id;
    let mia = world.member(&ada, &[&keeper], &[]).await?;
    let rep = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let update = |caller: &Caller, id: &str, to: pb::Role, path: &str| {
        let request =
            pb::UpdateRoleRequest { id: id.to_owned(), role: Some(to), update_mask: Some(mask(&[path])) };
        let caller = caller.clone();
        async move { caller.update_role(request).await }
    };
    let hiding = pb::FieldRule { object: "contact".into(), field: "score".into(), access: 1 };
    let hiding = pb::Role { fields: vec![hiding], ..pb::Role::default() };
    for (to, path) in [
        (pb::Role::default(), "permissions"),
        (pb::Role { name: "Reps".into(), ..pb::Role::default() }, "name"),
        (hiding, "fields"),
    ] {
        assert_eq!(update(&mia, &rep, to, path).await.unwrap_err().is(), ROLE, "{path}");
    }
    assert_eq!(mia.delete_role(pb::DeleteRoleRequest { id: rep.clone() }).await.unwrap_err().is(), ROLE);

    // A scope means another's teams where another holds the role.
    let (north, board) = (ada.create_team("North").await?, ada.create_team("Board").await?);
    let lead = roles("Lead", &[("contact", &["read"], pb::Scope::Team), ("role", &["*"], pb::Scope::All)]);
    let lead = ada.create_role(lead).await?.id;
    let lea = world.member(&ada, &[&lead], &[&north]).await?;
    let held = ada.create_role(role("Held", "contact", &["read"], pb::Scope::Own)).await?.id;
    world.member(&ada, &[&held], &[&board]).await?;
    let wider = role("", "contact", &["read"], pb::Scope::Team);
    assert_eq!(update(&lea, &held, wider.clone(), "permissions").await.unwrap_err().is(), TEAM);
    update(&ada, &held, wider, "permissions").await?;
    assert_eq!(update(&lea, &held, pb::Role::default(), "permissions").await.unwrap_err().is(), TEAM);
    // Where nobody beyond her holds it, she may.
    let free = lea.create_role(role("Free", "contact", &["read"], pb::Scope::Team)).await?.id;
    world.member(&ada, &[&free], &[&north]).await?;
    update(&lea, &free, role("", "contact", &["read"], pb::Scope::Own), "permissions").await?;
    Ok(())
}

#[tokio::test]
async fn nobody_names_their_own_manager_or_shuts_their_owner_out() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let own = roles(
        "Own",
        &[("user", &["read", "update"], pb::Scope::Own), ("api_key", &["create"], pb::Scope::Own)],
    );
    let own = ada.create_role(own).await?.id;
    let bob = world.member(&ada, &[&own], &[]).await?;
    let managed = pb::User { manager_id: Some(ada.id.clone()), ..pb::User::default() };
    assert_eq!(
        put(&bob, &bob.id, managed, "manager_id").await.unwrap_err().is(),
        (403, "MANAGER_EXCEEDS_CALLER")
    );
    // A key has less than its owner: it does not strip or disable them.
    let secret = bob.create_key("k", &["user.update"]).await?.secret.unwrap();
    let key = bob.with(&world.exchange(&secret).await?.access_token);
    assert_eq!(put(&key, &bob.id, holds(&[]), "role_ids").await.unwrap_err().is(), ROLE);
    assert_eq!(key.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await.unwrap_err().is(), ROLE);
    let named = pb::User { display_name: "Bob".into(), ..pb::User::default() };
    put(&key, &bob.id, named, "display_name").await?;
    // Whoever wants to may give up what they have.
    put(&bob, &bob.id, holds(&[]), "role_ids").await?;
    Ok(())
}

#[tokio::test]
async fn nobody_puts_a_team_under_one_that_their_right_does_not_reach() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let (north, board) = (ada.create_team("North").await?, ada.create_team("Board").await?);
    let maker = ada.create_role(role("Maker", "team", &["create"], pb::Scope::Team)).await?.id;
    let mia = world.member(&ada, &[&maker], &[&north]).await?;
    mia.create_team_under(&north).await?;
    let refused = mia.create_team_under(&board).await.unwrap_err();
    assert_eq!(refused.violations(), [("/parent_id", "REFERENCE_NOT_FOUND")]);
    assert_eq!(mia.create_team_under(&world.clock.new_uuid().to_string()).await.unwrap_err(), refused);
    ada.create_team_under(&board).await?;
    Ok(())
}

#[tokio::test]
async fn an_administrator_still_does_all_of_it() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let admin = administrators_role(&ada).await?;
    let (north, board) = (ada.create_team("North").await?, ada.create_team("Board").await?);
    let rep = ada.create_role(role("Rep", "contact", &["*"], pb::Scope::Team)).await?.id;
    let bob = world.member(&ada, &[&admin, &rep], &[&north]).await?;
    let all = pb::User { role_ids: vec![rep.clone()], manager_id: Some(ada.id.clone()), ..teams(&[&board]) };
    ada.change_user(&bob.id, all, &["role_ids", "team_ids", "manager_id"], None).await?;
    put(&ada, &ada.id, teams(&[&board, &north]), "team_ids").await?;
    put(&ada, &ada.id, teams(&[]), "team_ids").await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    ada.enable_user(pb::EnableUserRequest { id: bob.id.clone() }).await?;
    let emptied = pb::UpdateRoleRequest {
        id: rep.clone(),
        role: Some(pb::Role::default()),
        update_mask: Some(mask(&["permissions"])),
    };
    ada.update_role(emptied).await?;
    put(&ada, &bob.id, holds(&[]), "role_ids").await?;
    ada.delete_role(pb::DeleteRoleRequest { id: rep }).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_makes_no_keys_and_dies_with_its_owner() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let all =
        ["api_key.create", "api_key.delete", "api_key.read", "session.read", "session.delete", "user.read"];
    let secret = ada.create_key("parent", &all).await?.secret.unwrap();
    let key = ada.with(&world.exchange(&secret).await?.access_token);
    let denied = (403, "SESSION_REQUIRED");
    assert_eq!(key.create_key("child", &["user.read"]).await.unwrap_err().is(), denied);
    let other = ada.create_key("other", &["user.read"]).await?;
    let delete = pb::DeleteApiKeyRequest { id: other.id };
    assert_eq!(key.delete_api_key(delete.clone()).await.unwrap_err().is(), denied);
    let session = ada.list_sessions(pb::ListSessionsRequest::default()).await?.sessions.remove(0).id;
    assert_eq!(key.delete_session(pb::DeleteSessionRequest { id: session }).await.unwrap_err().is(), denied);
    key.list_api_keys(pb::ListApiKeysRequest::default()).await?;
    // Nor does it become somebody: it invites, and does not get what opens the account.
    let secret = ada.create_key("inviter", &["user.create"]).await?.secret.unwrap();
    let inviter = ada.with(&world.exchange(&secret).await?.access_token);
    let invited = inviter.create_user(user("invited@acme.test")).await?;
    assert_eq!(invited.invitation_token, None);
    let again = pb::ResendInvitationRequest { id: invited.id };
    assert_eq!(inviter.resend_invitation(again.clone()).await.unwrap_err().is(), denied);
    let token = ada.resend_invitation(again).await?.user.unwrap().invitation_token.unwrap();
    world.accept(&token, PASSWORD).await?;
    ada.delete_api_key(delete).await?;

    // A key ends with its owner, and does not come back with them.
    let admin = administrators_role(&ada).await?;
    let bob = world.member(&ada, &[&admin], &[]).await?;
    let secret = bob.create_key("k", &["user.read"]).await?.secret.unwrap();
    let key = bob.with(&world.exchange(&secret).await?.access_token);
    key.list_users(pb::ListUsersRequest::default()).await?;
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    assert_eq!(key.get_me(pb::GetMeRequest {}).await.unwrap_err().is(), (401, "SESSION_REVOKED"));
    ada.enable_user(pb::EnableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(world.exchange(&secret).await.unwrap_err().is(), (401, "API_KEY_INVALID"));
    world.login(&bob.slug, &bob.email, PASSWORD).await?;
    Ok(())
}
