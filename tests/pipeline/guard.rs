//! No way leads past what the pipeline demands, and nothing that was not sent is changed by it.

use anyhow::Result;
use proto::identity::v1::FieldAccess;
use proto::pipeline::v1 as pb;

use super::world::{ALL, Caller, May, World, document, named, publication, stage_id, with};

async fn deal(who: &Caller, pipeline: &pb::Pipeline, key: &str) -> Result<pb::Deal> {
    let stage = Some(stage_id(pipeline, key).to_owned());
    Ok(who
        .create_deal(pb::Deal { pipeline_id: Some(pipeline.id.clone()), stage_id: stage, ..named(key) })
        .await?)
}

fn moved(deal: &pb::Deal, stage: &str) -> pb::MoveDealRequest {
    pb::MoveDealRequest { id: deal.id.clone(), stage_id: Some(stage.to_owned()), ..Default::default() }
}

/// A pipeline where what is lost can be taken up again.
async fn reopening(who: &Caller, name: &str) -> Result<pb::Pipeline> {
    let mut sent = document();
    sent.transitions =
        vec![pb::Transition { from: Some("lost".to_owned()), to: "new".to_owned(), ..Default::default() }];
    Ok(who.create(with(name, sent)).await?)
}

#[tokio::test]
async fn in_an_archived_pipeline_no_deal_is_opened_by_any_way() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = reopening(&admin, "A").await?;
    let (trashed, lost) = (deal(&admin, &made, "new").await?, deal(&admin, &made, "lost").await?);
    admin.delete_deal(&trashed.id).await?;
    admin.archive(&made.id).await?;
    for refused in [
        admin.restore_deal(&trashed.id).await.unwrap_err(),
        admin.move_deal(moved(&lost, stage_id(&made, "new"))).await.unwrap_err(),
        deal(&admin, &made, "new").await.unwrap_err().downcast::<super::world::Refusal>()?,
    ] {
        assert_eq!(refused.is(), (409, "PIPELINE_ARCHIVED"));
    }
    // What is closed there can be changed, trashed and restored.
    let step = pb::Deal { next_step: Some("file it".to_owned()), ..Default::default() };
    admin.change_deal(&lost.id, step, &["next_step"]).await?;
    admin.delete_deal(&lost.id).await?;
    admin.restore_deal(&lost.id).await?;
    admin.restore(&made.id).await?;
    admin.restore_deal(&trashed.id).await?;
    Ok(())
}

#[tokio::test]
async fn a_deal_changes_by_what_was_sent_and_not_by_what_was_published() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let (stays, trashed) = (deal(&admin, &made, "demo").await?, deal(&admin, &made, "demo").await?);
    let mut other = document();
    other.stages[1].probability = Some(60);
    admin.put(&made.id, other).await?;
    admin.publish(publication(&made.id)).await?;
    let same = admin.change_deal(&stays.id, named("demo"), &["name"]).await?;
    assert_eq!((same.version, same.probability), (1, Some(50)));
    admin.delete_deal(&trashed.id).await?;
    let back = admin.restore_deal(&trashed.id).await?;
    assert_eq!((back.probability, admin.deal(&trashed.id).await?), (Some(50), back));
    // Going back to the stage's is going to what it is now.
    let anew = admin.change_deal(&stays.id, pb::Deal::default(), &["probability"]).await?;
    assert_eq!((anew.probability, anew.probability_source()), (Some(60), pb::ProbabilitySource::Stage));
    Ok(())
}

#[tokio::test]
async fn a_probability_that_was_sent_stays_and_a_closed_deal_has_none_of_its_own() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let goes = deal(&admin, &made, "new").await?;
    let (sent, manual) =
        (|n| pb::Deal { probability: Some(n), ..Default::default() }, pb::ProbabilitySource::Manual);
    let own = admin.change_deal(&goes.id, sent(10), &["probability"]).await?;
    assert_eq!((own.probability, own.probability_source()), (Some(10), manual));
    let fields = Some(sent(50));
    let on = admin.move_deal(pb::MoveDealRequest { fields, ..moved(&goes, stage_id(&made, "demo")) }).await?;
    assert_eq!((on.probability, on.probability_source()), (Some(50), manual));
    let fields = Some(sent(90));
    let won = pb::MoveDealRequest { fields, ..moved(&goes, stage_id(&made, "won")) };
    assert_eq!(
        admin.move_deal(won).await.unwrap_err().violations(),
        [("/fields/probability", "OUT_OF_RANGE")]
    );
    let won = admin.move_deal(moved(&goes, stage_id(&made, "won"))).await?;
    assert_eq!((won.probability, won.probability_source()), (Some(100), pb::ProbabilitySource::Stage));
    let refused = admin.change_deal(&goes.id, sent(20), &["probability"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/probability", "OUT_OF_RANGE")]);
    Ok(())
}

#[tokio::test]
async fn a_closed_deal_is_not_opened_by_way_of_another_pipeline() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (from, to) = (admin.make("From").await?, admin.make("To").await?);
    let won = deal(&admin, &from, "won").await?;
    let change = |stage: Option<&str>| pb::ChangeDealPipelineRequest {
        id: won.id.clone(),
        pipeline_id: to.id.clone(),
        stage_id: stage.map(str::to_owned),
        reason: None,
    };
    let refused = admin.change_pipeline(change(None)).await.unwrap_err();
    assert_eq!((refused.is(), refused.metadata()["rule"].as_str()), ((409, "MOVE_NOT_ALLOWED"), "reopening"));
    let sent = pb::Deal { pipeline_id: Some(to.id.clone()), ..Default::default() };
    let refused = admin.change_deal(&won.id, sent, &["pipeline_id"]).await.unwrap_err();
    assert_eq!(refused.metadata()["rule"], "reopening");
    let there = admin.change_pipeline(change(Some(stage_id(&to, "won")))).await?;
    assert_eq!((there.status(), there.closed_at), (pb::DealStatus::Won, won.closed_at));
    // Nor is an open one won by it: the rules of winning are those of a move.
    let open = deal(&admin, &from, "new").await?;
    let change = pb::ChangeDealPipelineRequest {
        id: open.id.clone(),
        pipeline_id: to.id.clone(),
        stage_id: Some(stage_id(&to, "won").to_owned()),
        reason: None,
    };
    let refused = admin.change_pipeline(change).await.unwrap_err();
    assert_eq!(refused.metadata()["rule"], "closing");
    let problem = refused.problem();
    let allowed: Vec<&str> =
        problem["allowed"].as_array().unwrap().iter().filter_map(|stage| stage["key"].as_str()).collect();
    assert_eq!(allowed, ["new", "demo"]);
    // The stage where it is belongs to the pipeline that it leaves.
    let open = deal(&admin, &from, "new").await?;
    let back = pb::ChangeDealPipelineRequest {
        id: open.id.clone(),
        pipeline_id: to.id.clone(),
        stage_id: open.stage_id.clone(),
        reason: None,
    };
    assert_eq!(
        admin.change_pipeline(back).await.unwrap_err().violations(),
        [("/stage_id", "REFERENCE_NOT_FOUND")]
    );
    Ok(())
}

