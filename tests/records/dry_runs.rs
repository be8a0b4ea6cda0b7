//! A dry run reports what the import would do: row by row, whatever repeats whatever, wherever batches end.

use std::time::Duration;

use anyhow::Result;
use proto::common::v1 as common;
use proto::fields::v1 as fields;
use proto::identity::v1::Scope;
use proto::records::v1 as pb;
use proto::records::v1::records_service_server::RecordsService;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::imports::{finished, import, upload};
use super::world::{Caller, May, World, custom, mail, named, row_id};
use crate::waiting::{outcome, until};

/// More than two batches.
const ROWS: usize = 1_150;
/// Few enough that most rows repeat others, in their batch and across.
const ADDRESSES: u64 = 260;
const SERIALS: u64 = 40;
/// Contacts with an address and a serial that exist before the import.
const BEFORE: usize = 30;
const BOUND: Duration = Duration::from_secs(60);
/// Characters of four bytes in a long text: eight such do not fit into one contact, and four do.
const LONG: usize = 10_000;

const COLUMNS: [(&str, &str); 13] = [
    ("Mail", "emails.address"),
    ("First", "first_name"),
    ("Seats", "custom.seats"),
    ("Serial", "custom.serial"),
    ("Boss", "custom.boss"),
    ("A1", "custom.long_a1"),
    ("A2", "custom.long_a2"),
    ("A3", "custom.long_a3"),
    ("A4", "custom.long_a4"),
    ("B1", "custom.long_b1"),
    ("B2", "custom.long_b2"),
    ("B3", "custom.long_b3"),
    ("B4", "custom.long_b4"),
];

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// One row of a file.
#[derive(Clone, Debug, Default)]
struct Row {
    address: Option<u64>,
    is_broken: bool,
    serial: Option<u64>,
    /// Names a contact, or nothing.
    boss: Option<bool>,
    /// Sets the four texts of one half, and those of the other.
    long: [bool; 2],
}

fn rows(seed: u64) -> Vec<Row> {
    let mut chance = Chance(seed);
    let mut row = || Row {
        address: (chance.below(10) > 0).then(|| chance.below(ADDRESSES)),
        is_broken: chance.below(12) == 0,
        serial: (chance.below(3) == 0).then(|| chance.below(SERIALS)),
        boss: (chance.below(8) == 0).then(|| chance.below(2) == 0),
        long: [chance.below(60) == 0, chance.below(60) == 0],
    };
    (0..ROWS).map(|_| row()).collect()
}

fn file(rows: &[Row], boss: &str) -> String {
    let mut text = COLUMNS.map(|(column, _)| column).join(",") + "\n";
    for (n, row) in rows.iter().enumerate() {
        let cells = [
            row.address.map(|n| format!("p{n}@x.test")).unwrap_or_default(),
            format!("Row {n}"),
            if row.is_broken { "many" } else { "3" }.to_owned(),
            row.serial.map(|n| format!("S-{n}")).unwrap_or_default(),
            row.boss
                .map(|exists| if exists { boss.to_owned() } else { Uuid::nil().to_string() })
                .unwrap_or_default(),
        ];
        let long = |is_set: bool| if is_set { "\u{1f4bb}".repeat(LONG) } else { String::new() };
        let long = row.long.into_iter().flat_map(|is_set| vec![long(is_set); 4]);
        let cells: Vec<String> = cells.into_iter().chain(long).collect();
        text += &(cells.join(",") + "\n");
    }
    text
}

/// The parts of a contact that decide what happens to rows.
#[derive(Clone, Debug, Default)]
struct Contact {
    address: Option<u64>,
    serial: Option<u64>,
    long: [bool; 2],
}

/// What must happen to the rows, one after the other: created, updated, skipped, failed.
fn expected(rows: &[Row], mut contacts: Vec<Contact>, policy: pb::DuplicatePolicy) -> (i64, i64, i64, i64) {
    use pb::DuplicatePolicy as Policy;
    let (mut created, mut updated, mut skipped, mut failed) = (0, 0, 0, 0);
    for row in rows {
        let same = |c: &Contact| row.address.is_some() && c.address == row.address;
        let at = contacts.iter().position(same).filter(|_| policy != Policy::Create);
        let taken = row.serial.is_some()
            && contacts.iter().enumerate().any(|(n, c)| c.serial == row.serial && Some(n) != at);
        let before = at.map(|at| contacts[at].clone()).unwrap_or_default();
        let long = [row.long[0] || before.long[0], row.long[1] || before.long[1]];
        let after = Contact { address: row.address, serial: row.serial.or(before.serial), long };
        let is_wrong = taken || long == [true, true] || row.boss == Some(false);
        match (row.is_broken, at, policy) {
            (true, ..) | (_, Some(_), Policy::Fail) => failed += 1,
            (_, Some(_), Policy::Skip) => skipped += 1,
            _ if is_wrong => failed += 1,
            (_, Some(at), _) => {
                contacts[at] = after;
                updated += 1;
            }
            (_, None, _) => {
                contacts.push(after);
                created += 1;
            }
        }
    }
    (created, updated, skipped, failed)
}

