//! Deals leave retired stages as a publication maps them.

use std::time::Duration;

use anyhow::Result;
use proto::pipeline::v1 as pb;
use proto::timestamp;

use super::world::{ALL, Caller, World, document, named, publication, stage_id};
use crate::database::{Database, execute, until_blocked};

/// Longer than the second look is put off.
const SETTLED: Duration = Duration::from_secs(61);

/// Each has a database of its own: the job sees every tenant.
async fn alone(name: &'static str) -> Result<World> {
    World::on(Database::fresh(name, &[pipeline::MIGRATIONS]).await?)
}

impl World {
    /// Publications that are not done with.
    async fn scheduled(&self) -> Result<i64> {
        let query = sqlx::query_scalar("SELECT count(*) FROM pipeline.stage_mapping");
        Ok(query.fetch_one(&mut self.sql().await?).await?)
    }
}

async fn deal(who: &Caller, pipeline: &pb::Pipeline, key: &str) -> Result<pb::Deal> {
    let stage = Some(stage_id(pipeline, key).to_owned());
    Ok(who
        .create_deal(pb::Deal { pipeline_id: Some(pipeline.id.clone()), stage_id: stage, ..named(key) })
        .await?)
}

/// Publishes the pipeline without the stage `demo`, whose deals go to `to`.
async fn retire(who: &Caller, id: &str, to: &str, at: Option<time::OffsetDateTime>) -> Result<pb::Pipeline> {
    let mut without = document();
    without.stages.remove(1);
    without.stages[0].required_fields = vec!["amount".to_owned(), "custom.tier".to_owned()];
    who.put(id, without).await?;
    let stage_mapping = [("demo".to_owned(), to.to_owned())].into();
    let effective_at = at.map(timestamp);
    Ok(who.publish(pb::PublishPipelineRequest { stage_mapping, effective_at, ..publication(id) }).await?)
}

/// Where a deal has been: the keys, and by what it came there.
async fn way(who: &Caller, id: &str) -> Result<Vec<(String, pb::StageSource)>> {
    let entries = who.history(id).await?;
    Ok(entries.into_iter().map(|entry| (entry.to.clone().unwrap().key, entry.source())).collect())
}

fn went(way: &[(String, pb::StageSource)]) -> Vec<(&str, pb::StageSource)> {
    way.iter().map(|(key, source)| (key.as_str(), *source)).collect()
}

const MAPPED: [(&str, pb::StageSource); 2] =
    [("demo", pb::StageSource::Create), ("new", pb::StageSource::Publish)];

