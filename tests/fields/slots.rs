//! Slots that fields get later: who has one, since when, and what is told of it.

use anyhow::Result;
use proto::fields::v1::fields_service_server::FieldsService;
use proto::fields::v1::{ArchiveFieldRequest, Field, FieldType};
use proto::identity::v1::Scope;

use super::world::{Caller, World, field, indexed};
use crate::world::done;

const WRONG: (u16, &str) = (409, "FIELD_STATE_INVALID");

fn lookup(key: &str, with_index: bool) -> Field {
    let made = if with_index { indexed(key, FieldType::Lookup) } else { field(key, FieldType::Lookup) };
    Field { lookup_object: Some("contact".to_owned()), ..made }
}

/// Lookups with an index, as many as there are slots for.
async fn all_slots(admin: &Caller) -> Result<Vec<Field>> {
    let mut made = Vec::new();
    for n in 1..=4 {
        made.push(admin.create(lookup(&format!("l{n}"), true)).await?);
    }
    Ok(made)
}

#[tokio::test]
async fn only_the_assignment_that_was_filled_is_finished() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let plain = admin.create(lookup("plain", false)).await?;
    admin.assign_slot(&plain.id).await?;
    let first = admin.projection(&plain.id).await?.slot_assignment;
    let others = {
        let mut made = Vec::new();
        for n in 1..=3 {
            made.push(admin.create(lookup(&format!("l{n}"), true)).await?);
        }
        made
    };
    // Another field takes its slot while it is archived, and it gets one anew.
    admin.archive(&plain.id).await?;
    let taker = admin.create(lookup("taker", false)).await?;
    admin.assign_slot(&taker.id).await?;
    admin.restore(&plain.id).await?;
    assert_eq!(admin.finish_slot(&plain.id, first).await.unwrap_err().is(), WRONG, "it has no slot");
    admin.archive(&others[0].id).await?;
    admin.assign_slot(&plain.id).await?;

    assert_eq!(admin.finish_slot(&plain.id, first).await.unwrap_err().is(), WRONG);
    assert!(!admin.get("contact", &plain.id).await?.indexed, "the slot of now is not filled");
    let second = admin.projection(&plain.id).await?.slot_assignment;
    assert!(first > 0 && second > first, "{first} {second}");
    admin.finish_slot(&plain.id, second).await?;
    assert!(admin.get("contact", &plain.id).await?.indexed);
    let version = admin.field_set(0).await?.version;
    admin.finish_slot(&plain.id, second).await?;
    assert_eq!(admin.get("contact", &plain.id).await?.version, 7, "said twice, it changes nothing");
    assert_eq!(admin.field_set(0).await?.version, version);
    Ok(())
}

#[tokio::test]
async fn an_archived_field_that_loses_its_slot_leaves_an_event() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let lookups = all_slots(&admin).await?;
    let archived = admin.archive(&lookups[2].id).await?;
    let taker = admin.create(lookup("taker", false)).await?;
    admin.assign_slot(&taker.id).await?;

    let events = admin.events(&world).await?;
    let of_archived: Vec<_> = events.iter().filter(|e| e.record_id.to_string() == archived.id).collect();
    let last = of_archived.last().unwrap();
    assert_eq!((last.kind.as_str(), last.version), ("fields.field.updated.v1", archived.version + 1));
    assert_eq!(last.actor, admin.id);
    let indexed = last.change("indexed").unwrap();
    assert_eq!((indexed.before.as_deref(), indexed.after.as_deref()), (Some("true"), Some("false")));
    let now = admin.get("contact", &archived.id).await?;
    assert_eq!((now.version, now.updated_at != archived.updated_at), (last.version, true));
    Ok(())
}

#[tokio::test]
async fn a_program_of_before_sees_no_slot_that_is_being_filled() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let plain = admin.create(field("plain", FieldType::Text)).await?;
    admin.assign_slot(&plain.id).await?;
    let stored = async || -> Result<Option<String>> {
        let query = sqlx::query_scalar(
            "SELECT slot FROM fields.field_definition WHERE tenant_id = $1 AND key = 'plain'",
        );
        Ok(query.bind(admin.tenant.uuid()).fetch_one(&mut world.sql().await?).await?)
    };
    assert_eq!(stored().await?, None, "it would filter by it");
    let seen = admin.projection(&plain.id).await?;
    assert_eq!((seen.slot.as_str(), seen.filling, seen.filling_slot.as_str()), ("", true, "txt_01"));

    // It knows nothing of filling, and writes the row as it reads it.
    let label = Field { label: "Level".to_owned(), ..Default::default() };
    admin.update(&plain.id, label, &["label"], None).await?;
    assert_eq!(admin.projection(&plain.id).await?, seen);
    admin.finish_slot(&plain.id, seen.slot_assignment).await?;
    assert_eq!(stored().await?.as_deref(), Some("txt_01"));
    let seen = admin.projection(&plain.id).await?;
    assert_eq!((seen.slot.as_str(), seen.filling, seen.filling_slot.as_str()), ("txt_01", false, ""));
    Ok(())
}