/// What is reported: the counts, and every error.
#[derive(Debug, PartialEq)]
struct Report {
    counts: (i64, i64, i64, i64),
    errors: Vec<(i64, i32, String, String, String)>,
}

async fn report(world: &World, operation: &common::Operation) -> Result<Report> {
    let result = operation.result.unwrap_or_default();
    let errors = sqlx::query_as(
        "SELECT line, number, column_name, reason, detail FROM records.operation_error
         WHERE operation_id = $1 ORDER BY line, number",
    );
    Ok(Report {
        counts: (result.created, result.updated, result.skipped, result.failed),
        errors: errors.bind(row_id(&operation.id)?).fetch_all(&mut world.sql().await?).await?,
    })
}

/// Imports to the end, and until nothing is left of a dry run.
async fn run(world: &World, caller: &Caller, request: pb::CreateImportRequest) -> Result<common::Operation> {
    let id = caller.queue_import(request).await?.id;
    resume(world, caller, &id).await
}

async fn resume(world: &World, caller: &Caller, id: &str) -> Result<common::Operation> {
    let over = async {
        let operation = finished(caller, id).await?;
        let mut sql = world.sql().await?;
        until(BOUND, "the marks of the dry run are gone", async || {
            noted(world, &mut sql, caller).await.expect("marks are counted") == 0
        })
        .await;
        Ok(operation)
    };
    tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = over => operation,
    }
}

async fn noted(world: &World, sql: &mut sqlx::PgConnection, caller: &Caller) -> Result<i64> {
    let marks = world.count(sql, "import_mark", caller.tenant).await?;
    Ok(marks + world.count(sql, "import_record", caller.tenant).await?)
}

/// A world with eight long fields.
async fn world(database: &'static str) -> Result<World> {
    let world = World::alone(database).await?;
    let mut set = world.definitions.lock().unwrap();
    let keys = COLUMNS
        .iter()
        .filter_map(|(_, field)| field.strip_prefix("custom.").filter(|key| key.starts_with("long_")));
    for (n, key) in (50..).zip(keys) {
        set.fields.push(fields::FieldProjection {
            id: Uuid::from_u128(n).to_string(),
            key: key.to_owned(),
            r#type: fields::FieldType::LongText.into(),
            state: fields::FieldState::Active.into(),
            ..Default::default()
        });
    }
    drop(set);
    Ok(world)
}

/// Contacts that exist before the import, the first rows' addresses and serials among theirs.
async fn fill(admin: &Caller) -> Result<Vec<Contact>> {
    let mut contacts = Vec::new();
    for n in 0..BEFORE as u64 {
        let emails = vec![mail(&format!("p{n}@x.test"))];
        admin.create(pb::Contact { emails, ..custom(&json!({ "serial": format!("S-{n}") })) }).await?;
        contacts.push(Contact { address: Some(n), serial: Some(n), long: [false; 2] });
    }
    Ok(contacts)
}

async fn agree(database: &'static str, policy: pb::DuplicatePolicy, seeds: &[u64]) -> Result<()> {
    let world = world(database).await?;
    for seed in seeds {
        let admin = world.admin()?;
        let boss = admin.create(named("Boss", "")).await?;
        let contacts = fill(&admin).await?;
        let rows = rows(*seed);
        let request = pb::CreateImportRequest {
            duplicate_policy: policy.into(),
            dry_run: true,
            ..import(upload(&world, &admin, &file(&rows, &boss.id)).await?, &COLUMNS)
        };
        let mut sql = world.sql().await?;
        let counts = async |sql: &mut _| {
            Ok::<_, anyhow::Error>((
                world.count(sql, "contacts", admin.tenant).await?,
                world.count(sql, "change", admin.tenant).await?,
            ))
        };
        let before = counts(&mut sql).await?;
        let dry = report(&world, &run(&world, &admin, request.clone()).await?).await?;
        assert_eq!(counts(&mut sql).await?, before, "a dry run writes no contact");
        let real = run(&world, &admin, pb::CreateImportRequest { dry_run: false, ..request }).await?;
        let real = report(&world, &real).await?;
        assert_eq!(real.counts, expected(&rows, contacts, policy), "{policy:?} {seed}");
        assert_eq!(dry, real, "{policy:?} {seed}");
        assert!(!real.errors.is_empty() && real.counts.0 > 0, "{:?} says little", real.counts);
    }
    Ok(())
}

