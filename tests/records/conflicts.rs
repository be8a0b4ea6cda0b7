//! Two people change the same record.

use anyhow::Result;
use proto::records::v1 as pb;
use serde_json::json;

use super::world::{World, custom, named};

#[tokio::test]
async fn a_stale_if_match_is_412_with_what_both_changed() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(pb::Contact { job_title: Some("CEO".to_owned()), ..named("Zoë", "A") }).await?;
    let title = |text: &str| pb::Contact { job_title: Some(text.to_owned()), ..Default::default() };
    admin.update_as(&made.id, title("CTO"), &["job_title"], &[("if-match", "\"1\"")]).await?;
    let stale =
        admin.update_as(&made.id, title("CFO"), &["job_title"], &[("if-match", "\"1\"")]).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    assert_eq!(
        stale.problem()["conflicts"],
        json!([{"field": "job_title", "base": "CEO", "yours": "CFO", "current": "CTO"}])
    );
    let stale = admin.delete(&made.id, &[("if-match", "\"1\"")]).await.unwrap_err();
    assert_eq!(stale.is(), (412, "VERSION_STALE"));
    admin.delete(&made.id, &[("if-match", "\"2\"")]).await?;
    Ok(())
}

#[tokio::test]
async fn a_body_etag_merges_disjoint_changes_and_refuses_the_same_field() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin
        .create(pb::Contact { first_name: Some("Zoë".to_owned()), ..custom(&json!({"seats": 1})) })
        .await?;
    admin.update(&made.id, custom(&json!({"seats": 2})), &["custom"]).await?;
    admin.update(&made.id, custom(&json!({"seats": 3})), &["custom"]).await?;
    let from_1 = |contact: pb::Contact| pb::Contact { etag: Some("\"1\"".to_owned()), ..contact };
    let merged = admin.update(&made.id, from_1(named("Eve", "")), &["first_name"]).await?;
    assert_eq!((merged.version, merged.first_name.as_deref()), (4, Some("Eve")));
    let same = from_1(custom(&json!({"seats": 9, "tier": "gold"})));
    let refused = admin.update(&made.id, same, &["custom", "etag"]).await.unwrap_err();
    assert_eq!(refused.is(), (409, "EDIT_CONFLICT"));
    assert_eq!(
        refused.problem()["conflicts"],
        json!([{"field": "custom.seats", "base": 1, "yours": 9, "current": 3}])
    );
    let future = pb::Contact { etag: Some("99".to_owned()), ..named("X", "") };
    let refused = admin.update(&made.id, future, &["first_name"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/etag", "ETAG_INVALID")]);
    // Both want the same: nothing to quarrel about.
    admin.update(&made.id, from_1(custom(&json!({"seats": 3}))), &["custom"]).await?;
    Ok(())
}

#[tokio::test]
async fn changes_without_a_condition_never_lose_a_version() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "A")).await?;
    let score = |n: i32| pb::Contact { score: Some(n), ..Default::default() };
    let answers = tokio::join!(
        admin.update(&made.id, score(1), &["score"]),
        admin.update(&made.id, score(2), &["score"]),
        admin.update(&made.id, named("Eve", ""), &["first_name"]),
    );
    let mut versions = vec![answers.0?.version, answers.1?.version, answers.2?.version];
    versions.sort_unstable();
    assert_eq!(versions, [2, 3, 4]);
    let now = admin.get(&made.id).await?;
    assert_eq!((now.version, now.first_name.as_deref()), (4, Some("Eve")));
    Ok(())
}
