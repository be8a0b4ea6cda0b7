//! The first pipeline of a tenant.

use anyhow::Result;
use proto::pipeline::v1::PipelineState;

use super::world::{World, keys};

#[tokio::test]
async fn a_tenant_has_a_default_pipeline_at_the_first_look_and_one_only() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    // Whoever looks at the same time makes no second one.
    let all = || PipelineState::Unspecified;
    let (a, b, c) = tokio::join!(admin.list(all()), admin.list(all()), admin.list(all()));
    let first = a?;
    assert_eq!((&first, &first), (&b?, &c?));
    let [sales] = first.as_slice() else { panic!("{first:?}") };
    assert_eq!(
        (sales.name.as_deref(), sales.is_default, sales.published_version),
        (Some("Sales"), Some(true), 1)
    );
    assert_eq!(
        keys(&sales.stages),
        ["qualified", "discovery", "proposal", "negotiation", "contract", "won", "lost"]
    );
    assert!(sales.stages.iter().all(|stage| !stage.id.is_empty()));
    let events = world.events(&admin).await?;
    let verbs: Vec<_> = events.iter().map(|event| event.kind.as_str()).collect();
    assert_eq!(verbs, ["pipeline.pipeline.created.v1"]);
    Ok(())
}

#[tokio::test]
async fn the_first_pipeline_is_there_before_the_second_is_made_and_does_not_come_again() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mine = admin.make("Mine").await?;
    assert_eq!(mine.is_default, Some(false));
    let all = admin.list(PipelineState::Unspecified).await?;
    let names: Vec<_> = all.iter().map(|p| (p.name.as_deref().unwrap(), p.is_default)).collect();
    assert_eq!(names, [("Sales", Some(true)), ("Mine", Some(false))]);
    admin.make_default(&mine.id).await?;
    admin.archive(&all[0].id).await?;
    let other = admin.make("Other").await?;
    let active = admin.list(PipelineState::Active).await?;
    let ids: Vec<_> = active.iter().map(|pipeline| pipeline.id.as_str()).collect();
    assert_eq!(ids, [mine.id.as_str(), other.id.as_str()]);
    Ok(())
}
