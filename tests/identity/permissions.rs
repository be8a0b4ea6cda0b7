//! Snapshots, their versions, and the calls of services.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;
use tonic::Request;

use super::world::{Caller, GATEWAY_SECRET, PREVIOUS_SECRET, SERVICE_SECRET, World, done, mask, role};

#[tokio::test]
async fn every_change_that_touches_a_principal_raises_its_version_and_a_narrowing_the_fence() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let rep = ada.create_role(role("Rep", "contact", &["read", "update"], pb::Scope::Own)).await?;
    let team = ada.create_team("North").await?;
    let bob = world.member(&ada, &[&rep.id], &[]).await?;
    let mut last = bob.snapshot().await?.version;
    let same = bob.get_snapshot(pb::GetSnapshotRequest { if_version: last }).await?;
    assert_eq!((same.snapshot, same.version), (None, last));
    assert!(same.lease_until.is_some());

    let roles = |ids: &[&String]| pb::User {
        role_ids: ids.iter().map(|i| (*i).clone()).collect(),
        ..pb::User::default()
    };
    ada.change_user(&bob.id, roles(&[]), &["role_ids"], None).await?;
    let none = bob.snapshot().await?;
    assert!(none.version > last && none.objects.is_empty());
    last = none.version;
    ada.change_user(&bob.id, roles(&[&rep.id]), &["role_ids"], None).await?;
    let again = bob.snapshot().await?;
    assert!(again.version > last && again.objects.len() == 1);
    last = again.version;
    let narrowed = pb::UpdateRoleRequest {
        id: rep.id.clone(),
        role: Some(role("", "contact", &["read"], pb::Scope::Own)),
        update_mask: Some(mask(&["permissions"])),
    };
    ada.update_role(narrowed).await?;
    let narrow = bob.snapshot().await?;
    assert!(narrow.version > last && narrow.objects[0].actions.len() == 1);
    last = narrow.version;
    let teams = pb::User { team_ids: vec![team], ..pb::User::default() };
    ada.change_user(&ada.id, teams.clone(), &["team_ids"], None).await?;
    ada.change_user(&bob.id, teams, &["team_ids"], None).await?;
    let member = bob.snapshot().await?;
    let mut both = vec![ada.id.clone(), bob.id.clone()];
    both.sort();
    assert_eq!((member.team_member_ids, member.team_ids.len()), (both, 1));

    let mut sql = world.sql().await?;
    let tenant = uuid::Uuid::parse_str(&ada.tenant)?;
    let fences: Vec<i64> =
        sqlx::query_scalar("SELECT min_version FROM identity.authz_fence WHERE tenant_id = $1")
            .bind(tenant)
            .fetch_all(&mut sql)
            .await?;
    assert_eq!(fences.iter().max(), Some(&last), "the last narrowing was that of the role");
    let events: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM identity.outbox WHERE tenant_id = $1 AND type = 'identity.permissions.changed.v1' AND version > $2",
    )
    .bind(tenant)
    .bind(last)
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(events, 2, "one for each change of teams");
    Ok(())
}

#[tokio::test]
async fn a_service_acts_with_the_current_permissions_of_a_live_principal_only() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let exchange = |service: &str, secret: &str, tenant: &str, act_for: &str| {
        let request = pb::ExchangeServiceTokenRequest {
            service: service.to_owned(),
            secret: secret.to_owned(),
            tenant_id: tenant.to_owned(),
            act_for: act_for.to_owned(),
        };
        let service = world.service.clone();
        async move { done(service.exchange_service_token(Request::new(request)).await) }
    };
    let bob = world.member(&ada, &[], &[]).await?;
    let token = exchange("records", SERVICE_SECRET, &ada.tenant, &bob.id).await?.access_token;
    let service = ada.with(&token);
    assert_eq!(service.snapshot().await?.owner_id, bob.id);
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(service.snapshot().await.unwrap_err().is(), (401, "SESSION_REVOKED"));

    // While secrets are exchanged, the one before is good as well.
    exchange("records", PREVIOUS_SECRET, &ada.tenant, &ada.id).await?;
    // Whoever has the gateway's secret is the gateway, and nobody's deputy.
    let refused = exchange("gateway", GATEWAY_SECRET, &ada.tenant, &ada.id).await.unwrap_err();
    assert_eq!(refused.is(), (403, "SERVICE_NOT_ACTING"));

    for (service, secret) in [("records", "wrong"), ("fields", SERVICE_SECRET), ("", "")] {
        let refused = exchange(service, secret, &ada.tenant, &ada.id).await.unwrap_err();
        assert_eq!(refused.is(), (401, "SERVICE_SECRET_INVALID"));
    }
    for (tenant, principal) in [(&ada.tenant, &bob.id), (&ada.tenant, &eve.id), (&eve.tenant, &ada.id)] {
        let refused = exchange("records", SERVICE_SECRET, tenant, principal).await.unwrap_err();
        assert_eq!(refused.is(), (401, "SESSION_REVOKED"));
    }
    Ok(())
}

