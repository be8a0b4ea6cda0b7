//! Making, changing, archiving pipelines; who may, and whose they are.

use anyhow::Result;
use proto::identity::v1::Scope;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use proto::pipeline::v1::{self as pb, PipelineState};
use uuid::Uuid;

use super::world::{May, World, document, with};

#[tokio::test]
async fn what_is_wrong_with_a_new_pipeline_is_told_with_pointers_into_the_body() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let mut broken = document();
    broken.stages[1].kind = 0;
    broken.stages[2].name = "a\u{0}b".to_owned();
    let refused = admin.create(with("", broken)).await.unwrap_err();
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"));
    // What cannot be stored comes first.
    assert_eq!(refused.pointers(), ["/name", "/document/stages/2/name"]);
    let mut broken = document();
    broken.stages[1].kind = 0;
    broken.transitions.push(pb::Transition { to: "gone".to_owned(), ..Default::default() });
    let refused = admin.create(with("X", broken)).await.unwrap_err();
    assert_eq!(refused.pointers(), ["/document/stages/1/kind", "/document/transitions/0/to"]);
    let neither = pb::CreatePipelineRequest { name: "X".to_owned(), ..Default::default() };
    assert_eq!(admin.create(neither.clone()).await.unwrap_err().pointers(), ["/document"]);
    let unknown = pb::CreatePipelineRequest { template: Some("b2c".to_owned()), ..neither.clone() };
    assert_eq!(admin.create(unknown).await.unwrap_err().pointers(), ["/template"]);
    let both = pb::CreatePipelineRequest {
        template: Some("recruiting".to_owned()),
        document: Some(document()),
        ..neither
    };
    assert_eq!(admin.create(both).await.unwrap_err().pointers(), ["/template"]);
    let templates = admin
        .service
        .list_pipeline_templates(admin.request(pb::ListPipelineTemplatesRequest {}, &[]))
        .await?;
    for template in templates.into_inner().templates {
        let made = admin.create(with(&template.name, template.document.unwrap())).await?;
        assert_eq!((made.published_version, made.state()), (1, PipelineState::Active));
    }
    Ok(())
}

#[tokio::test]
async fn one_of_the_pipelines_is_the_default_at_all_times() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let (a, b) = (admin.make("A").await?, admin.make("B").await?);
    let (one, two) = tokio::join!(admin.make_default(&a.id), admin.make_default(&b.id));
    assert!(one.is_ok() && two.is_ok());
    let all = admin.list(PipelineState::Active).await?;
    let defaults: Vec<_> = all.iter().filter(|p| p.is_default == Some(true)).map(|p| p.id.clone()).collect();
    assert_eq!(defaults.len(), 1, "{defaults:?}");
    let refused = admin.archive(&defaults[0]).await.unwrap_err();
    assert_eq!(refused.is(), (409, "PIPELINE_IS_DEFAULT"));
    let stop = pb::Pipeline { is_default: Some(false), ..Default::default() };
    let refused = admin.update(&defaults[0], stop, &["is_default"]).await.unwrap_err();
    assert_eq!((refused.is(), refused.pointers()), ((422, "VALIDATION_FAILED"), vec!["/is_default"]));
    Ok(())
}

#[tokio::test]
async fn an_archived_pipeline_is_restored_and_else_stays_as_it_is() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.make("A").await?;
    let archived = admin.archive(&made.id).await?;
    assert_eq!((archived.state(), archived.version), (PipelineState::Archived, 2));
    assert_eq!(admin.archive(&made.id).await?, archived);
    let renamed = pb::Pipeline { name: Some("B".to_owned()), ..Default::default() };
    let gone = (409, "PIPELINE_ARCHIVED");
    assert_eq!(admin.update(&made.id, renamed.clone(), &["name"]).await.unwrap_err().is(), gone);
    assert_eq!(admin.make_default(&made.id).await.unwrap_err().is(), gone);
    assert_eq!(admin.put(&made.id, document()).await.unwrap_err().is(), gone);
    let restored = admin.restore(&made.id).await?;
    assert_eq!((restored.state(), restored.version), (PipelineState::Active, 3));
    let renamed = admin.update(&made.id, renamed, &["name"]).await?;
    assert_eq!((renamed.name.as_deref(), renamed.version), (Some("B"), 4));
    // What changes nothing leaves the version as it is.
    assert_eq!(
        admin.update(&made.id, renamed.clone(), &["name", "is_default"]).await.unwrap_err().pointers(),
        ["/is_default"]
    );
    assert_eq!(admin.update(&made.id, renamed.clone(), &["name", "stages"]).await?, renamed);
    Ok(())
}

#[tokio::test]
async fn a_pipeline_is_its_tenants_own_and_everybodys_in_it_or_nobodys() -> Result<()> {
    let world = World::new().await?;
    let (admin, other) = (world.admin()?, world.admin()?);
    let made = admin.make("A").await?;
    let unknown = other.get(&Uuid::now_v7().to_string()).await.unwrap_err();
    assert_eq!(unknown.is(), (404, "PIPELINE_NOT_FOUND"));
    for id in [made.id.as_str(), "x"] {
        assert_eq!(other.get(id).await.unwrap_err().is(), unknown.is());
        assert_eq!(other.put(id, document()).await.unwrap_err().is(), unknown.is());
        assert_eq!(other.archive(id).await.unwrap_err().is(), unknown.is());
    }
    let own =
        world.caller(admin.tenant, &May { actions: &[("pipeline", "read", Scope::Own)], fields: &[] })?;
    assert_eq!(own.get(&made.id).await.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    let reader =
        world.caller(admin.tenant, &May { actions: &[("pipeline", "read", Scope::All)], fields: &[] })?;
    assert_eq!(reader.get(&made.id).await?, made);
    for refused in [
        reader.put(&made.id, document()).await.map(drop),
        reader.draft(&made.id).await.map(drop),
        reader.archive(&made.id).await.map(drop),
        reader.make("B").await.map(drop),
    ] {
        assert_eq!(refused.unwrap_err().is(), (403, "PERMISSION_DENIED"));
    }
    Ok(())
}
