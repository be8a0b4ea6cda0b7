//! Deals: what their pipeline demands of every write.

use anyhow::Result;
use ids::RoleId;
use proto::common::v1::Money;
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use uuid::Uuid;

use super::world::{ALL, Caller, World, document, named, publication, stage_id, with};
use crate::world::done;

fn euros(minor: i64) -> Money {
    Money { amount_minor: Some(minor), currency: Some("EUR".to_owned()) }
}

/// A pipeline where demos need an amount, a loss its reason twice, and a lost deal can be taken up again.
async fn pipeline(who: &Caller) -> Result<pb::Pipeline> {
    let mut strict = document();
    strict.stages[1].required_fields = vec!["amount".to_owned(), "custom.tier".to_owned()];
    strict.stages[3].required_fields = vec!["lost_reason".to_owned()];
    strict.rules.as_mut().unwrap().allow_skipping = Some(false);
    strict.transitions = vec![
        pb::Transition { to: "lost".to_owned(), requires_reason: true, ..Default::default() },
        pb::Transition { from: Some("lost".to_owned()), to: "new".to_owned(), ..Default::default() },
    ];
    Ok(who.create(with("Strict", strict)).await?)
}

fn moved(deal: &pb::Deal, stage: &str) -> pb::MoveDealRequest {
    pb::MoveDealRequest { id: deal.id.clone(), stage_id: Some(stage.to_owned()), ..Default::default() }
}

#[tokio::test]
async fn a_deal_begins_in_the_first_stage_of_the_default_pipeline() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // Nobody has looked for a pipeline before.
    let deal = admin.create_deal(pb::Deal { amount: Some(euros(1_250_000)), ..named("100 seats") }).await?;
    let sales = admin.list(pb::PipelineState::Active).await?.remove(0);
    assert_eq!(deal.pipeline_id.as_deref(), Some(sales.id.as_str()));
    assert_eq!(deal.stage_id.as_deref(), Some(sales.stages[0].id.as_str()));
    assert_eq!((deal.stage_key.as_str(), deal.stage_name.as_str()), ("qualified", "Qualified"));
    assert_eq!((deal.status(), deal.pipeline_version, deal.closed_at), (pb::DealStatus::Open, 1, None));
    assert_eq!((deal.probability, deal.probability_source()), (Some(10), pb::ProbabilitySource::Stage));
    assert_eq!(deal.weighted_amount, Some(euros(125_000)));
    assert_eq!(admin.deal(&deal.id).await?, deal);
    Ok(())
}

#[tokio::test]
async fn a_move_that_the_rules_forbid_says_why_and_where_to_go_instead() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let strict = pipeline(&admin).await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(strict.id.clone()), ..named("A") }).await?;
    let refused = admin.move_deal(moved(&deal, stage_id(&strict, "won"))).await.unwrap_err();
    assert_eq!(refused.is(), (409, "MOVE_NOT_ALLOWED"));
    let meta = refused.metadata();
    assert_eq!(
        (meta["from"].as_str(), meta["to"].as_str(), meta["rule"].as_str()),
        ("new", "won", "allow_skipping")
    );
    let problem = refused.problem();
    let allowed: Vec<&str> =
        problem["allowed"].as_array().unwrap().iter().filter_map(|stage| stage["key"].as_str()).collect();
    assert_eq!(allowed, ["demo", "lost"]);
    // The same rule holds on every way.
    let to_won = pb::Deal { stage_id: Some(stage_id(&strict, "won").to_owned()), ..Default::default() };
    assert_eq!(
        admin.change_deal(&deal.id, to_won, &["stage_id"]).await.unwrap_err().is(),
        (409, "MOVE_NOT_ALLOWED")
    );
    let unknown = Uuid::now_v7().to_string();
    assert_eq!(
        admin.move_deal(moved(&deal, &unknown)).await.unwrap_err().violations(),
        [("/stage_id", "REFERENCE_NOT_FOUND")]
    );
    assert_eq!(admin.deal(&deal.id).await?, deal);
    Ok(())
}

