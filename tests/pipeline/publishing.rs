//! Versions: what was published never changes, and what is in force goes by the clock.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Result;
use proto::pipeline::v1 as pb;
use proto::timestamp;

use super::world::{ALL, Caller, World, document, keys, publication, stage};

const DAY: Duration = Duration::from_secs(86_400);

/// A document whose first stage has this name.
fn named(name: &str) -> pb::Document {
    let mut document = document();
    document.stages[0].name = name.to_owned();
    document
}

async fn publish(world: &World, who: &Caller, id: &str, name: &str, in_days: u32) -> Result<pb::Pipeline> {
    who.put(id, named(name)).await?;
    let at = (in_days > 0).then(|| timestamp(world.clock.now_micros() + DAY * in_days));
    Ok(who.publish(pb::PublishPipelineRequest { effective_at: at, ..publication(id) }).await?)
}

/// The name of the first stage in force, the number of the version, and that of the next.
async fn in_force(who: &Caller, id: &str) -> Result<(String, i32, Option<i32>)> {
    let now = who.get(id).await?;
    Ok((now.stages[0].name.clone(), now.published_version, now.next_version.map(|next| next.number)))
}

#[tokio::test]
async fn a_version_is_in_force_from_its_moment_and_a_later_publication_takes_its_place() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let id = admin.make("A").await?.id;
    let scheduled = publish(&world, &admin, &id, "second", 2).await?;
    assert_eq!((scheduled.published_version, scheduled.next_version.unwrap().number), (1, 2));
    assert_eq!(in_force(&admin, &id).await?, ("NEW".to_owned(), 1, Some(2)));
    // Nothing was drafted since.
    assert_eq!(admin.draft(&id).await?.stages[0].name, "second");
    publish(&world, &admin, &id, "third", 4).await?;
    publish(&world, &admin, &id, "fourth", 3).await?;
    // The third would come after the fourth, which was published later.
    assert_eq!(in_force(&admin, &id).await?, ("NEW".to_owned(), 1, Some(2)));
    // Whose token has ended by then has a colleague.
    let tenant = admin.tenant;
    let after = |days: u32| {
        world.time.advance(DAY * days);
        world.caller(tenant, &ALL)
    };
    let admin = after(2)?;
    assert_eq!(in_force(&admin, &id).await?, ("second".to_owned(), 2, Some(4)));
    let admin = after(1)?;
    assert_eq!(in_force(&admin, &id).await?, ("fourth".to_owned(), 4, None));
    let admin = after(10)?;
    assert_eq!(in_force(&admin, &id).await?, ("fourth".to_owned(), 4, None));
    // What is yet to come can be brought forward, and only so many may be.
    publish(&world, &admin, &id, "fifth", 30).await?;
    let forward = admin.publish(publication(&id)).await?;
    assert_eq!((forward.published_version, forward.stages[0].name.as_str()), (6, "fifth"));
    assert_eq!(admin.publish(publication(&id)).await.unwrap_err().is(), (409, "NOTHING_TO_PUBLISH"));
    for n in 0..20 {
        let ahead = || Some(timestamp(world.clock.now_micros() + DAY * (40 + n)));
        admin.put(&id, named(&format!("later {n}"))).await?;
        admin.publish(pb::PublishPipelineRequest { effective_at: ahead(), ..publication(&id) }).await?;
    }
    admin.put(&id, named("too much")).await?;
    let ahead = Some(timestamp(world.clock.now_micros() + DAY * 90));
    let request = pb::PublishPipelineRequest { effective_at: ahead, ..publication(&id) };
    assert_eq!(admin.publish(request).await.unwrap_err().reasons(), ["TOO_MANY_SCHEDULED"]);
    admin.publish(publication(&id)).await?;
    let at = Some(timestamp(world.clock.now_micros() - Duration::from_micros(1)));
    admin.put(&id, named("late")).await?;
    let refused =
        admin.publish(pb::PublishPipelineRequest { effective_at: at, ..publication(&id) }).await.unwrap_err();
    assert_eq!((refused.reasons(), refused.pointers()), (vec!["EFFECTIVE_IN_PAST"], vec!["/effective_at"]));
    Ok(())
}

/// An instance whose clock is behind that of the one that made a pipeline.
#[tokio::test]
async fn the_first_version_is_in_force_for_every_clock() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let ahead = "UPDATE pipeline.pipeline_version SET effective_at = effective_at + interval '1 hour' WHERE pipeline_id = $1";
    let id: uuid::Uuid = made.id.parse()?;
    sqlx::query(ahead).bind(id).execute(&mut world.sql().await?).await?;
    assert_eq!(admin.get(&made.id).await?, made);
    assert_eq!(admin.list(pb::PipelineState::Active).await?.len(), 2);
    Ok(())
}

