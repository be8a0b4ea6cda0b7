//! H6, H7, M1: what one tenant imports and stores leaves room for the others.

use std::time::Duration;

use anyhow::Result;
use proto::common::v1 as common;
use proto::fields::v1 as fields;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use records::Quotas;
use reqwest::Method;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::database::{Database, until_blocked};
use crate::records::imports::{finished, import, upload};
use crate::records::world::{Caller, May, Refusal, World, mail, named, row_id};
use crate::stage::{Stage, Tenant};
use crate::waiting::{outcome, until};
use crate::world::definitions;

const LONG: Duration = Duration::from_secs(60);
const COLUMNS: [(&str, &str); 2] = [("Mail", "emails.address"), ("First", "first_name")];

fn rows(from: usize, to: usize) -> String {
    let rows = (from..to).map(|n| format!("p{n}@x.test,P\n"));
    format!("Mail,First\n{}", rows.collect::<String>())
}

async fn queue(caller: &Caller, upload: Uuid, dry_run: bool) -> Result<String, Refusal> {
    Ok(caller.queue_import(pb::CreateImportRequest { dry_run, ..import(upload, &COLUMNS) }).await?.id)
}

async fn queued(world: &World, caller: &Caller, file: &str, dry_run: bool) -> Result<String> {
    Ok(queue(caller, upload(world, caller, file).await?, dry_run).await?)
}

/// A tenant's one row is imported before the queue of another that came first, and every tenant has its turn between the
/// batches of the others.
#[tokio::test]
async fn the_tenant_that_waited_longest_is_next_after_each_batch() -> Result<()> {
    let world = World::alone("globcrm_test_shares_turns").await?;
    let (greedy, small, other) = (world.admin()?, world.admin()?, world.admin()?);
    let mut greedy_ones = Vec::new();
    for n in 0..4 {
        greedy_ones.push(queued(&world, &greedy, &rows(0, 1_600), n % 2 == 0).await?);
    }
    let others = queued(&world, &other, &rows(0, 1_600), false).await?;
    let one = queued(&world, &small, &rows(0, 1), false).await?;
    let ends = async {
        let small = finished(&small, &one).await?;
        let other = finished(&other, &others).await?;
        let mut ends = Vec::new();
        for id in &greedy_ones {
            let operation = finished(&greedy, id).await?;
            assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{operation:?}");
            ends.push(operation.finished_at.map(|at| (at.seconds, at.nanos)));
        }
        let end = |operation: &common::Operation| operation.finished_at.map(|at| (at.seconds, at.nanos));
        assert_eq!(small.result.unwrap().created, 1);
        assert_eq!(other.result.unwrap().created, 1_600);
        Ok::<_, anyhow::Error>((end(&small), end(&other), ends))
    };
    let (small, other, greedy) = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        ends = ends => ends?,
    };
    assert!(greedy.iter().all(|end| small < *end), "{small:?} {greedy:?}");
    // As large as each of the four, and not behind more than one of them.
    assert!(greedy[1..].iter().all(|end| other < *end), "{other:?} {greedy:?}");
    assert!(greedy.is_sorted(), "a tenant's own go in their order: {greedy:?}");
    Ok(())
}

/// An import whose worker goes away between two batches goes on with another, and no row is done twice.
#[tokio::test]
async fn a_turn_given_back_is_taken_by_any_worker_and_no_row_is_done_twice() -> Result<()> {
    let world = World::alone("globcrm_test_shares_workers").await?;
    let admin = world.admin()?;
    let id = queued(&world, &admin, &rows(0, 2_600), false).await?;
    let row = row_id(&id)?;
    let mut sql = world.sql().await?;
    let begun = until(LONG, "the first worker has done a batch", async || {
        let done: i64 = sqlx::query_scalar("SELECT done FROM records.operation WHERE id = $1")
            .bind(row)
            .fetch_one(&mut sql)
            .await
            .expect("the operation is there");
        done > 0
    });
    tokio::select! {
        () = world.instance()?.work_imports(CancellationToken::new()) => unreachable!(),
        () = begun => {}
    }
    let operation = tokio::select! {
        () = world.instance()?.work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &id) => operation?,
    };
    let result = operation.result.unwrap();
    assert_eq!((result.created, result.updated, result.failed), (2_600, 0, 0));
    assert_eq!(world.count(&mut world.sql().await?, "contacts", admin.tenant).await?, 2_600);
    Ok(())
}