#[tokio::test]
async fn deals_go_where_the_publication_says_and_nothing_else_of_them_changes() -> Result<()> {
    let world = alone("globcrm_test_mapping").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let (stays, goes) = (deal(&admin, &made, "new").await?, deal(&admin, &made, "demo").await?);
    let own = pb::Deal { probability: Some(77), ..Default::default() };
    let own = admin.change_deal(&deal(&admin, &made, "demo").await?.id, own, &["probability"]).await?;
    let trashed = deal(&admin, &made, "demo").await?;
    admin.delete_deal(&trashed.id).await?;
    admin
        .put(&made.id, {
            let mut without = document();
            without.stages.remove(1);
            without
        })
        .await?;
    let impact = admin.impact(&made.id).await?;
    assert_eq!((impact.retired_stages[0].key.as_str(), impact.retired_stages[0].open_deals), ("demo", 2));

    world.time.advance(Duration::from_secs(10));
    retire(&admin, &made.id, "new", None).await?;
    world.map().await?;
    let moved = admin.deal(&goes.id).await?;
    assert_eq!(
        (moved.stage_key.as_str(), moved.pipeline_version, moved.version, moved.probability),
        ("new", 2, 2, Some(10))
    );
    assert_eq!(moved.missing_fields, ["amount", "custom.tier"]);
    assert!(moved.stage_entered_at.unwrap().seconds >= goes.stage_entered_at.unwrap().seconds + 10);
    assert_eq!(went(&way(&admin, &goes.id).await?), MAPPED);
    let entries = admin.history(&goes.id).await?;
    assert_eq!((entries[0].left_at, entries[1].pipeline_version), (entries[1].entered_at, 2));
    assert_eq!(entries[1].actor.as_ref().unwrap().id, admin.id.to_string());
    let own = (admin.deal(&own.id).await?, own);
    assert_eq!((own.0.probability, own.0.version), (Some(77), own.1.version + 1));
    assert_eq!(admin.deal(&stays.id).await?.version, 1);
    let back = admin.restore_deal(&trashed.id).await?;
    assert_eq!(back.stage_key, "new");
    assert_eq!(went(&way(&admin, &trashed.id).await?), MAPPED);
    // Others are told of it as of any change.
    let events = world.events(&admin).await?;
    let told = events.iter().filter(|event| event.record_id.to_string() == goes.id);
    let mut told: Vec<(&str, i64)> = told.map(|event| (event.verb(), event.version)).collect();
    // By another lane, as nobody waits for it.
    told.sort_by_key(|(_, version)| *version);
    assert_eq!(told, [("created", 1), ("stage_changed", 1), ("updated", 2), ("stage_changed", 2)]);
    let last = |verb: &str| {
        let is = |event: &&events::Event| event.record_id.to_string() == goes.id && event.version == 2;
        events.iter().filter(is).find(|event| event.verb() == verb).unwrap()
    };
    assert!(last("updated").change("stage_id").is_some());
    // With the names of then, and who published.
    let moved = last("stage_changed");
    let said = |field: &str| moved.change(field).and_then(|change| change.after.clone()).unwrap();
    let to = entries[1].to.clone().unwrap();
    let stage: serde_json::Value = serde_json::from_str(&said("stage"))?;
    assert_eq!((stage["key"].as_str(), stage["name"].as_str()), (Some(&*to.key), Some(&*to.name)));
    assert_eq!((said("source").as_str(), moved.actor_kind), ("\"publish\"", Some(auth::PrincipalKind::User)));
    Ok(())
}

#[tokio::test]
async fn a_version_that_is_yet_to_come_moves_deals_when_it_comes() -> Result<()> {
    let world = alone("globcrm_test_mapping_later").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let goes = deal(&admin, &made, "demo").await?;
    let day = Duration::from_secs(86_400);
    retire(&admin, &made.id, "won", Some(world.clock.now_micros() + day)).await?;
    world.map().await?;
    assert_eq!(admin.deal(&goes.id).await?, goes);
    world.time.advance(day);
    let admin = world.caller(admin.tenant, &ALL)?;
    world.map().await?;
    let won = admin.deal(&goes.id).await?;
    assert_eq!(
        (won.stage_key.as_str(), won.status(), won.probability),
        ("won", pb::DealStatus::Won, Some(100))
    );
    assert_eq!(won.closed_at, won.stage_entered_at);
    Ok(())
}

#[tokio::test]
async fn one_whose_place_another_took_before_it_came_moves_nothing() -> Result<()> {
    let world = alone("globcrm_test_mapping_never").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let goes = deal(&admin, &made, "demo").await?;
    let day = Duration::from_secs(86_400);
    retire(&admin, &made.id, "won", Some(world.clock.now_micros() + day * 2)).await?;
    admin.put(&made.id, document()).await?;
    let sooner = timestamp(world.clock.now_micros() + day);
    admin.publish(pb::PublishPipelineRequest { effective_at: Some(sooner), ..publication(&made.id) }).await?;
    world.time.advance(day * 3);
    let admin = world.caller(admin.tenant, &ALL)?;
    world.map().await?;
    assert_eq!(admin.deal(&goes.id).await?.stage_key, "demo");
    assert_eq!(world.scheduled().await?, 0);
    Ok(())
}

