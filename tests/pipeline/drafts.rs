//! Drafts: they may be wrong, say so, and lose nothing.

use anyhow::Result;
use ids::RoleId;
use proto::pipeline::v1 as pb;
use uuid::Uuid;

use super::world::{World, document, publication, stage};

#[tokio::test]
async fn a_draft_that_is_wrong_is_kept_as_it_was_sent_and_names_its_problems() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mut sent = document();
    sent.stages.truncate(2);
    sent.stages[0].kind = pb::StageKind::Won.into();
    sent.stages[1].key = "De mo".to_owned();
    sent.transitions = vec![pb::Transition {
        from: Some("gone".to_owned()),
        to: "new".to_owned(),
        role_ids: vec![Uuid::now_v7().to_string()],
        required_fields: vec!["custom.tier".to_owned(), "custom.nothing".to_owned(), "shoe_size".to_owned()],
        ..Default::default()
    }];
    let draft = admin.put(&made.id, sent.clone()).await?;
    assert_eq!(
        (&draft.stages, &draft.rules, &draft.transitions),
        (&sent.stages, &sent.rules, &sent.transitions)
    );
    let found: Vec<_> = draft.problems.iter().map(|p| (p.pointer.as_str(), p.reason.as_str())).collect();
    assert_eq!(
        found,
        [
            ("/stages/0/probability", "OUT_OF_RANGE"),
            ("/stages/1/key", "KEY_INVALID"),
            ("/stages", "STAGE_KIND_MISSING"),
            ("/stages/0/kind", "FIRST_STAGE_CLOSED"),
            ("/transitions/0/from", "STAGE_UNKNOWN"),
            ("/transitions/0/required_fields/1", "UNKNOWN_FIELD"),
            ("/transitions/0/required_fields/2", "UNKNOWN_FIELD"),
            ("/transitions/0/role_ids/0", "REFERENCE_NOT_FOUND"),
            ("/stages/0/kind", "STAGE_KIND_CHANGED"),
        ]
    );
    assert_eq!(admin.draft(&made.id).await?, draft);
    let refused = admin.publish(publication(&made.id)).await.unwrap_err();
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"));
    let pointers: Vec<_> = draft.problems.iter().map(|problem| problem.pointer.clone()).collect();
    assert_eq!(refused.pointers(), pointers);
    // What is in force stays.
    assert_eq!(admin.get(&made.id).await?.stages, made.stages);
    admin.delete_draft(&made.id).await?;
    assert!(admin.draft(&made.id).await?.problems.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_role_must_exist_when_a_transition_that_names_it_is_published() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let role = RoleId::from(Uuid::now_v7());
    let mut sent = document();
    sent.transitions = vec![pb::Transition {
        from: Some("lost".to_owned()),
        to: "new".to_owned(),
        role_ids: vec![role.to_string()],
        ..Default::default()
    }];
    assert_eq!(admin.put(&made.id, sent.clone()).await?.problems.len(), 1);
    world.roles.lock().unwrap().insert(role);
    assert!(admin.draft(&made.id).await?.problems.is_empty());
    let published = admin.publish(publication(&made.id)).await?;
    assert_eq!(published.transitions, sent.transitions);
    Ok(())
}

#[tokio::test]
async fn of_two_who_edit_at_once_the_second_is_told() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mut mine = document();
    mine.stages[0].name = "Mine".to_owned();
    let mut theirs = document();
    theirs.stages[0].name = "Theirs".to_owned();
    let (one, two) = tokio::join!(admin.put_at(&made.id, mine, 1), admin.put_at(&made.id, theirs, 1));
    let refused: Vec<_> = [one, two].into_iter().filter_map(Result::err).collect();
    assert_eq!(refused.iter().map(|refusal| refusal.is()).collect::<Vec<_>>(), [(412, "VERSION_STALE")]);
    assert_eq!(admin.get(&made.id).await?.version, 2);
    Ok(())
}

#[tokio::test]
async fn a_document_is_bounded_and_a_draft_like_the_published_one_is_none() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mut large = document();
    for n in 0..300 {
        let name = format!("custom.{}{n}", "x".repeat(50));
        large.transitions.push(pb::Transition {
            to: format!("s{n}"),
            required_fields: vec![name.clone(), format!("{name}y")],
            ..Default::default()
        });
    }
    let refused = admin.put(&made.id, large).await.unwrap_err();
    assert_eq!(refused.reasons(), ["DOCUMENT_TOO_LARGE"]);
    let mut many = document();
    many.stages.extend((0..27).map(|n| stage(&format!("s{n}"), pb::StageKind::Open, 1)));
    let reasons: Vec<_> = admin.put(&made.id, many).await?.problems.into_iter().map(|p| p.reason).collect();
    assert_eq!(reasons, ["TOO_MANY_ITEMS"]);
    admin.put(&made.id, document()).await?;
    let refused = admin.publish(publication(&made.id)).await.unwrap_err();
    assert_eq!(refused.is(), (409, "NOTHING_TO_PUBLISH"));
    Ok(())
}