/// A batch that waits for a row that somebody holds gives back its fences: a revoke does not wait for it.
#[tokio::test]
async fn a_batch_that_cannot_go_on_gives_its_fences_back() -> Result<()> {
    let world = World::alone("globcrm_test_shares_fences").await?;
    let admin = world.admin()?;
    let contact = pb::Contact { emails: vec![mail("p0@x.test")], ..named("A", "B") };
    let contact = admin.create(contact).await?.id;
    let id = queued(&world, &admin, &rows(0, 1), false).await?;
    let mut held = world.tx(admin.tenant).await?;
    sqlx::query("SELECT FROM records.contacts WHERE tenant_id = $1 AND id = $2 FOR UPDATE")
        .bind(held.tenant_id())
        .bind(Uuid::parse_str(&contact)?)
        .execute(held.conn())
        .await?;
    let mut raising = world.tx(admin.tenant).await?;
    db::fence::raise(&mut raising, None, 1).await?;
    raising.commit().await?;
    let mut sql = world.sql().await?;
    let attack = async {
        until_blocked(&mut sql, "FOR UPDATE OF t").await;
        // While the contact is still held.
        outcome(LONG, "the fence is raised", async || {
            let mut raising = world.tx(admin.tenant).await?;
            db::fence::raise(&mut raising, None, 2).await?;
            raising.commit().await?;
            anyhow::Ok(())
        })
        .await;
        held.rollback().await?;
        Ok::<_, anyhow::Error>(finished(&admin, &id).await?)
    };
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = tokio::time::timeout(LONG, attack) => operation??,
    };
    assert_eq!(operation.result.unwrap().updated, 1);
    Ok(())
}

#[tokio::test]
async fn a_tenant_queues_so_many_operations_and_no_more() -> Result<()> {
    let quotas = Quotas { operations: operations::Quota { open: 3, kept: 5 }, ..Quotas::default() };
    let database = Database::fresh("globcrm_test_shares_queue", &[records::MIGRATIONS]).await?;
    let world = World::with(database, quotas)?;
    let (greedy, other) = (world.admin()?, world.admin()?);
    let file = upload(&world, &greedy, &rows(0, 2)).await?;
    // At once, so that none can hide behind the count of another.
    let tries: Vec<_> = (0..8)
        .map(|_| {
            let greedy = greedy.clone();
            tokio::spawn(async move { queue(&greedy, file, true).await })
        })
        .collect();
    let (mut taken, mut refused) = (Vec::new(), 0);
    for outcome in tries {
        match outcome.await? {
            Ok(id) => taken.push(id),
            Err(refusal) => {
                assert_eq!(refusal.is(), (429, "OPERATIONS_TOO_MANY"));
                assert_eq!(refusal.metadata()["quota"], "operations_open");
                refused += 1;
            }
        }
    }
    assert_eq!((taken.len(), refused), (3, 5));
    queued(&world, &other, &rows(0, 1), true).await?;
    let ends = async {
        for id in &taken {
            finished(&greedy, id).await?;
        }
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        ends = ends => ends?,
    }
    // What is over makes room for what waits, but is kept as well.
    queue(&greedy, file, true).await?;
    queue(&greedy, file, true).await?;
    let refusal = queue(&greedy, file, true).await.unwrap_err();
    assert_eq!(refusal.is(), (429, "OPERATIONS_TOO_MANY"));
    assert_eq!(refusal.metadata()["quota"], "operations");
    Ok(())
}

/// Files of this process that a tenant has stored.
fn open_files(tenant: ids::TenantId) -> Result<usize> {
    let tenant = tenant.to_string();
    let links = std::fs::read_dir("/proc/self/fd")?.filter_map(|fd| std::fs::read_link(fd.ok()?.path()).ok());
    Ok(links.filter(|path| path.to_string_lossy().contains(&tenant)).count())
}