#[tokio::test]
async fn what_a_stage_requires_is_asked_for_at_its_place_and_can_come_with_the_move() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let strict = pipeline(&admin).await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(strict.id.clone()), ..named("A") }).await?;
    let demo = || moved(&deal, stage_id(&strict, "demo"));
    let needs = [("/fields/amount", "REQUIRED_FOR_STAGE"), ("/fields/custom/tier", "REQUIRED_FOR_STAGE")];
    assert_eq!(admin.move_deal(demo()).await.unwrap_err().violations(), needs);
    let patch = pb::Deal { stage_id: Some(stage_id(&strict, "demo").to_owned()), ..Default::default() };
    let needs = [("/amount", "REQUIRED_FOR_STAGE"), ("/custom/tier", "REQUIRED_FOR_STAGE")];
    assert_eq!(admin.change_deal(&deal.id, patch, &["stage_id"]).await.unwrap_err().violations(), needs);
    let fields =
        pb::Deal { amount: Some(euros(500)), custom: r#"{"tier":"gold"}"#.into(), ..Default::default() };
    let moved_on = admin.move_deal(pb::MoveDealRequest { fields: Some(fields), ..demo() }).await?;
    assert_eq!(
        (moved_on.version, moved_on.stage_key.as_str(), moved_on.amount.clone()),
        (2, "demo", Some(euros(500)))
    );
    // It cannot be taken away from it there.
    let refused = admin.change_deal(&deal.id, pb::Deal::default(), &["amount"]).await.unwrap_err();
    assert_eq!(refused.violations(), [("/amount", "REQUIRED_FOR_STAGE")]);
    // Something that it creates there has it too.
    let there = pb::Deal {
        pipeline_id: Some(strict.id.clone()),
        stage_id: Some(stage_id(&strict, "demo").to_owned()),
        ..named("B")
    };
    assert_eq!(admin.create_deal(there).await.unwrap_err().violations(), needs);
    Ok(())
}

#[tokio::test]
async fn a_deal_is_lost_with_a_reason_and_taken_up_again_and_its_history_says_so() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let strict = pipeline(&admin).await?;
    let deal = admin
        .create_deal(pb::Deal { pipeline_id: Some(strict.id.clone()), probability: Some(35), ..named("A") })
        .await?;
    assert_eq!(deal.probability_source(), pb::ProbabilitySource::Manual);
    let lost = || moved(&deal, stage_id(&strict, "lost"));
    let refused = admin.move_deal(lost()).await.unwrap_err();
    assert_eq!(
        refused.violations(),
        [("/fields/lost_reason", "REQUIRED_FOR_STAGE"), ("/reason", "REASON_REQUIRED")]
    );
    world.time.advance(std::time::Duration::from_secs(60));
    let fields = pb::Deal { lost_reason: Some("price".to_owned()), ..Default::default() };
    let request =
        pb::MoveDealRequest { reason: Some("They said no".to_owned()), fields: Some(fields), ..lost() };
    let closed = admin.move_deal(request).await?;
    assert_eq!((closed.status(), closed.probability), (pb::DealStatus::Lost, Some(0)));
    assert!(closed.closed_at.is_some() && closed.stage_reason.is_none());
    assert_eq!(
        admin.move_deal(moved(&deal, stage_id(&strict, "demo"))).await.unwrap_err().metadata()["rule"],
        "reopening"
    );
    let open = admin.move_deal(moved(&deal, stage_id(&strict, "new"))).await?;
    assert_eq!((open.status(), open.closed_at), (pb::DealStatus::Open, None));
    let entries = admin.history(&deal.id).await?;
    let told: Vec<_> = entries
        .iter()
        .map(|entry| {
            let key = |name: &Option<pb::StageName>| name.as_ref().map(|name| name.key.clone());
            (entry.sequence, key(&entry.from), key(&entry.to), entry.source(), entry.reason.clone())
        })
        .collect();
    let key = |key: &str| Some(key.to_owned());
    assert_eq!(
        told,
        [
            (1, None, key("new"), pb::StageSource::Create, None),
            (2, key("new"), key("lost"), pb::StageSource::Move, key("They said no")),
            (3, key("lost"), key("new"), pb::StageSource::Move, None),
        ]
    );
    assert_eq!(entries[0].duration_seconds, Some(60));
    assert_eq!(
        (entries[2].left_at, entries[1].actor.as_ref().unwrap().id.as_str()),
        (None, admin.id.to_string().as_str())
    );
    Ok(())
}

