//! What a change leaves beside its row: event, idempotency record, and the fence it minds.

use anyhow::Result;
use proto::fields::v1::{Field, FieldType};

use super::world::{Refusal, World, field, indexed};

#[tokio::test]
async fn every_change_leaves_its_event_with_what_changed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(indexed("tier", FieldType::Text)).await?;
    let label = Field { label: "Level".to_owned(), ..Default::default() };
    admin.update(&made.id, label, &["label"], None).await?;
    admin.deprecate(&made.id).await?;
    admin.archive(&made.id).await?;
    admin.restore(&made.id).await?;
    assert!(admin.restore(&made.id).await.is_err(), "a refused change leaves none");

    let events = admin.events(&world).await?;
    let told: Vec<_> = events.iter().map(|event| (event.kind.as_str(), event.version)).collect();
    let expected = [
        ("fields.field.created.v1", 1),
        ("fields.field.updated.v1", 2),
        ("fields.field.deprecated.v1", 3),
        ("fields.field.archived.v1", 4),
        ("fields.field.restored.v1", 5),
    ];
    assert_eq!(told, expected);
    assert!(events.iter().all(|event| event.record_id.to_string() == made.id && event.actor == admin.id));
    let changed: Vec<_> = events[1].changes.iter().map(|change| change.field.as_str()).collect();
    assert_eq!(changed, ["object", "key", "label"]);
    let change = events[1].change("label").unwrap();
    assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("\"tier\""), Some("\"Level\"")));
    assert_eq!(events[0].change("indexed").unwrap().after.as_deref(), Some("true"));
    assert_eq!(events[0].change("indexed").unwrap().before, None);
    Ok(())
}

#[tokio::test]
async fn a_repeated_key_gives_the_first_answer_again() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let key = [("idempotency-key", "k-1")];
    let first = admin.create_as("contact", field("tier", FieldType::Text), &key).await?;
    let again = admin.create_as("contact", field("tier", FieldType::Text), &key).await?;
    let replayed =
        again.metadata().get("idempotency-replayed").map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(replayed.as_deref(), Some("true"));
    assert_eq!(again.metadata().get("version"), first.metadata().get("version"));
    assert_eq!(first.metadata().get("version").unwrap(), "1");
    assert_eq!(again.into_inner(), first.into_inner());
    let other = admin.create_as("contact", field("level", FieldType::Text), &key).await.unwrap_err();
    assert_eq!(Refusal::from(other).is(), (422, "IDEMPOTENCY_KEY_REUSED"));
    assert_eq!(admin.list(None, "").await?.0, ["tier"]);
    Ok(())
}

#[tokio::test]
async fn a_refused_call_keeps_nothing_and_can_be_repeated_at_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    admin.create(field("tier", FieldType::Text)).await?;
    let key = [("idempotency-key", "k-2")];
    for _ in 0..5 {
        let refused = admin.create_as("contact", field("tier", FieldType::Text), &key).await.unwrap_err();
        assert_eq!(Refusal::from(refused).is(), (409, "FIELD_KEY_TAKEN"));
    }
    admin.create_as("contact", field("level", FieldType::Text), &key).await?;
    Ok(())
}

#[tokio::test]
async fn no_change_commits_on_permissions_older_than_the_fence() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    let mut tx = world.tx(admin.tenant).await?;
    db::fence::raise(&mut tx, Some(admin.id), 6).await?;
    tx.commit().await?;
    let changed = (409, "PERMISSIONS_CHANGED");
    assert_eq!(admin.create(field("level", FieldType::Text)).await.unwrap_err().is(), changed);
    assert_eq!(admin.archive(&made.id).await.unwrap_err().is(), changed);
    let label = Field { label: "Level".to_owned(), ..Default::default() };
    assert_eq!(admin.update(&made.id, label, &["label"], None).await.unwrap_err().is(), changed);
    assert_eq!(admin.get("contact", &made.id).await?, made);
    Ok(())
}