/// An import whose user loses the permission between two batches fails, and its file does not stay open.
#[tokio::test]
async fn the_file_of_a_failed_import_is_closed() -> Result<()> {
    let world = World::alone("globcrm_test_shares_closed").await?;
    let admin = world.admin()?;
    let id = queued(&world, &admin, &rows(0, 20_000), false).await?;
    let row = row_id(&id)?;
    let mut sql = world.sql().await?;
    let attack = async {
        until(LONG, "a batch is done, and the file is open", async || {
            let query = sqlx::query_scalar("SELECT done FROM records.operation WHERE id = $1").bind(row);
            let done: i64 = query.fetch_one(&mut sql).await.expect("the operation is there");
            done > 0 && open_files(admin.tenant).expect("files are listed") > 0
        })
        .await;
        world.allow(
            admin.id,
            2,
            &May { actions: &[("contact", "read", proto::identity::v1::Scope::All)], fields: &[] },
        );
        outcome(LONG, "the fence is raised", async || {
            let mut raising = world.tx(admin.tenant).await?;
            db::fence::raise(&mut raising, None, 2).await?;
            raising.commit().await?;
            Ok::<_, anyhow::Error>(())
        })
        .await;
        until(LONG, "the import has failed", async || {
            let query =
                sqlx::query_scalar("SELECT state = 'failed' FROM records.operation WHERE id = $1").bind(row);
            query.fetch_one(&mut sql).await.expect("the operation is there")
        })
        .await;
        // Long before those that nobody uses are.
        until(LONG / 4, "its file is closed", async || {
            open_files(admin.tenant).expect("files are listed") == 0
        })
        .await;
        Ok::<_, anyhow::Error>(())
    };
    tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        done = attack => done,
    }
}

/// Uploads over HTTP, at once: a tenant keeps so many and so many bytes.
#[tokio::test]
async fn a_tenant_keeps_so_many_uploads_and_bytes_and_no_more() -> Result<()> {
    let quotas =
        &[("GLOBCRM_RECORDS_UPLOADS_PER_TENANT", "4"), ("GLOBCRM_RECORDS_UPLOAD_BYTES_PER_TENANT", "1000")];
    let stage = tokio::task::spawn_blocking(move || Stage::start_with(quotas)).await?;
    let (greedy, large) = (stage.tenant("greedy").await, stage.tenant("large").await);
    let upload = |tenant: &Tenant, bytes: usize| {
        let call = tenant.admin.call(Method::POST, "/api/v1/uploads");
        call.bytes("text/csv", vec![b'x'; bytes]).send()
    };
    let answers = futures_util::future::join_all((1..=7).map(|n| upload(&greedy, n))).await;
    let taken = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!(taken, 4);
    for answer in answers.iter().filter(|answer| answer.status != 201) {
        answer.refused(429, "UPLOADS_TOO_MANY");
    }
    upload(&large, 900).await.expect(201);
    upload(&large, 101).await.refused(429, "UPLOADS_TOO_MANY");
    upload(&large, 100).await.expect(201);
    Ok(())
}