#[tokio::test]
async fn only_who_has_one_of_the_roles_makes_a_move_that_names_roles() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let role = RoleId::from(Uuid::now_v7());
    world.roles.lock().unwrap().insert(role);
    let mut document = document();
    document.transitions =
        vec![pb::Transition { to: "won".to_owned(), role_ids: vec![role.to_string()], ..Default::default() }];
    let bound = admin.create(with("Bound", document)).await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(bound.id.clone()), ..named("A") }).await?;
    let won = || moved(&deal, stage_id(&bound, "won"));
    assert_eq!(admin.move_deal(won()).await.unwrap_err().metadata()["rule"], "role_ids");
    world.gates.snapshots.lock().unwrap().get_mut(&admin.id).unwrap().role_ids = vec![role.to_string()];
    world.gates.gate.forget(admin.tenant.uuid(), Some(admin.id));
    assert_eq!(admin.move_deal(won()).await?.status(), pb::DealStatus::Won);
    Ok(())
}

#[tokio::test]
async fn history_shows_names_as_of_then_and_the_deal_as_of_now() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(made.id.clone()), ..named("A") }).await?;
    let mut renamed = document();
    renamed.stages[0].name = "Fresh".to_owned();
    renamed.stages[0].rotting_days = Some(1);
    renamed.stages.remove(1);
    admin.put(&made.id, renamed).await?;
    admin.publish(publication(&made.id)).await?;
    world.time.advance(std::time::Duration::from_secs(3 * 86_400));
    let admin = world.caller(admin.tenant, &ALL)?;
    let now = admin.deal(&deal.id).await?;
    assert_eq!(
        (now.stage_name.as_str(), now.pipeline_version, now.rotten, now.version),
        ("Fresh", 1, true, 1)
    );
    let then = admin.history(&deal.id).await?.remove(0);
    assert_eq!(then.to.unwrap().name, "NEW");
    Ok(())
}

#[tokio::test]
async fn a_deal_changes_its_pipeline_and_a_pipeline_in_use_is_not_archived() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (from, to) = (admin.make("From").await?, pipeline(&admin).await?);
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(from.id.clone()), ..named("A") }).await?;
    let refused = admin.archive(&from.id).await.unwrap_err();
    assert_eq!((refused.is(), refused.metadata()["open_deals"].as_str()), ((409, "PIPELINE_IN_USE"), "1"));
    let change = |pipeline: &str, stage: Option<&str>| pb::ChangeDealPipelineRequest {
        id: deal.id.clone(),
        pipeline_id: pipeline.to_owned(),
        stage_id: stage.map(str::to_owned),
        reason: Some("Wrong desk".to_owned()),
    };
    let refused = admin.change_pipeline(change(&to.id, Some(stage_id(&to, "demo")))).await.unwrap_err();
    assert_eq!(
        refused.violations(),
        [("/amount", "REQUIRED_FOR_STAGE"), ("/custom/tier", "REQUIRED_FOR_STAGE")]
    );
    // A stage of the pipeline that it leaves is none of the one that it goes to.
    let refused = admin.change_pipeline(change(&to.id, Some(stage_id(&from, "demo")))).await.unwrap_err();
    assert_eq!(refused.violations(), [("/stage_id", "REFERENCE_NOT_FOUND")]);
    let changed = admin.change_pipeline(change(&to.id, None)).await?;
    assert_eq!(
        (changed.pipeline_id.as_deref(), changed.stage_id.as_deref()),
        (Some(to.id.as_str()), Some(stage_id(&to, "new")))
    );
    let last = admin.history(&deal.id).await?.remove(1);
    assert_eq!(
        (last.source(), last.reason.as_deref()),
        (pb::StageSource::ChangePipeline, Some("Wrong desk"))
    );
    admin.archive(&from.id).await?;
    let back = admin.change_pipeline(change(&from.id, None)).await.unwrap_err();
    assert_eq!(back.is(), (409, "PIPELINE_ARCHIVED"));
    Ok(())
}