#[tokio::test]
async fn a_field_whose_filling_a_rollback_forgot_goes_on_with_its_slot() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let plain = admin.create(field("plain", FieldType::Text)).await?;
    admin.assign_slot(&plain.id).await?;
    let before = admin.projection(&plain.id).await?;
    // The migration down and up again: the column comes back with its default.
    sqlx::query(
        "UPDATE fields.field_definition SET is_filling = false, slot_assignment = 0 WHERE tenant_id = $1",
    )
    .bind(admin.tenant.uuid())
    .execute(&mut world.sql().await?)
    .await?;
    admin.assign_slot(&plain.id).await?;
    let after = admin.projection(&plain.id).await?;
    assert_eq!((after.filling_slot.as_str(), after.filling), ("txt_01", true));
    assert!(after.slot_assignment > before.slot_assignment);
    Ok(())
}

#[tokio::test]
async fn a_check_says_what_an_assignment_would_and_assigns_nothing() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let plain = admin.create(field("plain", FieldType::Text)).await?;
    let before = admin.field_set(0).await?;
    admin.check_slot(&plain.id).await?;
    assert_eq!(admin.field_set(0).await?, before);
    let long = admin.create(field("long", FieldType::LongText)).await?;
    assert_eq!(admin.check_slot(&long.id).await.unwrap_err().is(), (422, "FIELD_NOT_INDEXABLE"));
    all_slots(&admin).await?;
    let fifth = admin.create(lookup("fifth", false)).await?;
    assert_eq!(admin.check_slot(&fifth.id).await.unwrap_err().is(), (422, "FIELD_LIMIT_REACHED"));
    assert_eq!(admin.projection(&fifth.id).await?.filling_slot, "");
    Ok(())
}

#[tokio::test]
async fn a_field_created_with_an_index_takes_the_slot_of_an_archived_one_as_well() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let lookups = all_slots(&admin).await?;
    assert_eq!(admin.create(lookup("fifth", true)).await.unwrap_err().is(), (422, "FIELD_LIMIT_REACHED"));
    admin.archive(&lookups[1].id).await?;
    let made = admin.create(lookup("fifth", true)).await?;
    assert!(!made.indexed, "records have what the archived field has left");
    let seen = admin.projection(&made.id).await?;
    assert_eq!((seen.slot.as_str(), seen.filling, seen.filling_slot.as_str()), ("", true, "ref_02"));
    assert_eq!(admin.projection(&lookups[1].id).await?.slot, "");
    let events = admin.events(&world).await?;
    let created = events.iter().find(|event| event.record_id.to_string() == made.id).unwrap();
    assert_eq!(
        created.change("filling").unwrap().after.as_deref(),
        Some("true"),
        "whoever fills it hears of it"
    );

    // Whoever may create fields need not be allowed to change them.
    let creator = world.member(admin.tenant, &["create"], Scope::All, &[])?;
    creator.finish_slot(&made.id, seen.slot_assignment).await?;
    assert!(admin.get("contact", &made.id).await?.indexed);
    Ok(())
}

#[tokio::test]
async fn slots_are_used_again_only_where_somebody_clears_them() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut made = Vec::new();
    for n in 0..10 {
        made.push(done(admin.create_as("note", indexed(&format!("t{n}"), FieldType::Text), &[]).await)?);
    }
    let first = made[0].field.clone().unwrap();
    let archive = ArchiveFieldRequest { object: "note".to_owned(), id: first.id };
    done(admin.service.archive_field(admin.request(archive)).await)?;
    let refused = done(admin.create_as("note", indexed("more", FieldType::Text), &[]).await).unwrap_err();
    assert_eq!(refused.is(), (422, "FIELD_LIMIT_REACHED"));
    Ok(())
}
