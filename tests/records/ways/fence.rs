//! The cells of the fence: the definitions that the service can have are older than those that another has written by.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, ensure};
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;

use super::{Caller, Refusal, WAITS, Way, World, finished, import, mail, many, named, reason, upload};
use crate::waiting::until;

/// A version that the definitions do not have.
const NEWER: i64 = 1_000;
/// How often the definitions are asked for again before a write is given up.
const TRIES: usize = 3;
const ADDRESS: &str = "known@x.test";

/// The reason by which a write is refused, of which nothing was written; [`WAITS`] where it waits, `none` where it is made.
pub(super) async fn attempt(world: &World, admin: &Caller, way: Way) -> Result<String> {
    let known = pb::Contact { emails: vec![mail(ADDRESS)], ..named("", "Known") };
    let id = admin.create(known).await?.id;
    let company = pb::Company { name: Some("Acme".to_owned()), ..Default::default() };
    let company_id = admin.create_company(company).await?.id;
    let mut sql = world.sql().await?;
    let written = world.count(&mut sql, "change", admin.tenant).await?;
    set_fence(world, admin, NEWER).await?;
    let found = match way {
        Way::Create => reason(admin.create(named("", "New")).await.map(drop)),
        Way::Update => reason(admin.update(&id, named("", "Other"), &["last_name"]).await.map(drop)),
        Way::Link => {
            let link = Some(pb::ContactCompany { company_id, ..Default::default() });
            let request = pb::LinkContactCompanyRequest { contact_id: id, link, ..Default::default() };
            let linked = admin.service.link_contact_company(admin.request(request, &[])).await;
            reason(linked.map(drop).map_err(Refusal::from))
        }
        Way::ImportNew => import_row(world, admin, "new@x.test").await?,
        Way::ImportKnown => import_row(world, admin, ADDRESS).await?,
        Way::Bulk => {
            let request = many::asked("contacts", &id, &serde_json::json!({"last_name": "Other"}));
            batch(world, admin, async || {
                let queued = admin.service.create_bulk_operation(admin.request(request.clone(), &[])).await?;
                Ok(queued.into_inner().operation.unwrap_or_default().id)
            })
            .await?
        }
        Way::Restore => unreachable!("a restore is not checked by the fence"),
    };
    let added = world.count(&mut sql, "change", admin.tenant).await? - written;
    // An operation that had to wait has come to its end meanwhile.
    let expected = i64::from(found == "none" || matches!(way, Way::ImportNew | Way::ImportKnown | Way::Bulk));
    ensure!(added == expected, "{way:?}: {added} changes were written");
    Ok(found)
}

/// Imports one row.
async fn import_row(world: &World, admin: &Caller, address: &str) -> Result<String> {
    let file = upload(world, admin, &format!("Mail,Name\n{address},Imported\n")).await?;
    let request = import(file, &[("Mail", "emails.address"), ("Name", "last_name")]);
    batch(world, admin, async || Ok(admin.queue_import(request.clone()).await?.id)).await
}

/// Queues an operation. A batch has no answer: it waits for its next try, and is done when the definitions are those of the fence.
async fn batch(world: &World, admin: &Caller, queue: impl AsyncFn() -> Result<String>) -> Result<String> {
    let mut sql = world.sql().await?;
    let written = world.count(&mut sql, "change", admin.tenant).await?;
    let asked = world.asked.load(Ordering::SeqCst);
    let id = queue().await?;
    let mut is_written = false;
    until(Duration::from_secs(60), "the batch is refused or done", async || {
        is_written = world.count(&mut sql, "change", admin.tenant).await.is_ok_and(|now| now > written);
        is_written || world.asked.load(Ordering::SeqCst) >= asked + TRIES
    })
    .await;
    let version = world.definitions.lock().unwrap().version;
    set_fence(world, admin, version).await?;
    let operation = finished(admin, &id).await?;
    ensure!(operation.state == i32::from(proto::common::v1::OperationState::Succeeded), "{operation:?}");
    Ok(if is_written { "none" } else { WAITS }.to_owned())
}

/// Sets the version of the fence of the tenant's contacts.
async fn set_fence(world: &World, admin: &Caller, version: i64) -> Result<()> {
    let query = sqlx::query(
        "INSERT INTO records.definitions_fence AS f (tenant_id, object, version, fields)
         VALUES ($1, 'contact', $2, '') ON CONFLICT (tenant_id, object) DO UPDATE SET version = EXCLUDED.version",
    );
    query.bind(admin.tenant.uuid()).bind(version).execute(&mut world.sql().await?).await?;
    // Lets the next try begin at once instead of at the end of the claim.
    let query = sqlx::query(
        "UPDATE records.operation SET claim_until = now() WHERE tenant_id = $1 AND state = 'running'",
    );
    query.bind(admin.tenant.uuid()).execute(&mut world.sql().await?).await?;
    Ok(())
}