#[tokio::test]
async fn the_fields_of_a_move_say_nothing_of_where_it_goes() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (made, other) = (admin.make("A").await?, admin.make("B").await?);
    let goes = deal(&admin, &made, "new").await?;
    let fields = pb::Deal {
        pipeline_id: Some(other.id.clone()),
        stage_id: Some(stage_id(&other, "won").to_owned()),
        ..Default::default()
    };
    let request = pb::MoveDealRequest { fields: Some(fields), ..moved(&goes, stage_id(&made, "demo")) };
    let refused = admin.move_deal(request).await.unwrap_err();
    let places = [("/fields/pipeline_id", "UNKNOWN_FIELD"), ("/fields/stage_id", "UNKNOWN_FIELD")];
    assert_eq!(refused.violations(), places);
    Ok(())
}

#[tokio::test]
async fn a_stage_keeps_its_kind() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let mut turned = document();
    turned.stages[1].kind = pb::StageKind::Won.into();
    turned.stages[1].probability = Some(100);
    let draft = admin.put(&made.id, turned).await?;
    let problem = (draft.problems[0].pointer.as_str(), draft.problems[0].reason.as_str());
    assert_eq!(problem, ("/stages/1/kind", "STAGE_KIND_CHANGED"));
    assert_eq!(admin.draft(&made.id).await?.problems, draft.problems);
    let refused = admin.publish(publication(&made.id)).await.unwrap_err();
    assert_eq!(refused.violations(), [("/stages/1/kind", "STAGE_KIND_CHANGED")]);
    Ok(())
}

#[tokio::test]
async fn what_is_hidden_is_told_by_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut sent = document();
    sent.stages[0].required_fields = vec!["next_step".to_owned()];
    let made = admin.create(with("A", sent)).await?;
    let mut goes = named("A");
    (goes.pipeline_id, goes.next_step) = (Some(made.id.clone()), Some("call".to_owned()));
    let goes = admin.create_deal(goes).await?;
    let sees = |fields| world.caller(admin.tenant, &May { fields, ..ALL });
    let blind = sees(&[("deal", "stage_id", FieldAccess::None)])?.deal(&goes.id).await?;
    assert_eq!((blind.stage_id, blind.stage_name, blind.stage_key, blind.rank), Default::default());
    let unnamed = sees(&[("deal", "stage_name", FieldAccess::None)])?.deal(&goes.id).await?;
    assert_eq!((unnamed.stage_name.as_str(), unnamed.stage_key.as_str()), ("", "new"));
    // A field that cannot be seen is not said to be missing.
    let blind = sees(&[("deal", "next_step", FieldAccess::None)])?;
    assert!(blind.deal(&goes.id).await?.missing_fields.is_empty());
    let keyless =
        sees(&[("deal", "stage_key", FieldAccess::None), ("deal", "updated_by", FieldAccess::None)])?;
    let keyless = keyless.history(&goes.id).await?.remove(0);
    assert_eq!((keyless.to.unwrap().key.as_str(), keyless.actor), ("", None));
    // Who may not change the stage does not change what it follows.
    let other = admin.make("B").await?;
    let change =
        pb::ChangeDealPipelineRequest { id: goes.id.clone(), pipeline_id: other.id, ..Default::default() };
    let reader = sees(&[("deal", "stage_id", FieldAccess::Read)])?;
    assert_eq!(reader.change_pipeline(change).await.unwrap_err().is(), (403, "FIELD_READ_ONLY"));
    let timeless = sees(&[("deal", "stage_entered_at", FieldAccess::None)])?.history(&goes.id).await?;
    assert_eq!((timeless[0].entered_at, timeless[0].to.as_ref().unwrap().key.as_str()), (None, "new"));
    Ok(())
}
