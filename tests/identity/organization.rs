//! The settings of an organisation.

use anyhow::Result;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_server::IdentityService;

use super::world::{Caller, Refusal, World, role};

fn to(duplicate_check: Option<bool>, paths: &[&str]) -> pb::UpdateOrganizationRequest {
    pb::UpdateOrganizationRequest {
        organization: Some(pb::Organization { duplicate_check, ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() }),
    }
}

async fn snapshot(caller: &Caller, if_version: i64) -> Result<pb::GetSnapshotResponse> {
    let request = caller.request(pb::GetSnapshotRequest { if_version });
    Ok(caller.service.get_snapshot(request).await?.into_inner())
}

#[tokio::test]
async fn the_check_for_duplicates_is_on_until_it_is_switched_off() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let found = ada.get_organization(pb::GetOrganizationRequest {}).await?.organization.unwrap();
    assert_eq!((found.id.as_str(), found.slug.as_str()), (ada.tenant.as_str(), ada.slug.as_str()));
    assert_eq!((found.version, found.duplicate_check), (1, Some(true)));
    let before = snapshot(&ada, 0).await?;
    assert!(!before.snapshot.unwrap().allows_duplicates);

    let off = ada.update_organization(to(Some(false), &["duplicate_check"])).await?.organization.unwrap();
    assert_eq!((off.version, off.duplicate_check), (2, Some(false)));
    // Who holds the snapshot before asks and gets the new one.
    let after = snapshot(&ada, before.version).await?;
    assert!(after.version > before.version && after.snapshot.unwrap().allows_duplicates);
    // The same again changes nothing; null is the default.
    let same = ada.update_organization(to(Some(false), &["duplicate_check"])).await?.organization.unwrap();
    assert_eq!(same.version, 2);
    let on = ada.update_organization(to(None, &["duplicate_check"])).await?.organization.unwrap();
    assert_eq!((on.version, on.duplicate_check), (3, Some(true)));
    // Another organization has its own.
    let eve = world.sign_up().await?;
    eve.update_organization(to(Some(false), &["duplicate_check"])).await?;
    let mine = ada.get_organization(pb::GetOrganizationRequest {}).await?.organization.unwrap();
    assert_eq!(mine.duplicate_check, Some(true));
    Ok(())
}

#[tokio::test]
async fn an_organization_is_renamed_and_always_has_a_name() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    let rename = |name: &str| pb::UpdateOrganizationRequest {
        organization: Some(pb::Organization { name: name.to_owned(), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".to_owned()] }),
    };
    let renamed = ada.update_organization(rename(" Zweig & Söhne ")).await?.organization.unwrap();
    assert_eq!((renamed.version, renamed.name.as_str()), (2, "Zweig & Söhne"));
    assert_eq!(ada.get_organization(pb::GetOrganizationRequest {}).await?.organization.unwrap(), renamed);
    for wrong in ["", "two\nlines", &"x".repeat(201)] {
        let refused = ada.update_organization(rename(wrong)).await.unwrap_err();
        assert_eq!((refused.is().0, refused.pointers()), (422, vec!["/name"]), "{wrong:?}");
    }
    Ok(())
}

#[tokio::test]
async fn settings_are_changed_by_who_may_and_by_nobody_else() -> Result<()> {
    let world = World::new().await?;
    let ada = world.sign_up().await?;
    for scope in [pb::Scope::Own, pb::Scope::Team] {
        let some =
            ada.create_role(role(&format!("{scope:?}"), "organization", &["read", "update"], scope)).await?;
        let bob = world.member(&ada, &[&some.id], &[]).await?;
        let refused = bob.update_organization(to(Some(false), &["duplicate_check"])).await.unwrap_err();
        assert_eq!(refused.is(), (403, "PERMISSION_DENIED"), "{scope:?}");
        let refused = bob.get_organization(pb::GetOrganizationRequest {}).await.unwrap_err();
        assert_eq!(refused.is(), (403, "PERMISSION_DENIED"), "{scope:?}");
    }
    let reads = ada.create_role(role("Reads", "organization", &["read"], pb::Scope::All)).await?;
    let bob = world.member(&ada, &[&reads.id], &[]).await?;
    bob.get_organization(pb::GetOrganizationRequest {}).await?;
    let refused = bob.update_organization(to(Some(false), &["duplicate_check"])).await.unwrap_err();
    assert_eq!(refused.is(), (403, "PERMISSION_DENIED"));
    // An older version, and what is no setting.
    let mut stale = ada.request(to(Some(false), &["duplicate_check"]));
    stale.metadata_mut().insert("if-match", "\"7\"".parse()?);
    let refused = Refusal::from(ada.service.update_organization(stale).await.unwrap_err());
    assert_eq!(refused.is(), (412, "VERSION_STALE"));
    let refused = ada.update_organization(to(None, &["shoe_size"])).await.unwrap_err();
    assert_eq!(refused.is().0, 422);
    Ok(())
}
