//! The life of a field, versions and pages.

use anyhow::Result;
use proto::fields::v1::{Field, FieldState, FieldType};

use super::world::{World, field};

#[tokio::test]
async fn a_field_is_deprecated_archived_and_restored() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    assert_eq!((made.state(), made.version, made.object.as_str()), (FieldState::Active, 1, "contact"));
    let wrong = (409, "FIELD_STATE_INVALID");
    assert_eq!(admin.restore(&made.id).await.unwrap_err().is(), wrong);
    assert_eq!(admin.deprecate(&made.id).await?.state(), FieldState::Deprecated);
    assert_eq!(admin.deprecate(&made.id).await.unwrap_err().is(), wrong);
    assert_eq!(admin.archive(&made.id).await?.state(), FieldState::Archived);
    assert_eq!(admin.archive(&made.id).await.unwrap_err().is(), wrong);
    let change = field("tier", FieldType::Text);
    assert_eq!(admin.update(&made.id, change, &["label"], None).await.unwrap_err().is(), wrong);
    let restored = admin.restore(&made.id).await?;
    assert_eq!((restored.state(), restored.version), (FieldState::Active, 4));
    assert_eq!(admin.get("contact", &made.id).await?, restored);
    Ok(())
}

#[tokio::test]
async fn a_stale_condition_is_refused_and_changes_nothing() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    let relabel = |label: &str| Field { label: label.to_owned(), ..Default::default() };
    let second = admin.update(&made.id, relabel("Level"), &["label"], Some("\"1\"")).await?;
    assert_eq!((second.version, second.label.as_str()), (2, "Level"));
    let stale = admin.update(&made.id, relabel("Rank"), &["label"], Some("\"1\"")).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    assert_eq!(admin.get("contact", &made.id).await?, second);
    assert_eq!(admin.update(&made.id, relabel("Rank"), &["label"], Some("*")).await?.version, 3);
    Ok(())
}

#[tokio::test]
async fn what_changes_nothing_leaves_both_versions_as_they_are() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    let set = admin.field_set(0).await?.version;
    assert_eq!(admin.update(&made.id, made.clone(), &["label", "key", "type"], None).await?, made);
    assert_eq!(admin.field_set(0).await?.version, set);
    Ok(())
}

#[tokio::test]
async fn the_set_is_sent_only_when_its_version_differs() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    admin.archive(&made.id).await?;
    let set = admin.field_set(0).await?;
    assert_eq!((set.version, set.fields.len()), (2, 1), "archived fields are in it");
    assert_eq!(set.fields[0].state(), FieldState::Archived);
    assert_eq!(set.fields[0].slot, "");
    let same = admin.field_set(2).await?;
    assert_eq!((same.version, same.fields.len()), (2, 0));
    Ok(())
}

#[tokio::test]
async fn pages_hold_every_field_once_in_order_of_creation() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let keys: Vec<String> = (0..7).map(|n| format!("k{}", 9 - n)).collect();
    for key in &keys {
        admin.create(field(key, FieldType::Text)).await?;
    }
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (page, next) = admin.list(Some(3), &token).await?;
        seen.extend(page);
        pages += 1;
        if next.is_empty() {
            break;
        }
        token = next;
    }
    assert_eq!((seen, pages), (keys, 3));
    assert_eq!(admin.list(Some(0), "").await.unwrap_err().is(), (400, "PAGE_SIZE_INVALID"));
    assert_eq!(admin.list(None, "garbage").await.unwrap_err().is(), (400, "PAGE_TOKEN_INVALID"));
    // Nobody makes a place up, and no other tenant's token is one: version, ordinal 0 and object, as nobody has signed them.
    let made_up = "AQAAAABjb250YWN0";
    assert_eq!(admin.list(None, made_up).await.unwrap_err().is(), (400, "PAGE_TOKEN_INVALID"));
    let (_, token) = admin.list(Some(3), "").await?;
    let other = world.admin()?;
    assert_eq!(other.list(None, &token).await.unwrap_err().is(), (400, "PAGE_TOKEN_MISMATCH"));
    Ok(())
}
