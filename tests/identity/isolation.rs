//! Nothing of another organisation is reached, by its ids or past the operations.

use anyhow::Result;
use auth::VerifiedTenant;
use db::TenantTx;
use ids::TenantId;
use proto::identity::v1 as pb;

use super::world::{World, mask, role};

#[tokio::test]
async fn foreign_and_random_ids_answer_the_same() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let team = ada.create_team("North").await?;
    let made = ada.create_role(role("Rep", "contact", &["read"], pb::Scope::Own)).await?.id;
    let random = world.clock.new_uuid().to_string();
    let named = |id: &str| pb::UpdateUserRequest {
        id: id.to_owned(),
        user: Some(pb::User { display_name: "Eve".into(), ..pb::User::default() }),
        update_mask: Some(mask(&["display_name"])),
    };
    for (id, not_found) in [(&ada.id, "USER_NOT_FOUND"), (&random, "USER_NOT_FOUND")] {
        assert_eq!(
            eve.get_user(pb::GetUserRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, not_found)
        );
        assert_eq!(eve.update_user(named(id)).await.unwrap_err().is(), (404, not_found));
        assert_eq!(
            eve.disable_user(pb::DisableUserRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, not_found)
        );
        assert_eq!(
            eve.enable_user(pb::EnableUserRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, not_found)
        );
    }
    for id in [&team, &random] {
        assert_eq!(
            eve.get_team(pb::GetTeamRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, "TEAM_NOT_FOUND")
        );
    }
    for id in [&made, &random] {
        let update = pb::UpdateRoleRequest {
            id: id.clone(),
            role: Some(pb::Role::default()),
            update_mask: Some(mask(&[])),
        };
        assert_eq!(
            eve.get_role(pb::GetRoleRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, "ROLE_NOT_FOUND")
        );
        assert_eq!(eve.update_role(update).await.unwrap_err().is(), (404, "ROLE_NOT_FOUND"));
        assert_eq!(
            eve.delete_role(pb::DeleteRoleRequest { id: id.clone() }).await.unwrap_err().is(),
            (404, "ROLE_NOT_FOUND")
        );
    }
    assert!(eve.list_teams(pb::ListTeamsRequest::default()).await?.teams.is_empty());
    let users = eve.list_users(pb::ListUsersRequest::default()).await?.users;
    assert_eq!(users.iter().map(|u| &u.id).collect::<Vec<_>>(), [&eve.id]);
    Ok(())
}

#[tokio::test]
async fn the_database_shows_another_tenant_nothing_and_takes_nothing_for_it() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let tenant: TenantId = eve.tenant.parse()?;
    let mut tx = TenantTx::begin(&world.db, VerifiedTenant::from_claim(tenant)).await?;
    let foreign = uuid::Uuid::parse_str(&ada.tenant)?;
    let seen: i64 = sqlx::query_scalar("SELECT count(*) FROM identity.app_user WHERE tenant_id = $1")
        .bind(foreign)
        .fetch_one(tx.conn())
        .await?;
    assert_eq!(seen, 0);
    let refused = sqlx::query(
        "INSERT INTO identity.directory (slug, tenant_id, created_at) VALUES ('stolen', $1, now())",
    )
    .bind(foreign)
    .execute(tx.conn())
    .await
    .unwrap_err();
    assert!(refused.to_string().contains("row-level security"), "{refused}");
    Ok(())
}
