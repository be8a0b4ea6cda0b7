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
    let made = admin.create(pb::Contact { emails: vec![mail("a@example.test")], ..named("Zoë", "A") }).await?;
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
