//! C3: what is derived of a record is written by definitions that are current, whoever writes and whatever they hold.

mod repair;

use std::time::Duration;

use anyhow::Result;
use proto::common::v1 as common;
use proto::fields::v1 as fields;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::{blocked, until_blocked};
use crate::records::imports::{finished, import, upload};
use crate::records::world::{Caller, World, custom, custom_of, mail, named};
use crate::waiting::{outcome, until};
use crate::world::definitions;

const LONG: Duration = Duration::from_secs(60);

/// A field that did not exist a moment ago: indexed (num_05), unique if wanted.
fn make_field(world: &World, unique: bool) {
    let late = definitions::field(200, "late", fields::FieldType::Integer, "num_05");
    let late = fields::FieldProjection { unique, ..late };
    definitions::add(&mut world.definitions.lock().unwrap(), [late]);
}

/// The ids that a filter finds, asked by an instance that holds nothing.
async fn found(world: &World, caller: &Caller, filter: &str) -> Result<Vec<String>> {
    let request = pb::ListContactsRequest { filter: filter.to_owned(), ..Default::default() };
    let page = caller.at(&world.instance()?).list(request).await?;
    Ok(page.contacts.into_iter().map(|contact| contact.id).collect())
}

/// An instance that holds the definitions of now, and goes on holding them.
async fn stale(world: &World, caller: &Caller) -> Result<Caller> {
    let stale = caller.at(&world.instance()?);
    stale.list(pb::ListContactsRequest::default()).await?;
    Ok(stale)
}

/// So many calls wait for a lock.
async fn waiting(sql: &mut PgConnection, calls: i64) {
    until(LONG, "calls wait for a lock", async || {
        blocked(&mut *sql, "").await.expect("activity can be read") >= calls
    })
    .await;
}

async fn without_fence(sql: &mut PgConnection) -> Result<()> {
    sqlx::query("DELETE FROM records.definitions_fence").execute(sql).await?;
    Ok(())
}

