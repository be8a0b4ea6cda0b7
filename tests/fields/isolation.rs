//! Another tenant, a hidden field, a missing permission.

use anyhow::Result;
use db::WorkerDb;
use proto::fields::v1::FieldType;
use proto::identity::v1::Scope;
use uuid::Uuid;

use super::world::{Refusal, World, field, indexed};

#[tokio::test]
async fn another_tenant_sees_nothing_and_changes_nothing() -> Result<()> {
    let world = World::new().await?;
    let (ours, theirs) = (world.admin()?, world.admin()?);
    let made = ours.create(indexed("tier", FieldType::Text)).await?;
    let missing = (404, "FIELD_NOT_FOUND");
    assert_eq!(
        theirs.update(&made.id, field("x", FieldType::Text), &["label"], None).await.unwrap_err().is(),
        missing
    );
    assert_eq!(theirs.deprecate(&made.id).await.unwrap_err().is(), missing);
    assert_eq!(theirs.archive(&made.id).await.unwrap_err().is(), missing);
    assert_eq!(theirs.restore(&made.id).await.unwrap_err().is(), missing);
    assert_eq!(theirs.list(None, "").await?, (vec![], String::new()));
    let set = theirs.field_set(7).await?;
    assert_eq!((set.version, set.fields.len()), (0, 0));
    assert_eq!(theirs.limits().await?["contact.fields"], (0, 100));
    let same_key = theirs.create(indexed("tier", FieldType::Text)).await?;
    assert_eq!(theirs.field_set(0).await?.fields[0].slot, "txt_01", "slots are per tenant");
    assert_ne!(same_key.id, made.id);
    assert_eq!(ours.get("contact", &made.id).await?, made, "untouched");
    Ok(())
}

#[tokio::test]
async fn every_id_that_is_not_there_answers_the_same_bytes() -> Result<()> {
    let world = World::new().await?;
    let (ours, theirs) = (world.admin()?, world.admin()?);
    let foreign = theirs.create(field("tier", FieldType::Text)).await?.id;
    let mine = ours.create(field("tier", FieldType::Text)).await?.id;
    let hiding = world.member(ours.tenant, &["*"], Scope::All, &["custom.tier"])?;
    let random = Uuid::from_u128(0x0189_0a5d_ac96_774b_bcce_b302_099a_8057).to_string();
    let answers = [
        ours.get("contact", &foreign).await,
        ours.get("contact", &random).await,
        ours.get("contact", "no-id").await,
        ours.get("company", &mine).await,
        hiding.get("contact", &mine).await,
    ];
    for answer in answers {
        let status = answer.unwrap_err();
        assert_eq!((status.code(), status.message()), (tonic::Code::NotFound, "not found"));
        let first = ours.get("contact", &random).await.unwrap_err();
        assert_eq!(status.details(), first.details());
    }
    Ok(())
}

#[tokio::test]
async fn an_unknown_object_is_not_found() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let status = admin.create_as("ticket", field("tier", FieldType::Text), &[]).await.unwrap_err();
    assert_eq!(Refusal::from(status).is(), (404, "OBJECT_NOT_FOUND"));
    let status = admin.get("user", "x").await.unwrap_err();
    assert_eq!(Refusal::from(status).is(), (404, "OBJECT_NOT_FOUND"));
    Ok(())
}

#[tokio::test]
async fn a_hidden_field_is_not_listed_and_its_key_stays_taken() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    for key in ["budget", "tier"] {
        admin.create(field(key, FieldType::Text)).await?;
    }
    let hiding = world.member(admin.tenant, &["*"], Scope::All, &["custom.budget"])?;
    assert_eq!(hiding.list(None, "").await?.0, ["tier"]);
    assert_eq!(
        hiding.create(field("budget", FieldType::Text)).await.unwrap_err().reason(),
        "FIELD_KEY_TAKEN"
    );
    assert_eq!(hiding.field_set(0).await?.fields.len(), 2, "owners of records need them all");
    Ok(())
}

#[tokio::test]
async fn an_action_needs_its_permission_with_the_scope_of_all_rows() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(field("tier", FieldType::Text)).await?;
    let denied = (403, "PERMISSION_DENIED");
    let reader = world.member(admin.tenant, &["read"], Scope::All, &[])?;
    assert_eq!(reader.list(None, "").await?.0, ["tier"]);
    assert_eq!(reader.create(field("x", FieldType::Text)).await.unwrap_err().is(), denied);
    assert_eq!(
        reader.update(&made.id, field("x", FieldType::Text), &["label"], None).await.unwrap_err().is(),
        denied
    );
    assert_eq!(reader.archive(&made.id).await.unwrap_err().is(), denied);
    for scope in [Scope::Own, Scope::Team] {
        let lesser = world.member(admin.tenant, &["*"], scope, &[])?;
        assert_eq!(lesser.list(None, "").await.unwrap_err().is(), denied);
        assert_eq!(lesser.limits().await.unwrap_err().is(), denied);
        assert_eq!(lesser.create(field("x", FieldType::Text)).await.unwrap_err().is(), denied);
    }
    let nobody = world.member(admin.tenant, &[], Scope::All, &[])?;
    assert_eq!(nobody.field_set(0).await?.fields.len(), 1, "needs no permission on definitions");
    Ok(())
}

#[tokio::test]
async fn the_database_itself_keeps_tenants_apart() -> Result<()> {
    let world = World::new().await?;
    let (ours, theirs) = (world.admin()?, world.admin()?);
    ours.create(indexed("tier", FieldType::Text)).await?;
    let mut tx = world.tx(theirs.tenant).await?;
    // Without any condition on the tenant: the policy alone decides.
    let seen: Vec<Uuid> = sqlx::query_scalar(
        "SELECT tenant_id FROM fields.field_definition UNION ALL SELECT tenant_id FROM fields.slot_use
         UNION ALL SELECT tenant_id FROM fields.object_version",
    )
    .fetch_all(tx.conn())
    .await?;
    assert!(seen.is_empty(), "{seen:?}");
    let foreign = sqlx::query("INSERT INTO fields.object_version VALUES ($1, 'company', 1, 0)")
        .bind(ours.tenant.uuid())
        .execute(tx.conn())
        .await
        .unwrap_err();
    assert!(foreign.to_string().contains("row-level security"), "{foreign}");
    tx.rollback().await?;

    let mut tx = world.tx(ours.tenant).await?;
    let deleted = sqlx::query("DELETE FROM fields.field_definition").execute(tx.conn()).await.unwrap_err();
    assert!(deleted.to_string().contains("permission denied"), "{deleted}");
    tx.rollback().await?;

    let worker = WorkerDb::new(&world.database.config("fields"), "fields", 1)?;
    let mut tx = worker.begin().await?;
    let read = sqlx::query("SELECT FROM fields.field_definition").execute(tx.conn()).await.unwrap_err();
    assert!(read.to_string().contains("permission denied"), "{read}");
    Ok(())
}