#[tokio::test]
async fn what_comes_late_is_found_by_the_second_look_and_a_stage_that_came_back_is_not_left() -> Result<()> {
    let world = alone("globcrm_test_mapping_late").await?;
    let admin = world.admin()?;
    let (made, other) = (admin.make("A").await?, admin.make("B").await?);
    let (late, kept) = (deal(&admin, &made, "new").await?, deal(&admin, &other, "demo").await?);
    retire(&admin, &made.id, "new", None).await?;
    retire(&admin, &other.id, "new", None).await?;
    // As by calls that began before the publications, and the second stage is back before the job looks.
    admin.put(&other.id, document()).await?;
    admin.publish(publication(&other.id)).await?;
    world.map().await?;
    let text = format!(
        "UPDATE pipeline.deals SET stage_id = '{}' WHERE id = '{}'",
        stage_id(&made, "demo"),
        late.id
    );
    execute(&mut world.sql().await?, text).await?;
    world.map().await?;
    assert_eq!(admin.deal(&late.id).await?.version, 1, "it was put off");
    world.time.advance(SETTLED);
    world.map().await?;
    assert_eq!(admin.deal(&late.id).await?.version, 2);
    assert_eq!(admin.deal(&kept.id).await?, kept);
    assert_eq!(world.scheduled().await?, 0);
    Ok(())
}