/// The review's case: while the batch of an import is at work, a field is made and a value of it written.
#[tokio::test]
async fn a_value_that_is_written_while_an_import_runs_is_found() -> Result<()> {
    for has_fence in [true, false] {
        let world = World::alone("globcrm_test_definitions_import").await?;
        let admin = world.admin()?;
        let (mut ids, mut file) = (Vec::new(), "Mail,Title\n".to_owned());
        for n in 0..3 {
            let address = format!("p{n}@x.test");
            file.push_str(&format!("{address},CTO\n"));
            ids.push(admin.create(pb::Contact { emails: vec![mail(&address)], ..named("P", "Q") }).await?.id);
        }
        let mut sql = world.sql().await?;
        if !has_fence {
            without_fence(&mut sql).await?;
        }
        let request = import(
            upload(&world, &admin, &file).await?,
            &[("Mail", "emails.address"), ("Title", "job_title")],
        );
        let operation = admin.queue_import(request).await?.id;
        // The batch stops at the second contact.
        let mut held = world.tx(admin.tenant).await?;
        sqlx::query("SELECT FROM records.contacts WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
            .bind(held.tenant_id())
            .bind(Uuid::parse_str(&ids[1])?)
            .execute(held.conn())
            .await?;
        let worker = world.instance()?.work_imports(CancellationToken::new());
        let attack = async {
            // The batch has written the first contact and waits for the second.
            until_blocked(&mut sql, "FOR UPDATE OF t").await;
            make_field(&world, false);
            let (writer, last) = (admin.at(&world.instance()?), ids[2].clone());
            let write =
                tokio::spawn(
                    async move { writer.update(&last, custom(&json!({"late": 7})), &["custom"]).await },
                );
            // The fence's row is held by writers that are in the midst of their work.
            until(LONG, "the value is written or waits", async || {
                write.is_finished() || blocked(&mut sql, "definitions_fence").await.is_ok_and(|n| n > 0)
            })
            .await;
            held.rollback().await?;
            // Who has waited for the batch long enough is asked to try again.
            match write.await? {
                Err(refused) if refused.is() == (409, "DEFINITIONS_CHANGED") => {
                    let writer = admin.at(&world.instance()?);
                    outcome(LONG, "the value is written", async || {
                        writer.update(&ids[2], custom(&json!({"late": 7})), &["custom"]).await
                    })
                    .await;
                }
                written => drop(written?),
            }
            Ok::<_, anyhow::Error>(finished(&admin, &operation).await?)
        };
        let operation = tokio::select! {
            () = worker => unreachable!(),
            operation = attack => operation?,
        };
        assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{operation:?}");
        assert_eq!(operation.result.unwrap().updated, 3);
        let last = admin.get(&ids[2]).await?;
        assert_eq!((custom_of(&last), last.job_title.as_deref()), (json!({"late": 7}), Some("CTO")));
        assert_eq!(found(&world, &admin, "custom.late = 7").await?, [ids[2].clone()]);
    }
    Ok(())
}

/// What an instance with an old set may do to a contact of another: nothing of it loses a value.
#[tokio::test]
async fn writes_by_an_instance_with_old_definitions_lose_no_slot_and_no_unique_value() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_stale").await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Ada", "L")).await?.id;
    let company = pb::Company { name: Some("Acme".to_owned()), ..Default::default() };
    let company = admin.create_company(company).await?.id;
    // One instance for each write: one that was told once would be so for all.
    let mut instances = Vec::new();
    for _ in 0..6 {
        instances.push(stale(&world, &admin).await?);
    }
    make_field(&world, true);
    let fresh = admin.at(&world.instance()?);
    fresh.update(&contact, custom(&json!({"late": 7})), &["custom"]).await?;
    let still_there = async || -> Result<()> {
        assert_eq!(found(&world, &admin, "custom.late = 7").await?, std::slice::from_ref(&contact));
        let again = fresh.create(pb::Contact { first_name: Some("B".into()), ..custom(&json!({"late": 7})) });
        assert_eq!(again.await.unwrap_err().is(), (409, "DUPLICATE_VALUE"));
        Ok(())
    };
    still_there().await?;
    let [patch, unique, linking, unlinking, trash, import_] = instances.as_slice() else { unreachable!() };

    let title = pb::Contact { job_title: Some("CTO".to_owned()), ..Default::default() };
    patch.update(&contact, title, &["job_title"]).await?;
    still_there().await?;

    unique.update(&contact, custom(&json!({"serial": "S-1"})), &["custom"]).await?;
    still_there().await?;

    let link =
        pb::ContactCompany { company_id: company.clone(), is_primary: Some(true), ..Default::default() };
    let request =
        pb::LinkContactCompanyRequest { contact_id: contact.clone(), link: Some(link), ..Default::default() };
    linking.service.link_contact_company(linking.request(request, &[])).await?;
    still_there().await?;

    let request = pb::UnlinkContactCompanyRequest { contact_id: contact.clone(), company_id: company };
    unlinking.service.unlink_contact_company(unlinking.request(request, &[])).await?;
    still_there().await?;

    trash.delete(&contact, &[]).await?;
    trash.restore(&contact).await?;
    still_there().await?;

    let address = pb::Contact { emails: vec![mail("ada@x.test")], ..Default::default() };
    fresh.update(&contact, address, &["emails"]).await?;
    let file = upload(&world, &admin, "Mail,Title\nada@x.test,CEO\n").await?;
    let request = import(file, &[("Mail", "emails.address"), ("Title", "job_title")]);
    let operation = admin.queue_import(request).await?.id;
    let operation = tokio::select! {
        () = import_.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &operation) => operation?,
    };
    assert_eq!(operation.result.unwrap().updated, 1);
    still_there().await
}

/// What is made by old definitions has the new ones' defaults and slots, also when nobody has ever raised the fence.
#[tokio::test]
async fn a_contact_made_by_an_instance_with_old_definitions_is_made_by_the_new_ones() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_create").await?;
    let admin = world.admin()?;
    let old = stale(&world, &admin).await?;
    make_field(&world, false);
    world.definitions.lock().unwrap().fields.last_mut().unwrap().default = b"5".to_vec().into();
    // Somebody writes by the new definitions: from now on nothing is written by older ones.
    admin.at(&world.instance()?).create(named("A", "A")).await?;
    let made = old.create(named("B", "B")).await?;
    assert_eq!(custom_of(&made), json!({"late": 5}));
    assert_eq!(found(&world, &admin, "custom.late = 5").await?.len(), 2);
    Ok(())
}

