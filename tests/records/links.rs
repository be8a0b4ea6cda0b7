//! A link is part of its contact: `If-Match` is about the contact's version, and who changes one has the contact locked.

use std::time::Duration;

use anyhow::Result;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use sqlx::Connection;
use uuid::Uuid;

use super::forgetting::{MONTH, age};
use super::retention::alone;
use super::world::{Refusal, World, named};
use crate::waiting::until;

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

/// What a purge has read of links before it has their contact is of yesterday when another company is the primary one by then.
#[tokio::test]
async fn a_purge_that_waited_for_a_contact_takes_its_links_as_they_are_by_then() -> Result<()> {
    let world = alone("globcrm_test_links_purged").await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Zoë", "")).await?.id;
    let mut companies = Vec::new();
    for (name, is_primary) in [("Oldest", false), ("Next", false), ("Gone", true)] {
        let company = pb::Company { name: Some(name.to_owned()), ..Default::default() };
        let company_id = admin.create_company(company).await?.id;
        companies.push(company_id.parse::<Uuid>()?);
        let link = pb::ContactCompany { company_id, is_primary: Some(is_primary), ..Default::default() };
        let contact_id = contact.clone();
        let request = pb::LinkContactCompanyRequest { contact_id, link: Some(link), ..Default::default() };
        admin.service.link_contact_company(admin.request(request, &[])).await?;
    }
    let [oldest, next, gone] = companies[..] else { unreachable!() };
    let request = pb::DeleteCompanyRequest { id: gone.to_string() };
    admin.service.delete_company(admin.request(request, &[])).await?;
    let (mut other, mut sql) = (world.sql().await?, world.sql().await?);
    age(&mut sql, admin.tenant, &gone.to_string()).await?;

    // Somebody has the contact, and makes another company its primary one while the purge waits for it.
    let id: Uuid = contact.parse()?;
    let mut held = other.begin().await?;
    sqlx::query("SELECT FROM records.contacts WHERE id = $1 FOR UPDATE").bind(id).execute(&mut *held).await?;
    let purge = world.purge(MONTH)?;
    let change = async {
        until(Duration::from_secs(30), "the purge waits for the contact", async || {
            let query = "SELECT EXISTS (SELECT FROM pg_stat_activity
                         WHERE datname = current_database() AND wait_event_type = 'Lock')";
            sqlx::query_scalar(query).fetch_one(&mut sql).await.expect("sessions can be read")
        })
        .await;
        for (company, is_primary) in [(gone, false), (next, true)] {
            let query = "UPDATE records.contact_company SET is_primary = $3 WHERE contact_id = $1 AND company_id = $2";
            sqlx::query(query).bind(id).bind(company).bind(is_primary).execute(&mut *held).await?;
        }
        held.commit().await?;
        Ok::<_, anyhow::Error>(())
    };
    let (purged, changed) = tokio::join!(purge.round(), change);
    changed?;
    assert_eq!(purged?, 1);
    let mut links: Vec<(Uuid, bool)> =
        sqlx::query_as("SELECT company_id, is_primary FROM records.contact_company WHERE contact_id = $1")
            .bind(id)
            .fetch_all(&mut sql)
            .await?;
    links.sort();
    let mut expected = vec![(oldest, false), (next, true)];
    expected.sort();
    assert_eq!(links, expected);
    // The log says what the link was.
    let logged: serde_json::Value = sqlx::query_scalar(
        "SELECT before FROM records.change WHERE record_id = $1 ORDER BY version DESC LIMIT 1",
    )
    .bind(id)
    .fetch_one(&mut sql)
    .await?;
    assert_eq!(logged["companies"]["is_primary"], false, "{logged}");
    Ok(())
}