#[tokio::test]
async fn a_deal_that_somebody_moves_meanwhile_stays_where_they_put_it() -> Result<()> {
    let world = alone("globcrm_test_mapping_race").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let goes = deal(&admin, &made, "demo").await?;
    retire(&admin, &made.id, "new", None).await?;
    let mut sql = world.sql().await?;
    execute(&mut sql, "BEGIN").await?;
    let text = format!(
        "UPDATE pipeline.deals SET stage_id = '{}', stage_key = 'won', version = 2 WHERE id = '{}'",
        stage_id(&made, "won"),
        goes.id
    );
    execute(&mut sql, text).await?;
    let commit = async {
        until_blocked(&mut world.sql().await?, "FOR UPDATE OF t").await;
        execute(&mut sql, "COMMIT").await
    };
    let (mapped, committed) = tokio::join!(world.map(), commit);
    mapped?;
    committed?;
    let won = admin.deal(&goes.id).await?;
    assert_eq!((won.stage_key.as_str(), won.version), ("won", 2));
    assert_eq!(admin.history(&goes.id).await?.len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_target_that_was_retired_in_its_turn_is_followed() -> Result<()> {
    let world = alone("globcrm_test_mapping_chain").await?;
    let admin = world.admin()?;
    let mut three = document();
    three.stages.insert(2, super::world::stage("offer", pb::StageKind::Open, 70));
    let made = admin.create(super::world::with("A", three.clone())).await?;
    let goes = deal(&admin, &made, "demo").await?;
    let map = async |document: pb::Document, from: &str, to: &str| -> Result<pb::Pipeline> {
        world.time.advance(Duration::from_secs(1));
        admin.put(&made.id, document).await?;
        let stage_mapping = [(from.to_owned(), to.to_owned())].into();
        Ok(admin.publish(pb::PublishPipelineRequest { stage_mapping, ..publication(&made.id) }).await?)
    };
    let mut without_demo = three;
    without_demo.stages.remove(1);
    let mut without_both = without_demo.clone();
    without_both.stages.remove(1);
    map(without_demo, "demo", "offer").await?;
    map(without_both, "offer", "new").await?;
    world.map().await?;
    let moved = admin.deal(&goes.id).await?;
    assert_eq!((moved.stage_key.as_str(), moved.pipeline_version), ("new", 3));
    Ok(())
}

#[tokio::test]
async fn a_version_that_is_brought_forward_moves_its_deals_then() -> Result<()> {
    let world = alone("globcrm_test_mapping_forward").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let goes = deal(&admin, &made, "demo").await?;
    retire(&admin, &made.id, "new", Some(world.clock.now_micros() + Duration::from_secs(86_400))).await?;
    assert_eq!(admin.publish(publication(&made.id)).await?.published_version, 3);
    world.map().await?;
    assert_eq!(admin.deal(&goes.id).await?.stage_key, "new");
    Ok(())
}

#[tokio::test]
async fn in_an_archived_pipeline_deals_stay_where_they_are() -> Result<()> {
    let world = alone("globcrm_test_mapping_archived").await?;
    let admin = world.admin()?;
    let mut two = document();
    two.stages.insert(3, super::world::stage("signed", pb::StageKind::Won, 100));
    let made = admin.create(super::world::with("A", two)).await?;
    let won = deal(&admin, &made, "signed").await?;
    admin.put(&made.id, document()).await?;
    let later = timestamp(world.clock.now_micros() + Duration::from_secs(5));
    let stage_mapping = [("signed".to_owned(), "new".to_owned())].into();
    let request =
        pb::PublishPipelineRequest { stage_mapping, effective_at: Some(later), ..publication(&made.id) };
    admin.publish(request).await?;
    admin.archive(&made.id).await?;
    world.time.advance(Duration::from_secs(6));
    world.map().await?;
    assert_eq!(admin.deal(&won.id).await?.status(), pb::DealStatus::Won);
    assert_eq!(world.scheduled().await?, 0);
    Ok(())
}

#[tokio::test]
async fn any_number_of_deals_is_moved_once_by_jobs_that_run_at_once_and_one_that_is_cut_off() -> Result<()> {
    let world = alone("globcrm_test_mapping_many").await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let first = deal(&admin, &made, "demo").await?;
    // More than one turn of a publication moves.
    sqlx::query(
        "WITH copy AS (
             INSERT INTO pipeline.deals SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid()))).*
             FROM pipeline.deals AS d, generate_series(1, 2500) WHERE d.id = $1 RETURNING tenant_id, id)
         INSERT INTO pipeline.stage_entry SELECT (jsonb_populate_record(e, jsonb_build_object('deal_id', copy.id))).*
         FROM pipeline.stage_entry AS e, copy WHERE e.deal_id = $1",
    )
    .bind(first.id.parse::<uuid::Uuid>()?)
    .execute(&mut world.sql().await?)
    .await?;
    retire(&admin, &made.id, "new", None).await?;
    let (one, two) = (world.mapping()?, world.mapping()?);
    // Cut off anywhere, what was not committed is done by the next.
    let cut = tokio::time::timeout(Duration::from_millis(100), one.round()).await;
    assert!(cut.is_err(), "it takes longer than that");
    let both = async || -> Result<()> {
        loop {
            let (one, two) = tokio::try_join!(one.round(), two.round())?;
            if !one && !two {
                return Ok(());
            }
        }
    };
    both().await?;
    let counted: (i64, i64, i64) = sqlx::query_as(
        "SELECT (SELECT count(*) FROM pipeline.deals WHERE stage_key = 'new' AND version = 2),
             (SELECT count(*) FROM pipeline.stage_entry WHERE source = 'publish' AND sequence = 2 AND left_at IS NULL),
             (SELECT count(*) FROM pipeline.stage_entry)",
    )
    .fetch_one(&mut world.sql().await?)
    .await?;
    assert_eq!(counted, (2_501, 2_501, 5_002));
    Ok(())
}

#[tokio::test]
async fn a_pipeline_that_a_deal_is_on_its_way_into_is_not_archived() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (from, into) = (admin.make("From").await?, admin.make("Into").await?);
    let goes = deal(&admin, &from, "new").await?;
    let mut sql = world.sql().await?;
    execute(&mut sql, "BEGIN").await?;
    execute(&mut sql, format!("SELECT 1 FROM pipeline.pipeline WHERE id = '{}' FOR SHARE", into.id)).await?;
    let (pipeline, stage) = (&into.id, stage_id(&into, "new"));
    let text = format!(
        "UPDATE pipeline.deals SET pipeline_id = '{pipeline}', stage_id = '{stage}' WHERE id = '{}'",
        goes.id
    );
    execute(&mut sql, text).await?;
    let commit = async {
        until_blocked(&mut world.sql().await?, "FOR NO KEY UPDATE").await;
        execute(&mut sql, "COMMIT").await
    };
    let (archived, committed) = tokio::join!(admin.archive(&into.id), commit);
    committed?;
    assert_eq!(archived.unwrap_err().is(), (409, "PIPELINE_IN_USE"));
    Ok(())
}
