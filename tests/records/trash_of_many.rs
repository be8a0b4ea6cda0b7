//! Many records that go to the trash at once, and come back.

use std::collections::BTreeMap;

use anyhow::Result;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use tokio_util::sync::CancellationToken;

use super::imports::finished;
use super::world::{Caller, Refusal, World};
use crate::world::done;

fn company(name: &str, domain: Option<&str>) -> pb::Company {
    let domains = domain.into_iter().map(str::to_owned).collect();
    pb::Company { name: Some(name.to_owned()), domains, ..Default::default() }
}

async fn run(who: &Caller, action: &str, ids: &[&str]) -> Result<common::Operation, Refusal> {
    let request = pb::CreateBulkOperationRequest {
        object: "companies".to_owned(),
        ids: ids.iter().map(|id| (*id).to_owned()).collect(),
        action: action.to_owned(),
        ..Default::default()
    };
    let asked = done(who.service.create_bulk_operation(who.request(request, &[])).await)?;
    finished(who, &asked.operation.unwrap().id).await
}

/// What was changed, was so already, and was refused why.
fn outcome(operation: &common::Operation) -> (i64, i64, BTreeMap<&str, &str>) {
    let result = operation.result.unwrap();
    let refused = operation.errors.iter().map(|e| (e.record_id(), e.reason.as_str()));
    (result.updated, result.skipped, refused.collect())
}

#[tokio::test]
async fn many_go_to_the_trash_and_come_back_but_for_those_whose_value_another_has() -> Result<()> {
    let world = World::alone("globcrm_test_trash_of_many").await?;
    let stop = CancellationToken::new();
    let worker = tokio::spawn(world.service.clone().work_bulk(stop.clone()));
    let admin = world.admin()?;
    let first = admin.create_company(company("First", Some("acme.example"))).await?.id;
    run(&admin, "delete", &[&first]).await?;
    // Its domain is free now.
    let second = admin.create_company(company("Second", Some("acme.example"))).await?.id;
    let third = admin.create_company(company("Third", Some("third.example"))).await?.id;
    let live = admin.create_company(company("Live", None)).await?.id;

    let deleted = run(&admin, "delete", &[&first, &second, &third]).await?;
    assert_eq!(outcome(&deleted), (2, 0, [(first.as_str(), "COMPANY_NOT_FOUND")].into()));
    let mut sql = world.sql().await?;
    let tenant = admin.tenant.uuid();
    let listed = "SELECT count(*) FROM records.purge_due WHERE tenant_id = $1";
    let on_list: i64 = sqlx::query_scalar(listed).bind(tenant).fetch_one(&mut sql).await?;
    assert_eq!(on_list, 3);
    let held = "SELECT count(*) FROM records.company_domain WHERE tenant_id = $1 AND live";
    let holding: i64 = sqlx::query_scalar(held).bind(tenant).fetch_one(&mut sql).await?;
    assert_eq!(holding, 0);

    // Both had the domain: the first of them in the order of ids has it again.
    let restored = run(&admin, "restore", &[&second, &live, &third, &first]).await?;
    let refused = [(second.as_str(), "DUPLICATE_VALUE"), (live.as_str(), "COMPANY_NOT_DELETED")];
    assert_eq!(outcome(&restored), (2, 0, refused.into()));
    let holding: i64 = sqlx::query_scalar(held).bind(tenant).fetch_one(&mut sql).await?;
    assert_eq!(holding, 2);
    let on_list: i64 = sqlx::query_scalar(listed).bind(tenant).fetch_one(&mut sql).await?;
    assert_eq!(on_list, 1);
    let log = "SELECT c.verb FROM records.change AS c WHERE c.tenant_id = $1 AND c.record_id = $2 ORDER BY c.version";
    for (id, verbs) in [
        (&first, ["created", "deleted", "restored"].as_slice()),
        (&second, &["created", "deleted"]),
        (&third, &["created", "deleted", "restored"]),
        (&live, &["created"]),
    ] {
        let id: uuid::Uuid = id.parse()?;
        let found: Vec<String> = sqlx::query_scalar(log).bind(tenant).bind(id).fetch_all(&mut sql).await?;
        assert_eq!(found, verbs);
    }
    let told = "SELECT count(*) FROM records.outbox WHERE tenant_id = $1 AND type = $2";
    for (kind, number) in [("records.company.deleted.v1", 3), ("records.company.restored.v1", 2)] {
        let found: i64 = sqlx::query_scalar(told).bind(tenant).bind(kind).fetch_one(&mut sql).await?;
        assert_eq!(found, number, "{kind}");
    }

    // What was taken to the trash comes back by an undo, too.
    let deleted = run(&admin, "delete", &[&first, &third, &live]).await?;
    assert_eq!(outcome(&deleted), (3, 0, BTreeMap::new()));
    let undo = pb::UndoOperationRequest { id: deleted.id };
    let undone = done(admin.service.undo_operation(admin.request(undo, &[])).await)?.operation.unwrap();
    assert_eq!(outcome(&finished(&admin, &undone.id).await?), (3, 0, BTreeMap::new()));
    stop.cancel();
    worker.await?;
    Ok(())
}
