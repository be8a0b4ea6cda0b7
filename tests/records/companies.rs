//! Companies, and who belongs to them.

use anyhow::Result;
use proto::common::v1::Money;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;

use super::world::{Caller, Refusal, World, named};

fn company(name: &str) -> pb::Company {
    pb::Company { name: Some(name.to_owned()), ..Default::default() }
}

async fn link(
    caller: &Caller,
    contact: &str,
    company: &str,
    is_primary: bool,
) -> Result<pb::ContactCompany, Refusal> {
    let link = pb::ContactCompany {
        company_id: company.to_owned(),
        is_primary: Some(is_primary),
        ..Default::default()
    };
    let request = pb::LinkContactCompanyRequest {
        contact_id: contact.to_owned(),
        link: Some(link),
        ..Default::default()
    };
    Ok(caller.service.link_contact_company(caller.request(request, &[])).await?.into_inner().link.unwrap())
}

async fn links(caller: &Caller, contact: &str) -> Result<Vec<pb::ContactCompany>, Refusal> {
    let request = pb::ListContactCompaniesRequest { contact_id: contact.to_owned() };
    Ok(caller.service.list_contact_companies(caller.request(request, &[])).await?.into_inner().companies)
}

#[tokio::test]
async fn a_company_comes_back_and_is_found() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let parent = admin.create_company(company("Parent")).await?;
    let made = admin
        .create_company(pb::Company {
            domains: vec!["ACME.example".to_owned()],
            annual_revenue: Some(Money { amount_minor: Some(125_000), currency: Some("EUR".to_owned()) }),
            employee_count: Some(12),
            parent_id: Some(parent.id.clone()),
            ..company("Acme")
        })
        .await?;
    assert_eq!(made.domains, ["acme.example"]);
    for (filter, count) in [
        ("annual_revenue >= \"1250.00 EUR\"", 1),
        ("domains:\"acme.example\"", 1),
        ("name:\"acm\"", 1),
        ("employee_count > 12", 0),
    ] {
        let request = pb::ListCompaniesRequest {
            filter: filter.to_owned(),
            order_by: "name".to_owned(),
            ..Default::default()
        };
        let listed = admin.service.list_companies(admin.request(request, &[])).await;
        match listed {
            Ok(listed) => assert_eq!(listed.into_inner().companies.len(), count, "{filter}"),
            Err(status) => panic!("{filter}: {:?}", Refusal::from(status)),
        }
    }
    let refused =
        admin.create_company(pb::Company { domains: vec!["acme.example".to_owned()], ..company("B") }).await;
    let refused = refused.unwrap_err();
    assert_eq!(
        (refused.is(), refused.problem()["candidates"].clone()),
        ((409, "DUPLICATE_VALUE"), json!([made.id]))
    );
    let own_parent = pb::UpdateCompanyRequest {
        id: made.id.clone(),
        company: Some(pb::Company { parent_id: Some(made.id.clone()), ..Default::default() }),
        update_mask: None,
    };
    let refused =
        Refusal::from(admin.service.update_company(admin.request(own_parent, &[])).await.unwrap_err());
    assert_eq!(refused.violations(), [("/parent_id", "REFERENCE_CYCLE")]);
    let nameless = admin.create_company(pb::Company::default()).await.unwrap_err();
    assert_eq!(nameless.violations(), [("/name", "REQUIRED")]);
    Ok(())
}

#[tokio::test]
async fn a_contact_is_linked_to_companies_and_one_is_primary() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Zoë", "A")).await?;
    let (a, b) = (admin.create_company(company("A")).await?, admin.create_company(company("B")).await?);
    link(&admin, &contact.id, &a.id, true).await?;
    link(&admin, &contact.id, &b.id, true).await?;
    let linked = links(&admin, &contact.id).await?;
    assert_eq!(
        linked.iter().map(|l| (l.company_id.clone(), l.is_primary())).collect::<Vec<_>>(),
        [(b.id.clone(), true), (a.id, false)]
    );
    assert_eq!(admin.get(&contact.id).await?.version, 3, "every link is a change of the contact");
    let foreign = world.admin()?.create_company(company("F")).await?;
    for id in [&foreign.id, &world.clock.new_uuid().to_string()] {
        let refused = link(&admin, &contact.id, id, false).await.unwrap_err();
        assert_eq!(refused.violations(), [("/company_id", "REFERENCE_NOT_FOUND")]);
    }
    let unlink = |company: &str| pb::UnlinkContactCompanyRequest {
        contact_id: contact.id.clone(),
        company_id: company.to_owned(),
    };
    admin.service.unlink_contact_company(admin.request(unlink(&b.id), &[])).await?;
    // The other becomes the primary one.
    assert_eq!(links(&admin, &contact.id).await?.iter().map(|l| l.is_primary()).collect::<Vec<_>>(), [true]);
    let again = admin.service.unlink_contact_company(admin.request(unlink(&b.id), &[])).await.unwrap_err();
    assert_eq!(Refusal::from(again).http(), 404);
    Ok(())
}
