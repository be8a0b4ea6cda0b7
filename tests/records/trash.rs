//! Deletion is soft, the trash is listed, what comes back is checked.

use anyhow::Result;
use proto::common::v1::ShowDeleted;
use proto::records::v1 as pb;

use super::world::{World, mail, named};

fn trash() -> pb::ListContactsRequest {
    pb::ListContactsRequest { show_deleted: ShowDeleted::Only as i32, ..Default::default() }
}

#[tokio::test]
async fn a_deleted_contact_is_in_the_trash_only_and_comes_back_whole() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made =
        admin.create(pb::Contact { emails: vec![mail("a@example.test")], ..named("Zoë", "A") }).await?;
    assert_eq!(admin.restore(&made.id).await.unwrap_err().is(), (409, "CONTACT_NOT_DELETED"));
    admin.delete(&made.id, &[]).await?;
    assert_eq!(admin.delete(&made.id, &[]).await.unwrap_err().is(), (404, "CONTACT_NOT_FOUND"));
    assert!(admin.list(pb::ListContactsRequest::default()).await?.contacts.is_empty());
    let trash_list = admin.list(trash()).await?.contacts;
    assert_eq!(trash_list.len(), 1);
    assert!(trash_list[0].deleted_at.is_some());
    let live = "SELECT live FROM records.contact_email WHERE tenant_id = $1";
    let mut sql = world.sql().await?;
    let is_live: bool = sqlx::query_scalar(live).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert!(!is_live);

    let back = admin.restore(&made.id).await?;
    assert_eq!((back.version, back.deleted_at), (3, None));
    assert_eq!(admin.get(&made.id).await?, back);
    assert!(admin.list(trash()).await?.contacts.is_empty());
    let is_live: bool = sqlx::query_scalar(live).bind(admin.tenant.uuid()).fetch_one(&mut sql).await?;
    assert!(is_live);
    let due: i64 = sqlx::query_scalar("SELECT count(*) FROM records.purge_due WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .fetch_one(&mut sql)
        .await?;
    assert_eq!(due, 0);
    Ok(())
}

#[tokio::test]
async fn the_purge_removes_what_lay_long_enough_and_nothing_else() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let tagged = |name: &str| pb::Contact {
        tags: vec!["t".to_owned()],
        emails: vec![mail(&format!("{name}@example.test"))],
        external_ids: [(name.to_owned(), "1".to_owned())].into(),
        ..named(name, "")
    };
    let (old, young, live) = (
        admin.create(tagged("old")).await?,
        admin.create(tagged("young")).await?,
        admin.create(tagged("live")).await?,
    );
    for id in [&old.id, &young.id] {
        admin.delete(id, &[]).await?;
    }
    let mut sql = world.sql().await?;
    for statement in [
        "UPDATE records.contacts SET deleted_at = deleted_at - interval '31 days' WHERE tenant_id = $1 AND id = $2",
        "UPDATE records.purge_due SET counted_from = counted_from - interval '31 days' WHERE tenant_id = $1 AND record_id = $2",
    ] {
        let query = sqlx::query(statement).bind(admin.tenant.uuid()).bind(old.id.parse::<uuid::Uuid>()?);
        assert_eq!(query.execute(&mut sql).await?.rows_affected(), 1);
    }
    let purge = world.purge(std::time::Duration::from_secs(30 * 86_400))?;
    assert!(purge.round().await? >= 1);
    for (table, left) in
        [("contacts", 2), ("contact_email", 2), ("record_tag", 2), ("external_id", 2), ("purge_due", 1)]
    {
        assert_eq!(world.count(&mut sql, table, admin.tenant).await?, left, "{table}");
    }
    assert_eq!(admin.restore(&old.id).await.unwrap_err().is(), (404, "CONTACT_NOT_FOUND"));
    admin.restore(&young.id).await?;
    admin.get(&live.id).await?;
    Ok(())
}

#[tokio::test]
async fn the_worker_sees_the_list_of_the_purge_and_no_records() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let made = admin.create(named("Zoë", "")).await?;
    admin.delete(&made.id, &[]).await?;
    let worker = world.worker()?;
    let mut tx = worker.begin().await?;
    let due: i64 = sqlx::query_scalar("SELECT count(*) FROM records.purge_due").fetch_one(tx.conn()).await?;
    assert!(due >= 1);
    drop(tx);
    for statement in
        ["DELETE FROM records.purge_due", "SELECT FROM records.contacts", "SELECT FROM records.change"]
    {
        let mut tx = worker.begin().await?;
        let refused = sqlx::query(statement).execute(tx.conn()).await.unwrap_err();
        let code = refused.as_database_error().and_then(|e| e.code());
        assert_eq!(code.as_deref(), Some("42501"), "{statement}");
    }
    Ok(())
}