#[tokio::test]
async fn a_service_is_known_by_a_secret_of_its_own() -> Result<()> {
    let world = World::new().await?;
    let exchange = |service: &str, secret: &str| {
        let (service, secret) = (service.to_owned(), secret.to_owned());
        let request = Request::new(pb::ExchangeServiceSecretRequest { service, secret });
        let service = world.service.clone();
        async move { done(service.exchange_service_secret(request).await) }
    };
    let now = exchange("records", SERVICE_SECRET).await?;
    assert!(now.expires_in <= 300 && !now.service_token.is_empty());
    assert_ne!(exchange("gateway", GATEWAY_SECRET).await?.service_token, now.service_token);
    exchange("records", PREVIOUS_SECRET).await?;
    // It is nobody's access token.
    let ada = world.sign_up().await?;
    assert_eq!(ada.with(&now.service_token).snapshot().await.unwrap_err().is(), (401, "TOKEN_INVALID"));
    let short = &SERVICE_SECRET[1..];
    for (service, secret) in [
        ("records", "wrong"),
        ("records", GATEWAY_SECRET),
        ("gateway", SERVICE_SECRET),
        ("fields", SERVICE_SECRET),
        ("records", short),
        ("records", ""),
        ("", ""),
    ] {
        let refused = exchange(service, secret).await.unwrap_err();
        assert_eq!(refused.is(), (401, "SERVICE_SECRET_INVALID"), "{service}");
    }
    Ok(())
}

#[tokio::test]
async fn references_are_checked_within_the_tenant() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let (team, foreign) = (ada.create_team("North").await?, eve.create_team("North").await?);
    let answer = ada
        .check_references(pb::CheckReferencesRequest {
            user_ids: vec![ada.id.clone(), eve.id.clone(), "nonsense".into()],
            team_ids: vec![foreign.clone(), team],
            ..Default::default()
        })
        .await?;
    assert_eq!(
        (answer.unknown_user_ids, answer.unknown_team_ids),
        (vec![eve.id.clone(), "nonsense".into()], vec![foreign])
    );
    Ok(())
}

#[tokio::test]
async fn users_are_found_by_address_within_the_tenant_unless_they_are_disabled() -> Result<()> {
    let world = World::new().await?;
    let (ada, eve) = (world.sign_up().await?, world.sign_up().await?);
    let bob = world.member(&ada, &[], &[]).await?;
    let address = async |who: &Caller, id: &str| {
        let request = pb::GetUserRequest { id: id.to_owned() };
        Ok::<_, anyhow::Error>(who.get_user(request).await?.user.unwrap_or_default().email)
    };
    let (own, bobs, eves) =
        (address(&ada, &ada.id).await?, address(&ada, &bob.id).await?, address(&eve, &eve.id).await?);
    let found = async || {
        let user_emails = vec![own.clone(), bobs.clone(), eves.clone(), "nobody@x.test".to_owned()];
        let request = pb::CheckReferencesRequest { user_emails, ..Default::default() };
        Ok::<_, anyhow::Error>(ada.check_references(request).await?.user_ids_by_email)
    };
    let both = [(own.clone(), ada.id.clone()), (bobs.clone(), bob.id.clone())];
    assert_eq!(found().await?, both.clone().into());
    ada.disable_user(pb::DisableUserRequest { id: bob.id.clone() }).await?;
    assert_eq!(found().await?, both[..1].iter().cloned().collect());
    Ok(())
}

#[tokio::test]
async fn an_instance_that_holds_old_permissions_cannot_write_with_them() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let mut maker = role("Maker", "role", &["create"], pb::Scope::Own);
    maker.permissions.push(role("", "contact", &["read"], pb::Scope::Own).permissions.remove(0));
    let maker = ada.create_role(maker).await?;
    let bob = world.member(&ada, &[&maker.id], &[]).await?;
    let elsewhere = bob.at(&world.twin()?);
    elsewhere.create_role(role("One", "contact", &["read"], pb::Scope::Own)).await?;
    ada.change_user(&bob.id, pb::User::default(), &["role_ids"], None).await?;
    let refused = elsewhere.create_role(role("Two", "contact", &["read"], pb::Scope::Own)).await.unwrap_err();
    assert_eq!(refused.is(), (409, "PERMISSIONS_CHANGED"));
    let refused = bob.create_role(role("Two", "contact", &["read"], pb::Scope::Own)).await.unwrap_err();
    assert_eq!(refused.is(), (403, "PERMISSION_DENIED"));
    Ok(())
}
