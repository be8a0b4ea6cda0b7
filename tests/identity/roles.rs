//! Roles.

use anyhow::Result;
use proto::identity::v1 as pb;

use super::world::{World, mask, role};

#[tokio::test]
async fn a_role_comes_back_as_it_was_made() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let mut rep = role("Sales rep", "contact", &["create", "read"], pb::Scope::Own);
    rep.fields.push(pb::FieldRule { object: "contact".into(), field: "custom.budget".into(), access: 1 });
    let made = ada.create_role(rep.clone()).await?;
    assert_eq!(
        (made.version, made.system, &made.permissions, &made.fields),
        (1, false, &rep.permissions, &rep.fields)
    );
    assert_eq!(ada.get_role(pb::GetRoleRequest { id: made.id.clone() }).await?.role.unwrap(), made);
    let names: Vec<String> =
        ada.list_roles(pb::ListRolesRequest::default()).await?.roles.into_iter().map(|r| r.name).collect();
    assert_eq!(names, ["Sales rep", "Administrator"]);
    Ok(())
}

#[tokio::test]
async fn names_are_unique_among_live_roles_and_a_held_role_stays() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let made = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    let again = ada.create_role(role("REP", "contact", &["read"], pb::Scope::Own)).await.unwrap_err();
    assert_eq!(again.is(), (409, "ROLE_NAME_TAKEN"));
    let bob = world.member(&ada, &[&made.id], &[]).await?;
    let delete = || ada.delete_role(pb::DeleteRoleRequest { id: made.id.clone() });
    assert_eq!(delete().await.unwrap_err().is(), (409, "ROLE_IN_USE"));
    ada.change_user(&bob.id, pb::User::default(), &["role_ids"], None).await?;
    delete().await?;
    assert_eq!(delete().await.unwrap_err().is(), (404, "ROLE_NOT_FOUND"));
    ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?;
    Ok(())
}

#[tokio::test]
async fn the_administrators_role_is_not_to_be_touched() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let id = ada.get_me(pb::GetMeRequest {}).await?.role_ids[0].clone();
    let renamed = pb::Role { name: "Root".into(), ..pb::Role::default() };
    let update =
        pb::UpdateRoleRequest { id: id.clone(), role: Some(renamed), update_mask: Some(mask(&["name"])) };
    assert_eq!(ada.update_role(update).await.unwrap_err().is(), (409, "ROLE_IS_SYSTEM"));
    assert_eq!(
        ada.delete_role(pb::DeleteRoleRequest { id }).await.unwrap_err().is(),
        (409, "ROLE_IS_SYSTEM")
    );
    Ok(())
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let wanted = role("Once", "contact", &["read"], pb::Scope::Own);
    let (first, replayed) = ada.create_role_once(wanted.clone(), "key-1").await?;
    assert!(!replayed);
    // Nobody needs to wait between two tries: neither an answer given again nor a refusal leaves the key locked.
    for _ in 0..5 {
        assert_eq!(ada.create_role_once(wanted.clone(), "key-1").await?, (first.clone(), true));
        let other = role("Twice", "contact", &["read"], pb::Scope::Own);
        let refused = ada.create_role_once(other, "key-1").await.unwrap_err();
        assert_eq!(refused.is(), (422, "IDEMPOTENCY_KEY_REUSED"));
    }
    Ok(())
}
