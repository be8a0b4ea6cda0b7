//! Slots, ordinals, keys and limits, also when many come at once.

use std::collections::BTreeSet;

use anyhow::Result;
use proto::fields::v1::FieldType;
use tokio::task::JoinSet;

use super::world::{Refusal, World, field, indexed};

#[tokio::test]
async fn fields_made_at_the_same_time_never_share_a_slot_or_an_ordinal() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut calls = JoinSet::new();
    for n in 0..24 {
        let (admin, kind) = (admin.clone(), if n % 2 == 0 { FieldType::Integer } else { FieldType::Text });
        calls.spawn(async move { admin.create(indexed(&format!("f{n}"), kind)).await });
    }
    let results = calls.join_all().await;
    let refused: Vec<_> =
        results.iter().filter_map(|result| result.as_ref().err()).map(Refusal::is).collect();
    assert_eq!(refused, [(422, "FIELD_LIMIT_REACHED"); 4], "12 of each kind for 10 slots of each");

    let set = admin.field_set(0).await?;
    let slots: BTreeSet<_> = set.fields.iter().map(|field| field.slot.as_str()).collect();
    assert_eq!(slots.len(), 20);
    assert!(slots.iter().all(|slot| slot.starts_with("num_") || slot.starts_with("txt_")), "{slots:?}");
    let ordinals: Vec<_> = set.fields.iter().map(|field| field.ordinal).collect();
    assert_eq!(ordinals, (0..20).collect::<Vec<_>>(), "what was refused has taken no ordinal");
    assert_eq!(set.version, 20);
    Ok(())
}

#[tokio::test]
async fn of_two_fields_with_one_key_made_at_the_same_time_one_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut calls = JoinSet::new();
    for _ in 0..6 {
        let admin = admin.clone();
        calls.spawn(async move { admin.create(field("tier", FieldType::Text)).await });
    }
    let results = calls.join_all().await;
    let refused: Vec<_> =
        results.iter().filter_map(|result| result.as_ref().err()).map(Refusal::is).collect();
    assert_eq!(refused, [(409, "FIELD_KEY_TAKEN"); 5]);
    Ok(())
}

#[tokio::test]
async fn an_archived_field_keeps_its_key_its_ordinal_and_its_slot() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let first = admin.create(indexed("tier", FieldType::Text)).await?;
    admin.archive(&first.id).await?;
    assert_eq!(
        admin.create(field("tier", FieldType::Text)).await.unwrap_err().is(),
        (409, "FIELD_KEY_TAKEN")
    );
    admin.create(indexed("level", FieldType::Text)).await?;
    let slots = |set: proto::fields::v1::GetFieldSetResponse| {
        set.fields.into_iter().map(|field| (field.key, field.slot, field.ordinal)).collect::<Vec<_>>()
    };
    let expected =
        [("tier".to_owned(), "txt_01".to_owned(), 0), ("level".to_owned(), "txt_02".to_owned(), 1)];
    assert_eq!(slots(admin.field_set(0).await?), expected);

    let state = async || -> Result<String> {
        let mut sql = world.sql().await?;
        Ok(sqlx::query_scalar("SELECT state FROM fields.slot_use WHERE tenant_id = $1 AND slot = 'txt_01'")
            .bind(admin.tenant.uuid())
            .fetch_one(&mut sql)
            .await?)
    };
    assert_eq!(state().await?, "clearing");
    admin.restore(&first.id).await?;
    assert_eq!(state().await?, "used");
    assert_eq!(slots(admin.field_set(0).await?), expected);
    Ok(())
}

#[tokio::test]
async fn the_hundred_and_first_field_in_use_is_refused() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut ids = Vec::new();
    for n in 0..100 {
        ids.push(admin.create(field(&format!("f{n}"), FieldType::Boolean)).await?.id);
    }
    let limit = (422, "FIELD_LIMIT_REACHED");
    assert_eq!(admin.create(field("more", FieldType::Boolean)).await.unwrap_err().is(), limit);
    admin.deprecate(&ids[0]).await?;
    assert_eq!(
        admin.create(field("more", FieldType::Boolean)).await.unwrap_err().is(),
        limit,
        "still in use"
    );
    admin.archive(&ids[0]).await?;
    admin.create(field("more", FieldType::Boolean)).await?;
    assert_eq!(admin.restore(&ids[0]).await.unwrap_err().is(), limit);
    assert_eq!(admin.limits().await?["contact.fields"], (100, 100));
    assert_eq!(admin.limits().await?["company.fields"], (0, 100), "each object has its own");
    Ok(())
}

#[tokio::test]
async fn two_hundred_and_fifty_fields_are_the_end_even_when_archived() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for n in 0..250 {
        let made = admin.create(field(&format!("f{n}"), FieldType::Boolean)).await?;
        admin.archive(&made.id).await?;
    }
    let refused = admin.create(field("more", FieldType::Boolean)).await.unwrap_err();
    assert_eq!(refused.is(), (422, "FIELD_LIMIT_REACHED"));
    assert_eq!(admin.field_set(0).await?.fields.len(), 250);
    Ok(())
}

#[tokio::test]
async fn limits_show_what_is_used() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(indexed("seats", FieldType::Integer)).await?;
    admin.create(indexed("renewal", FieldType::Date)).await?;
    let mut tier = indexed("tier", FieldType::Picklist);
    tier.options = ["gold", "silver"]
        .map(|key| proto::fields::v1::FieldOption {
            key: key.to_owned(),
            label: key.to_owned(),
            retired: false,
        })
        .to_vec();
    admin.create(tier).await?;
    let limits = admin.limits().await?;
    for (name, expected) in [
        ("contact.fields", (3, 100)),
        ("contact.indexed_numbers", (1, 10)),
        ("contact.indexed_texts", (1, 10)),
        ("contact.indexed_times", (1, 6)),
        ("contact.indexed_lookups", (0, 4)),
        ("contact.options", (2, 500)),
        ("company.indexed_numbers", (0, 10)),
    ] {
        assert_eq!(limits[name], expected, "{name}");
    }
    Ok(())
}
