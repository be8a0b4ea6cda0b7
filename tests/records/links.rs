//! `If-Match` on links to companies: a link is part of its contact, and the condition is about the contact's version.

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;

use super::world::{Refusal, World, named};

#[tokio::test]
async fn a_link_is_made_changed_and_removed_only_at_the_version_in_if_match() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Zoë", "")).await?.id;
    let company = pb::Company { name: Some("Acme".to_owned()), ..Default::default() };
    let company = admin.create_company(company).await?.id;
    let link = async |condition: &str, role: &str| {
        let link = pb::ContactCompany {
            company_id: company.clone(),
            role: Some(role.to_owned()),
            ..Default::default()
        };
        let request = pb::LinkContactCompanyRequest {
            contact_id: contact.clone(),
            link: Some(link),
            ..Default::default()
        };
        let answer = admin.service.link_contact_company(admin.request(request, &[("if-match", condition)]));
        answer.await.map(drop).map_err(Refusal::from)
    };
    let unlink = async |condition: &str| {
        let request =
            pb::UnlinkContactCompanyRequest { contact_id: contact.clone(), company_id: company.clone() };
        let answer = admin.service.unlink_contact_company(admin.request(request, &[("if-match", condition)]));
        answer.await.map(drop).map_err(Refusal::from)
    };
    let stale = link("\"2\"", "early").await.unwrap_err();
    assert_eq!(
        (stale.is(), stale.problem()["meta"]["version"].clone()),
        ((412, "VERSION_STALE"), "1".into())
    );
    link("\"1\"", "buyer").await?;
    // Somebody else has linked it meanwhile.
    assert_eq!(link("\"1\"", "late").await.unwrap_err().is(), (412, "VERSION_STALE"));
    assert_eq!(unlink("\"1\"").await.unwrap_err().is(), (412, "VERSION_STALE"));
    let list = pb::ListContactCompaniesRequest { contact_id: contact.clone() };
    let links = admin.service.list_contact_companies(admin.request(list, &[])).await?.into_inner().companies;
    assert_eq!(links.iter().map(|l| l.role.as_deref()).collect::<Vec<_>>(), [Some("buyer")]);
    link("*", "user").await?;
    unlink("\"3\"").await?;
    assert_eq!(admin.get(&contact).await?.version, 4);
    Ok(())
}