/// The review's file: everything in it is wrong, in 40 columns. What is kept of it is bounded, and the answer says so.
#[tokio::test]
async fn a_file_of_errors_leaves_a_bounded_number_of_them() -> Result<()> {
    let world = World::alone("globcrm_test_shares_errors").await?;
    let admin = world.admin()?;
    let numbers: Vec<String> = (0..40).map(|n| format!("n{n}")).collect();
    let fields =
        (300..).zip(&numbers).map(|(n, key)| definitions::field(n, key, fields::FieldType::Integer, ""));
    definitions::add(&mut world.definitions.lock().unwrap(), fields);
    // Long names of columns, which every error repeats.
    let pad = "x".repeat(5_000);
    let header: Vec<String> = numbers.iter().map(|key| format!("{key}{pad}")).collect();
    let row = format!("{}\n", vec!["x"; 40].join(","));
    let file = format!("{}\n{}", header.join(","), row.repeat(1_000));
    let columns: Vec<(String, String)> =
        header.iter().zip(&numbers).map(|(column, key)| (column.clone(), format!("custom.{key}"))).collect();
    let columns: Vec<(&str, &str)> = columns.iter().map(|(c, f)| (c.as_str(), f.as_str())).collect();
    let request = import(upload(&world, &admin, &file).await?, &columns);
    let id = admin.queue_import(request).await?.id;
    let operation = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = finished(&admin, &id) => operation?,
    };
    assert_eq!(operation.progress.unwrap().failed, 1_000);
    assert!(operation.errors_truncated);
    let (kept, bytes): (i64, i64) = sqlx::query_as(
        "SELECT count(*), sum(length(column_name) + length(reason) + length(detail))::bigint
         FROM records.operation_error WHERE tenant_id = $1",
    )
    .bind(admin.tenant.uuid())
    .fetch_one(&mut world.sql().await?)
    .await?;
    assert!(kept <= 10_000 && bytes <= 2 << 20, "{kept} errors of {bytes} bytes");
    // Each row has its 40 errors, and one as it names nobody.
    assert_eq!(kept + operation.errors_omitted, 41_000);
    let request = pb::GetOperationErrorsRequest { id };
    let mut stream = admin.service.get_operation_errors(admin.request(request, &[])).await?.into_inner();
    let mut csv = Vec::new();
    while let Some(piece) = futures_util::StreamExt::next(&mut stream).await {
        csv.extend_from_slice(&piece?.data);
    }
    let csv = String::from_utf8(csv)?;
    assert_eq!(csv.lines().count() as i64, kept + 2);
    let last = format!(",,ERRORS_OMITTED,{} more errors are not kept,,", operation.errors_omitted);
    assert_eq!(csv.lines().last(), Some(last.as_str()));
    Ok(())
}

/// H5: what a list makes the database do is told with its answer, and has a bound for every field.
#[tokio::test]
async fn a_list_tells_what_it_cost_and_looks_at_a_bounded_number_of_rows() -> Result<()> {
    let world = World::alone("globcrm_test_shares_cost").await?;
    let admin = world.admin()?;
    let first = admin.create(named("A", "B")).await?.id;
    let mut sql = world.sql().await?;
    let copies = async |sql: &mut sqlx::PgConnection, from: i64, to: i64| {
        sqlx::query(
            "INSERT INTO records.contacts
             SELECT r.* FROM records.contacts AS t CROSS JOIN generate_series($2::bigint, $3::bigint) AS n,
                 LATERAL jsonb_populate_record(t, jsonb_build_object('id', gen_random_uuid(), 'score', n)) AS r
             WHERE t.id = $1",
        )
        .bind(Uuid::parse_str(&first).expect("an id"))
        .bind(from)
        .bind(to)
        .execute(sql)
        .await
    };
    let list = async |filter: &str| {
        let ask =
            pb::ListContactsRequest { filter: filter.to_owned(), page_size: Some(1), ..Default::default() };
        let answer = admin.service.list_contacts(admin.request(ask, &[])).await.map_err(Refusal::from)?;
        let cost =
            answer.metadata().get("request-cost").expect("a cost").to_str().expect("a number").to_owned();
        Ok::<u64, Refusal>(cost.parse().expect("a number"))
    };
    copies(&mut sql, 1, 10_000).await?;
    let tests: Vec<String> = (0..25).map(|n| format!("custom.note = \"q{n}\"")).collect();
    assert_eq!(list("").await?, 1);
    assert_eq!(list("custom.seats > 3").await?, 1);
    assert_eq!(list("custom.note = \"q\"").await?, 2);
    assert_eq!(list(&tests.join(" OR ")).await?, 26);
    assert_eq!(list("score > 3 OR score < 1").await?, 3);
    copies(&mut sql, 1, 90_001).await?;
    for refused in [
        "custom.note = \"q\"",
        "score > 3",
        "job_title = \"CTO\" OR first_name = \"A\"",
        // All have the name.
        "first_name = \"A\" AND score > 3",
    ] {
        assert_eq!(list(refused).await.unwrap_err().is(), (422, "FIELD_NOT_INDEXED"), "{refused}");
    }
    assert_eq!(list(&format!("id = \"{first}\" AND score > 3")).await?, 1);
    assert_eq!(list("custom.seats > 3").await?, 1);
    let has = list("custom.note:\"q\"").await.unwrap_err();
    assert!(!has.message().contains("too many"), "{}", has.message());
    Ok(())
}