#[tokio::test]
async fn of_two_who_move_a_deal_at_once_one_wins_and_the_other_is_judged_from_there() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(made.id.clone()), ..named("A") }).await?;
    let (won, demo) = tokio::join!(
        admin.move_deal(moved(&deal, stage_id(&made, "won"))),
        admin.move_deal(moved(&deal, stage_id(&made, "demo")))
    );
    // Nothing leads out of won, and from demo one can still win.
    assert!(won.is_ok());
    let entries = admin.history(&deal.id).await?;
    let keys: Vec<&str> = entries.iter().map(|entry| entry.to.as_ref().unwrap().key.as_str()).collect();
    match demo {
        Ok(_) => assert_eq!(keys, ["new", "demo", "won"]),
        Err(refused) => {
            assert_eq!(refused.metadata()["rule"], "reopening");
            assert_eq!(keys, ["new", "won"]);
        }
    }
    Ok(())
}

/// Who does not know whether a move has happened asks again, with the same key.
#[tokio::test]
async fn a_move_with_a_key_happens_once() -> Result<()> {
    const FIRST: &str = "\"1\"";
    let world = World::new().await?;
    let admin = world.admin()?;
    let strict = pipeline(&admin).await?;
    let other = admin.create(with("Other", document())).await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(strict.id.clone()), ..named("A") }).await?;
    let fields = |custom: &str| {
        Some(pb::Deal { amount: Some(euros(5)), custom: custom.to_owned().into(), ..Default::default() })
    };
    let ask = async |stage: &str, custom: &str, version: &str| {
        let stage_id = Some(stage_id(&strict, stage).to_owned());
        let fields = fields(custom);
        let request = pb::MoveDealRequest { id: deal.id.clone(), stage_id, fields, ..Default::default() };
        let headers = [("idempotency-key", "once"), ("if-match", version)];
        let answer = admin.service.move_deal(admin.request(request, &headers)).await;
        let replayed = answer.as_ref().is_ok_and(|a| a.metadata().contains_key("idempotency-replayed"));
        done(answer).map(|answer| (answer.deal.unwrap(), replayed))
    };
    let (first, replayed) = ask("demo", r#"{"tier":"gold"}"#, FIRST).await?;
    assert_eq!((first.version, replayed), (2, false));
    // Also when the version that it started from is gone, and the deal has moved on.
    admin.move_deal(moved(&deal, stage_id(&strict, "won"))).await?;
    assert_eq!(ask("demo", r#"{ "tier": "gold" }"#, FIRST).await?, (first, true));
    assert_eq!(admin.deal(&deal.id).await?.stage_key, "won");
    // Another stage is another request, and so is another version to start from.
    for (stage, version) in [("new", FIRST), ("demo", "\"3\"")] {
        let reused = ask(stage, r#"{"tier":"gold"}"#, version).await.unwrap_err();
        assert_eq!(reused.is(), (422, "IDEMPOTENCY_KEY_REUSED"), "{stage} {version}");
    }

    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(strict.id.clone()), ..named("B") }).await?;
    let elsewhere = pb::ChangeDealPipelineRequest {
        id: deal.id.clone(),
        pipeline_id: other.id.clone(),
        ..Default::default()
    };
    let mut answers = Vec::new();
    for _ in 0..2 {
        let request = admin.request(elsewhere.clone(), &[("idempotency-key", "once")]);
        answers.push(done(admin.service.change_deal_pipeline(request).await)?.deal.unwrap());
    }
    assert_eq!((answers[0].pipeline_id.as_deref(), &answers[0]), (Some(other.id.as_str()), &answers[1]));
    assert_eq!(admin.deal(&deal.id).await?.version, answers[0].version);
    Ok(())
}