#[tokio::test]
async fn a_dry_run_that_skips_reports_what_the_import_does() -> Result<()> {
    agree("globcrm_test_dry_skip", pb::DuplicatePolicy::Skip, &[1, 2]).await
}

#[tokio::test]
async fn a_dry_run_that_updates_reports_what_the_import_does() -> Result<()> {
    agree("globcrm_test_dry_update", pb::DuplicatePolicy::Update, &[3, 4, 5]).await
}

#[tokio::test]
async fn a_dry_run_that_refuses_reports_what_the_import_does() -> Result<()> {
    agree("globcrm_test_dry_fail", pb::DuplicatePolicy::Fail, &[6]).await
}

#[tokio::test]
async fn a_dry_run_that_repeats_reports_what_the_import_does() -> Result<()> {
    agree("globcrm_test_dry_create", pb::DuplicatePolicy::Create, &[7]).await
}

/// A user who may import but not read sees which rows of the file repeat each other, and nothing else.
#[tokio::test]
async fn a_file_repeats_itself_for_who_sees_no_contact() -> Result<()> {
    let world = world("globcrm_test_dry_blind").await?;
    let admin = world.admin()?;
    fill(&admin).await?;
    let actions = [("contact", "import", Scope::All), ("contact", "create", Scope::All)];
    let blind = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
    let rows: Vec<Row> =
        (0..ROWS as u64).map(|n| Row { address: Some(n % 700), ..Default::default() }).collect();
    let request = pb::CreateImportRequest {
        duplicate_policy: pb::DuplicatePolicy::Skip.into(),
        dry_run: true,
        ..import(upload(&world, &blind, &file(&rows, "")).await?, &COLUMNS)
    };
    let dry = report(&world, &run(&world, &blind, request.clone()).await?).await?;
    let real = run(&world, &blind, pb::CreateImportRequest { dry_run: false, ..request }).await?;
    let real = report(&world, &real).await?;
    assert_eq!(real.counts, (700, 0, 450, 0));
    assert_eq!(dry, real);
    Ok(())
}

#[tokio::test]
async fn a_dry_run_that_another_worker_takes_over_reports_the_same() -> Result<()> {
    let world = world("globcrm_test_dry_resumed").await?;
    let admin = world.admin()?;
    let boss = admin.create(named("Boss", "")).await?;
    fill(&admin).await?;
    let rows = rows(8);
    let request = pb::CreateImportRequest {
        dry_run: true,
        ..import(upload(&world, &admin, &file(&rows, &boss.id)).await?, &COLUMNS)
    };
    let id = admin.queue_import(request.clone()).await?.id;
    let mut sql = world.sql().await?;
    let half_done = async {
        outcome(BOUND, "a batch is done", async || {
            let get = pb::GetOperationRequest { id: id.clone() };
            let answer = admin.service.get_operation(admin.request(get, &[])).await;
            let operation = answer.expect("the operation").into_inner().operation.unwrap_or_default();
            let done = operation.progress.unwrap_or_default().done;
            if done > 0 { Ok(operation) } else { Err("none") }
        })
        .await
    };
    let stopped = tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        operation = half_done => operation,
    };
    assert_eq!(stopped.finished_at, None, "it was over too soon: {stopped:?}");
    // The claim of the dead worker lapses.
    sqlx::query("UPDATE records.operation SET claim_until = now() WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .execute(&mut sql)
        .await?;
    let dry = report(&world, &resume(&world, &admin, &id).await?).await?;
    let claims: i64 = sqlx::query_scalar("SELECT claim_number FROM records.operation WHERE tenant_id = $1")
        .bind(admin.tenant.uuid())
        .fetch_one(&mut sql)
        .await?;
    // One for each batch, by whichever worker, and one that found the end of the file.
    assert!(claims >= 4, "{claims}");
    let real = run(&world, &admin, pb::CreateImportRequest { dry_run: false, ..request }).await?;
    assert_eq!(dry, report(&world, &real).await?);
    Ok(())
}
