//! Lists of operations: whose they are, in which order, and that a walk through the pages misses none.

use anyhow::Result;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use tokio_util::sync::CancellationToken;

use super::imports::{finished, import, upload};
use super::world::{ALL, Caller, Refusal, World, row_id};

/// Queues so many imports; their ids, the newest first.
async fn queue(world: &World, caller: &Caller, count: usize) -> Result<Vec<String>> {
    let file = upload(world, caller, "Mail\nx@x.test\n").await?;
    let mut ids = Vec::new();
    for _ in 0..count {
        let request = import(file, &[("Mail", "emails.address")]);
        ids.insert(0, caller.queue_import(request).await?.id);
    }
    Ok(ids)
}

async fn page(
    caller: &Caller,
    page_size: Option<i32>,
    page_token: &str,
) -> Result<(Vec<common::Operation>, String), Refusal> {
    let request = pb::ListOperationsRequest { page_size, page_token: page_token.to_owned() };
    let answer = caller.service.list_operations(caller.request(request, &[])).await?.into_inner();
    Ok((answer.operations, answer.next_page_token))
}

fn ids(operations: &[common::Operation]) -> Vec<String> {
    operations.iter().map(|operation| operation.id.clone()).collect()
}

#[tokio::test]
async fn a_list_has_the_callers_operations_alone_the_newest_first() -> Result<()> {
    let world = World::alone("globcrm_test_operations_own").await?;
    let (admin, stranger) = (world.admin()?, world.admin()?);
    let colleague = world.caller(admin.tenant, &ALL)?;
    let own = queue(&world, &admin, 3).await?;
    let colleagues = queue(&world, &colleague, 1).await?;
    let foreign = queue(&world, &stranger, 1).await?;
    for (caller, has) in [(&admin, own), (&colleague, colleagues), (&stranger, foreign)] {
        let (operations, next) = page(caller, None, "").await?;
        assert_eq!((ids(&operations), next.as_str()), (has, ""));
        assert!(operations.iter().all(|o| o.state == i32::from(common::OperationState::Queued)));
    }
    // A token is its caller's.
    let (_, token) = page(&admin, Some(1), "").await?;
    let refusal = page(&colleague, Some(1), &token).await.unwrap_err();
    assert_eq!(refusal.is(), (400, "PAGE_TOKEN_MISMATCH"));
    Ok(())
}

#[tokio::test]
async fn a_walk_through_the_pages_has_each_operation_once_though_others_are_queued_meanwhile() -> Result<()> {
    let world = World::alone("globcrm_test_operations_walk").await?;
    let admin = world.admin()?;
    let before = queue(&world, &admin, 5).await?;
    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let (operations, next) = page(&admin, Some(2), &token).await?;
        seen.extend(ids(&operations));
        pages += 1;
        if next.is_empty() {
            break;
        }
        token = next;
        queue(&world, &admin, 1).await?;
    }
    assert_eq!((seen, pages), (before, 3));
    // Now those as well that were queued meanwhile.
    assert_eq!(page(&admin, None, "").await?.0.len(), 7);
    Ok(())
}

#[tokio::test]
async fn a_list_shows_outcomes_and_leaves_out_operations_being_removed() -> Result<()> {
    let world = World::alone("globcrm_test_operations_states").await?;
    let admin = world.admin()?;
    let queued = queue(&world, &admin, 3).await?;
    let [removed, worked, cancelled] = [&queued[0], &queued[1], &queued[2]];
    let request = pb::CancelOperationRequest { id: cancelled.clone() };
    admin.service.cancel_operation(admin.request(request, &[])).await?;
    let mut sql = world.sql().await?;
    sqlx::query(
        "UPDATE records.operation SET state = 'failed', finished_at = now(), purged_at = now() WHERE id = $1",
    )
    .bind(row_id(removed)?)
    .execute(&mut sql)
    .await?;
    // A row with an invalid address.
    let file = upload(&world, &admin, "Mail\nnonsense\n").await?;
    let refused = admin.queue_import(import(file, &[("Mail", "emails.address")])).await?.id;
    tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        over = async {
            finished(&admin, worked).await?;
            finished(&admin, &refused).await
        } => over?,
    };
    let (operations, _) = page(&admin, None, "").await?;
    let shown: Vec<_> = operations
        .iter()
        .map(|o| {
            (
                o.id.as_str(),
                o.state,
                o.progress.unwrap_or_default().failed,
                o.errors.len(),
                o.errors_truncated,
            )
        })
        .collect();
    let (succeeded, stopped) = (common::OperationState::Succeeded, common::OperationState::Cancelled);
    assert_eq!(
        shown,
        [
            (refused.as_str(), succeeded.into(), 1, 0, true),
            (worked.as_str(), succeeded.into(), 0, 0, false),
            (cancelled.as_str(), stopped.into(), 0, 0, false),
        ]
    );
    Ok(())
}