/// The very first write of a tenant, by definitions that are old by the time it commits: who raises the fence waits for it.
#[tokio::test]
async fn the_first_writer_of_all_is_waited_for_or_judged_anew() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_first").await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Ada", "L")).await?.id;
    let mut sql = world.sql().await?;
    without_fence(&mut sql).await?;
    let old = stale(&world, &admin).await?;
    let mut held = world.tx(admin.tenant).await?;
    sqlx::query("SELECT FROM records.contacts WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
        .bind(held.tenant_id())
        .bind(Uuid::parse_str(&contact)?)
        .execute(held.conn())
        .await?;
    make_field(&world, false);
    let (new, id) = (admin.at(&world.instance()?), contact.clone());
    let quick = tokio::spawn(async move { new.update(&id, custom(&json!({"late": 7})), &["custom"]).await });
    waiting(&mut sql, 1).await;
    // The old writer queues behind the new one, and has its definitions already.
    let id = contact.clone();
    let slow = tokio::spawn(async move {
        let title = pb::Contact { job_title: Some("CTO".to_owned()), ..Default::default() };
        old.update(&id, title, &["job_title"]).await
    });
    waiting(&mut sql, 2).await;
    held.rollback().await?;
    quick.await??;
    slow.await??;
    assert_eq!(found(&world, &admin, "custom.late = 7").await?, [contact]);
    Ok(())
}

/// A field of a type that this version of the service does not know: its slot and its unique value stay as another wrote them.
#[tokio::test]
async fn a_field_that_is_not_understood_keeps_its_slot() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_unknown").await?;
    let admin = world.admin()?;
    make_field(&world, true);
    let contact = admin.create(pb::Contact { first_name: Some("A".into()), ..custom(&json!({"late": 7})) });
    let contact = contact.await?.id;
    let kind = i32::from(fields::FieldType::Integer);
    let set_kind = |kind: i32| {
        let mut set = world.definitions.lock().unwrap();
        set.version += 1;
        set.fields.last_mut().unwrap().r#type = kind;
    };
    set_kind(9_999);
    let old = admin.at(&world.instance()?);
    let change = pb::Contact { job_title: Some("CTO".to_owned()), ..custom(&json!({"serial": "S-1"})) };
    old.update(&contact, change, &["job_title", "custom"]).await?;
    while world.derived_check()?.round().await? {}
    set_kind(kind);
    assert_eq!(found(&world, &admin, "custom.late = 7").await?, [contact]);
    let again = admin.at(&world.instance()?);
    let again = again.create(pb::Contact { first_name: Some("B".into()), ..custom(&json!({"late": 7})) });
    assert_eq!(again.await.unwrap_err().is(), (409, "DUPLICATE_VALUE"));
    Ok(())
}

/// Definitions that never become as new as the fence (a restored database, a replica that lags): refused after a bound, and
/// nothing is written.
#[tokio::test]
async fn a_fence_that_nobody_can_reach_refuses_and_does_not_turn_for_ever() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_ahead").await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Ada", "L")).await?.id;
    let mut sql = world.sql().await?;
    sqlx::query("UPDATE records.definitions_fence SET version = 1000").execute(&mut sql).await?;
    let asked = world.asked.load(std::sync::atomic::Ordering::SeqCst);
    let title = pb::Contact { job_title: Some("CTO".to_owned()), ..Default::default() };
    let refused = admin.update(&contact, title, &["job_title"]).await.unwrap_err();
    assert_eq!(refused.is(), (409, "DEFINITIONS_CHANGED"));
    assert!(world.asked.load(std::sync::atomic::Ordering::SeqCst) - asked <= 4);
    assert_eq!(admin.get(&contact).await?.version, 1);
    Ok(())
}

/// Whoever holds newer definitions waits for a writer by older ones for a moment only, and its write is taken when that one has
/// ended.
#[tokio::test]
async fn a_writer_that_goes_on_holds_up_the_fence_for_a_moment() -> Result<()> {
    let world = World::alone("globcrm_test_definitions_held").await?;
    let admin = world.admin()?;
    let contact = admin.create(named("Ada", "L")).await?.id;
    let mut held = world.tx(admin.tenant).await?;
    let fence =
        "SELECT version FROM records.definitions_fence WHERE tenant_id = $1 AND object = 'contact' FOR SHARE";
    sqlx::query(fence).bind(held.tenant_id()).execute(held.conn()).await?;
    make_field(&world, false);
    let fresh = admin.at(&world.instance()?);
    // Over both ways to write, while the writer is still there.
    let refused = fresh.update(&contact, custom(&json!({"late": 7})), &["custom"]).await.unwrap_err();
    assert_eq!(refused.is(), (409, "DEFINITIONS_CHANGED"));
    let refused = fresh
        .create(pb::Contact { first_name: Some("B".into()), ..custom(&json!({"late": 8})) })
        .await
        .unwrap_err();
    assert_eq!(refused.is(), (409, "DEFINITIONS_CHANGED"));
    held.rollback().await?;
    fresh.update(&contact, custom(&json!({"late": 7})), &["custom"]).await?;
    assert_eq!(found(&world, &admin, "custom.late = 7").await?, [contact]);
    Ok(())
}