#[tokio::test]
async fn a_stage_keeps_its_id_by_its_key_also_when_it_was_away() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let id_of = |stages: &[pb::Stage], key: &str| {
        stages.iter().find(|stage| stage.key == key).map(|stage| stage.id.clone()).unwrap()
    };
    let mut without = document();
    without.stages[1] = stage("offer", pb::StageKind::Open, 60);
    admin.put(&made.id, without).await?;
    let mapping = |to: &str| BTreeMap::from([("demo".to_owned(), to.to_owned())]);
    for (mapping, at) in [
        (mapping("gone"), "/stage_mapping/demo"),
        (BTreeMap::from([("new".to_owned(), "offer".to_owned())]), "/stage_mapping/new"),
        (BTreeMap::from([("a/b".to_owned(), "offer".to_owned())]), "/stage_mapping/a~1b"),
    ] {
        let request = pb::PublishPipelineRequest { stage_mapping: mapping, ..publication(&made.id) };
        let refused = admin.publish(request).await.unwrap_err();
        assert_eq!((refused.pointers(), refused.reasons()), (vec![at], vec!["STAGE_UNKNOWN"]));
    }
    let impact = admin.impact(&made.id).await?;
    assert_eq!(impact.retired_stages.iter().map(|s| s.key.as_str()).collect::<Vec<_>>(), ["demo"]);
    let request = pb::PublishPipelineRequest { stage_mapping: mapping("offer"), ..publication(&made.id) };
    let second = admin.publish(request).await?;
    assert_eq!(keys(&second.stages), ["new", "offer", "won", "lost"]);
    assert_eq!(id_of(&second.stages, "new"), id_of(&made.stages, "new"));
    let mut back = document();
    back.stages[1].name = "Demo again".to_owned();
    admin.put(&made.id, back).await?;
    let third = admin.publish(publication(&made.id)).await?;
    assert_eq!(id_of(&third.stages, "demo"), id_of(&made.stages, "demo"));
    let versions = admin.versions(&made.id, None, "").await?.versions;
    assert_eq!(versions.iter().map(|version| version.number).collect::<Vec<_>>(), [3, 2, 1]);
    assert_eq!((&versions[2].stages, &versions[1].stage_mapping), (&made.stages, &mapping("offer")));
    Ok(())
}

#[tokio::test]
async fn impact_names_what_is_renamed_and_what_can_move_no_longer() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let id = admin.make("A").await?.id;
    let mut draft = named("First");
    draft.rules.as_mut().unwrap().allow_skipping = Some(false);
    admin.put(&id, draft).await?;
    let impact = admin.impact(&id).await?;
    assert!(impact.retired_stages.is_empty());
    let renamed: Vec<_> =
        impact.renamed_stages.iter().map(|r| (r.key.as_str(), r.from.as_str(), r.to.as_str())).collect();
    assert_eq!(renamed, [("new", "NEW", "First")]);
    let blocked: Vec<_> = impact.blocked_moves.iter().map(|m| (m.from.as_str(), m.to.as_str())).collect();
    assert_eq!(blocked, [("new", "won")]);
    Ok(())
}

#[tokio::test]
async fn a_publication_happens_once_and_pages_of_versions_hold_each_once() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let id = admin.make("A").await?.id;
    admin.put(&id, named("second")).await?;
    let version = format!("\"{}\"", admin.get(&id).await?.version);
    let headers = [("idempotency-key", "k"), ("if-match", version.as_str())];
    let once = admin.publish_once(publication(&id), &headers).await?;
    // The version is another one by now, and the draft is gone.
    assert_eq!(admin.publish_once(publication(&id), &headers).await?, once);
    for n in 3..=5 {
        publish(&world, &admin, &id, &format!("n{n}"), 0).await?;
    }
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = admin.versions(&id, Some(2), &token).await?;
        seen.extend(page.versions.iter().map(|version| version.number));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(seen, [5, 4, 3, 2, 1]);
    // A token is of its list.
    let other = admin.make("B").await?.id;
    let page = admin.versions(&id, Some(1), "").await?;
    let refused = admin.versions(&other, Some(1), &page.next_page_token).await.unwrap_err();
    assert_eq!(refused.is(), (400, "PAGE_TOKEN_MISMATCH"));
    let verbs: Vec<_> = world.events(&admin).await?.into_iter().map(|event| event.kind).collect();
    assert_eq!(verbs.iter().filter(|verb| verb.ends_with("published.v1")).count(), 4);
    Ok(())
}
