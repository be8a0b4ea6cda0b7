//! Deals out of files: rows pass the guard of deals, each once, whatever ends in between.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use proto::common::v1 as common;
use proto::identity::v1::{FieldAccess, Scope, SnapshotObject};
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::world::{ALL, Caller, May, Refusal, World, document, named, stage_id, with};
use crate::database::Database;
use crate::waiting;
use crate::world::done;

const BOUND: Duration = Duration::from_secs(60);
/// Longer than a claim holds.
const LAPSES: Duration = Duration::from_secs(10);

/// A service on a database of its own: its worker works for every tenant.
pub(crate) async fn alone(name: &'static str) -> Result<World> {
    World::on(Database::fresh(name, &[pipeline::MIGRATIONS]).await?)
}

/// An import of deals with this policy.
pub(crate) fn import(
    upload: &str,
    columns: &[(&str, &str)],
    policy: pb::DuplicatePolicy,
) -> pb::CreateImportRequest {
    let mapping = columns.iter().map(|(column, field)| pb::ColumnMapping {
        column: (*column).to_owned(),
        field: (*field).to_owned(),
    });
    pb::CreateImportRequest {
        upload_id: upload.to_owned(),
        object: "deal".to_owned(),
        mapping: mapping.collect(),
        duplicate_policy: policy.into(),
        ..Default::default()
    }
}

impl Caller {
    pub(crate) async fn queue_import(
        &self,
        request: pb::CreateImportRequest,
    ) -> Result<common::Operation, Refusal> {
        Ok(done(self.service.create_import(self.request(request, &[])).await)?.operation.unwrap())
    }

    async fn operation_now(&self, id: &str) -> Result<common::Operation, Refusal> {
        let request = pb::GetOperationRequest { id: id.to_owned() };
        Ok(done(self.service.get_operation(self.request(request, &[])).await)?.operation.unwrap())
    }

    async fn deals(&self, filter: &str) -> Result<Vec<pb::Deal>, Refusal> {
        let request = pb::ListDealsRequest {
            filter: filter.to_owned(),
            order_by: "name".to_owned(),
            page_size: Some(200),
            ..Default::default()
        };
        Ok(done(self.service.list_deals(self.request(request, &[])).await)?.deals)
    }
}

/// Waits until the operation is over.
async fn over(who: &Caller, id: &str) -> common::Operation {
    waiting::outcome(BOUND, "the import is over", async || {
        let operation = who.operation_now(id).await.map_err(|refused| format!("{refused:?}"))?;
        if operation.finished_at.is_some() { Ok(operation) } else { Err(format!("{operation:?}")) }
    })
    .await
}

/// The operation when it is over, with a worker at work.
pub(crate) async fn finished(world: &World, who: &Caller, id: &str) -> common::Operation {
    tokio::select! {
        () = world.imports.clone().work(CancellationToken::new()) => unreachable!(),
        operation = over(who, id) => operation,
    }
}

/// Created, updated, skipped and failed rows, and line, column, field and reason of each error.
type Outcome = ([i64; 4], Vec<(i64, String, String, String)>);

fn outcome(operation: &common::Operation) -> Outcome {
    let result = operation.result.unwrap_or_default();
    let place = |e: &common::RowError| (e.line, e.column.clone(), e.field.clone(), e.reason.clone());
    (
        [result.created, result.updated, result.skipped, result.failed],
        operation.errors.iter().map(place).collect(),
    )
}

/// Imports a file, after a dry run of it that must come to the same and leave nothing behind.
async fn run(
    world: &World,
    who: &Caller,
    file: &str,
    columns: &[(&str, &str)],
    policy: pb::DuplicatePolicy,
) -> Result<common::Operation> {
    let request = import(&world.uploads.put(file), columns, policy);
    let before = who.deals("").await?;
    let dry = who.queue_import(pb::CreateImportRequest { dry_run: true, ..request.clone() }).await?;
    let dry = finished(world, who, &dry.id).await;
    assert_eq!(who.deals("").await?, before, "a dry run has stored something");
    for table in ["import_mark", "import_record"] {
        waiting::until(BOUND, "the notes of the dry run are gone", async || {
            let mut sql = world.sql().await.expect("a connection");
            world.count(&mut sql, table, who.tenant).await.expect("counted") == 0
        })
        .await;
    }
    let real = who.queue_import(request).await?;
    let real = finished(world, who, &real.id).await;
    assert_eq!(
        (outcome(&dry), &dry.failure),
        (outcome(&real), &real.failure),
        "the dry run told another story"
    );
    for error in &real.errors {
        assert!(!error.column.is_empty() || !error.field.is_empty(), "{error:?} names nothing");
    }
    Ok(real)
}

fn error(line: i64, column: &str, field: &str, reason: &str) -> (i64, String, String, String) {
    (line, column.to_owned(), field.to_owned(), reason.to_owned())
}

#[tokio::test]
async fn a_row_becomes_a_deal_with_all_that_it_says_and_names() -> Result<()> {
    let world = alone("globcrm_test_import_deals").await?;
    let admin = world.admin()?;
    let (first, other) = (admin.make("Sales").await?, admin.make("Partners").await?);
    admin.make_default(&first.id).await?;
    let (acme, ada) = (Uuid::now_v7(), Uuid::now_v7());
    world.people.insert("company", acme);
    world.people.insert("contact", ada);
    world.uploads.name("Acme", acme);
    world.uploads.name("ada@x.test", ada);
    let columns = [
        ("Deal", "name"),
        ("Value", "amount"),
        ("Cur", "amount.currency"),
        ("Pipe", "pipeline.name"),
        ("Stage", "stage.name"),
        ("Firm", "company.name"),
        ("Mail", "contact.email"),
        ("Close", "expected_close_date"),
        ("Prob", "probability"),
        ("Tags", "tags"),
        ("Erp", "external_ids.erp"),
        ("Tier", "custom.tier"),
    ];
    let file = "Deal,Value,Cur,Pipe,Stage,Firm,Mail,Close,Prob,Tags,Erp,Tier\n\
        A,1250.50,EUR,partners,DEMO,Acme,ADA@x.test,2031-01-31,40,big;new,e-1,gold\n\
        B,99 USD,,,,,,,,,,\n\
        C,,,,won,,,,,,,\n\
        D,5,,,,,,,,,,\n\
        E,,,Nowhere,,,,,,,,\n\
        F,,,,nowhere,,,,,,,\n\
        G,,,,,Nobody,no@x.test,,,,,\n\
        ,,,,,,,,101,,,bronze\n\
        I,1,EUR,,won,,,,40,,,\n";
    let operation = run(&world, &admin, file, &columns, pb::DuplicatePolicy::Skip).await?;
    let wanted = vec![
        error(5, "Value", "amount", "MONEY_INVALID"),
        error(6, "Pipe", "pipeline.name", "REFERENCE_NOT_FOUND"),
        error(7, "Stage", "stage.name", "REFERENCE_NOT_FOUND"),
        error(8, "Firm", "company.name", "REFERENCE_NOT_FOUND"),
        error(8, "Mail", "contact.email", "REFERENCE_NOT_FOUND"),
        error(9, "Prob", "probability", "OUT_OF_RANGE"),
        error(9, "Tier", "custom.tier", "OPTION_UNKNOWN"),
        error(9, "Deal", "name", "REQUIRED"),
        error(10, "Prob", "probability", "OUT_OF_RANGE"),
    ];
    let (counts, mut errors) = outcome(&operation);
    let mut wanted = wanted;
    errors.sort();
    wanted.sort();
    assert_eq!((counts, errors), ([3, 0, 0, 6], wanted));
    assert_eq!(operation.kind, "import");
    assert_eq!(operation.progress.map(|progress| (progress.done, progress.total)), Some((9, 9)));
    assert_eq!(operation.detected.map(|form| form.delimiter), Some(",".to_owned()));

    let [a, b, c] = admin.deals("").await?.try_into().unwrap();
    assert_eq!((a.pipeline_id.as_deref(), a.stage_key.as_str()), (Some(other.id.as_str()), "demo"));
    let money = a.amount.clone().unwrap();
    assert_eq!((money.amount_minor, money.currency.as_deref()), (Some(125_050), Some("EUR")));
    assert_eq!((a.company_id.clone(), a.probability), (Some(acme.to_string()), Some(40)));
    assert_eq!(a.expected_close_date.as_deref(), Some("2031-01-31"));
    assert_eq!((a.tags.join("+"), a.external_ids["erp"].as_str()), ("big+new".to_owned(), "e-1"));
    assert_eq!(a.contacts.len(), 1);
    assert_eq!((a.contacts[0].contact_id.clone(), a.contacts[0].is_primary), (ada.to_string(), true));
    assert_eq!(&a.custom[..], br#"{"tier":"gold"}"#);
    assert_eq!((b.pipeline_id.as_deref(), b.stage_key.as_str()), (Some(first.id.as_str()), "new"));
    assert_eq!((b.owner_id.clone(), b.source()), (Some(admin.id.to_string()), common::Source::Import));
    assert_eq!((c.status(), c.probability), (pb::DealStatus::Won, Some(100)));
    let entries = admin.history(&a.id).await?;
    assert_eq!((entries.len(), entries[0].source()), (1, pb::StageSource::Import));
    Ok(())
}

#[tokio::test]
async fn a_row_that_repeats_a_deal_changes_it_past_the_same_guard() -> Result<()> {
    let world = alone("globcrm_test_import_deals_known").await?;
    let admin = world.admin()?;
    let mut rules = document();
    rules.stages[1].required_fields = vec!["amount".to_owned()];
    let made = admin.create(with("Sales", rules)).await?;
    admin.make_default(&made.id).await?;
    let at = |key: &str| Some(stage_id(&made, key).to_owned());
    let stored = admin.create_deal(pb::Deal { stage_id: at("new"), ..named("Stored") }).await?;
    let won = admin.create_deal(pb::Deal { stage_id: at("won"), ..named("Won") }).await?;
    let columns = [
        ("Id", "id"),
        ("Erp", "external_ids.erp"),
        ("Name", "name"),
        ("Stage", "stage.name"),
        ("Amount", "amount"),
        ("Tags", "tags"),
        ("Serial", "custom.serial"),
    ];
    let nobodys = Uuid::now_v7();
    let file = format!(
        "Id,Erp,Name,Stage,Amount,Tags,Serial\n\
         {stored},e-1,,,,x,\n\
         ,e-1,,demo,,,\n\
         ,e-1,,demo,5 EUR,y,\n\
         {won},,,new,,,\n\
         {nobodys},,,,,,\n\
         ,e-2,New,,,,s-1\n\
         ,e-2,Newer,,7 EUR,,\n\
         ,e-3,Third,,,,s-1\n\
         ,e-3,Third,,,,\n",
        stored = stored.id,
        won = won.id,
    );
    let operation = run(&world, &admin, &file, &columns, pb::DuplicatePolicy::Update).await?;
    let wanted = vec![
        error(3, "Amount", "amount", "REQUIRED_FOR_STAGE"),
        error(5, "Stage", "stage.name", "MOVE_NOT_ALLOWED"),
        error(6, "Id", "id", "REFERENCE_NOT_FOUND"),
        error(9, "Serial", "custom.serial", "DUPLICATE_VALUE"),
    ];
    assert_eq!(outcome(&operation), ([2, 3, 0, 4], wanted));
    let now = admin.deal(&stored.id).await?;
    assert_eq!((now.stage_key.as_str(), now.tags.join("+")), ("demo", "x+y".to_owned()));
    let sources: Vec<_> = admin.history(&stored.id).await?.iter().map(|entry| entry.source()).collect();
    assert_eq!(sources, [pb::StageSource::Create, pb::StageSource::Import]);
    assert_eq!(admin.deal(&won.id).await?.version, won.version);
    let new = admin.deals("name = \"Newer\"").await?;
    assert_eq!(new.len(), 1);
    assert_eq!(new[0].amount.clone().unwrap().amount_minor, Some(700));

    // The same file again, by the other policies.
    let again = "Erp,Name\ne-1,X\ne-9,Y\ne-9,Z\n";
    let columns = [("Erp", "external_ids.erp"), ("Name", "name")];
    let skipped = run(&world, &admin, again, &columns, pb::DuplicatePolicy::Skip).await?;
    assert_eq!(outcome(&skipped), ([1, 0, 2, 0], Vec::new()));
    let failed = run(&world, &admin, again, &columns, pb::DuplicatePolicy::Fail).await?;
    let duplicate = |line| error(line, "Erp", "external_ids.erp", "DUPLICATE");
    assert_eq!(outcome(&failed), ([0, 0, 0, 3], vec![duplicate(2), duplicate(3), duplicate(4)]));
    Ok(())
}

#[tokio::test]
async fn a_row_changes_the_stage_within_the_pipeline_of_its_deal() -> Result<()> {
    let world = alone("globcrm_test_import_deals_stages").await?;
    let admin = world.admin()?;
    let (first, other) = (admin.make("First").await?, admin.make("Other").await?);
    admin.make_default(&first.id).await?;
    let deal = pb::Deal { pipeline_id: Some(other.id.clone()), ..named("Elsewhere") };
    let deal = admin.create_deal(deal).await?;
    let columns = [("Id", "id"), ("Stage", "stage.name"), ("Pipe", "pipeline.name")];
    let file = format!("Id,Stage,Pipe\n{},Demo,\n", deal.id);
    let operation = run(&world, &admin, &file, &columns, pb::DuplicatePolicy::Update).await?;
    assert_eq!(outcome(&operation), ([0, 1, 0, 0], Vec::new()));
    let now = admin.deal(&deal.id).await?;
    assert_eq!((now.pipeline_id.as_deref(), now.stage_key.as_str()), (Some(other.id.as_str()), "demo"));
    // Into another pipeline, where the stage is one of that; a row that says nothing changes nothing.
    let file = format!("Id,Stage,Pipe\n{id},demo,first\n{id},,\n", id = deal.id);
    let operation = run(&world, &admin, &file, &columns, pb::DuplicatePolicy::Update).await?;
    assert_eq!(outcome(&operation), ([0, 2, 0, 0], Vec::new()));
    let moved = admin.deal(&deal.id).await?;
    assert_eq!((moved.pipeline_id.as_deref(), moved.version), (Some(first.id.as_str()), now.version + 1));
    assert_eq!(moved.stage_id.as_deref(), Some(stage_id(&first, "demo")));
    Ok(())
}

#[tokio::test]
async fn an_archived_pipeline_and_one_bound_to_a_role_refuse_the_row_and_no_other() -> Result<()> {
    let world = alone("globcrm_test_import_deals_bound").await?;
    let admin = world.admin()?;
    let open = admin.make("Open").await?;
    admin.make_default(&open.id).await?;
    let old = admin.make("Old").await?;
    admin.archive(&old.id).await?;
    let role = ids::RoleId::from(Uuid::now_v7());
    world.roles.lock().unwrap().insert(role);
    let mut bound = document();
    bound.transitions = vec![pb::Transition {
        from: Some("new".to_owned()),
        to: "demo".to_owned(),
        role_ids: vec![role.to_string()],
        ..Default::default()
    }];
    let bound = admin.create(with("Bound", bound)).await?;
    let deal = admin.create_deal(pb::Deal { pipeline_id: Some(bound.id.clone()), ..named("Bound") }).await?;
    let file = format!("Id,Name,Pipe,Stage\n,A,Old,\n,B,Open,\n{},,,demo\n,C,Bound,demo\n", deal.id);
    let columns = [("Id", "id"), ("Name", "name"), ("Pipe", "pipeline.name"), ("Stage", "stage.name")];
    let operation = run(&world, &admin, &file, &columns, pb::DuplicatePolicy::Update).await?;
    let wanted = vec![
        error(2, "Pipe", "pipeline.name", "PIPELINE_ARCHIVED"),
        error(4, "Stage", "stage.name", "MOVE_NOT_ALLOWED"),
    ];
    assert_eq!(outcome(&operation), ([2, 0, 0, 2], wanted));
    Ok(())
}

/// Many rows with ids, of which each comes twice.
fn large(rows: usize) -> String {
    let row = |n: usize| format!("e-{},Deal {:04}\n", n % (rows / 2), n % (rows / 2));
    std::iter::once("Erp,Name\n".to_owned()).chain((0..rows).map(row)).collect()
}

const LARGE: [(&str, &str); 2] = [("Erp", "external_ids.erp"), ("Name", "name")];

#[tokio::test]
async fn a_worker_that_dies_or_a_service_that_is_away_does_no_row_twice() -> Result<()> {
    let world = alone("globcrm_test_import_deals_killed").await?;
    let admin = world.admin()?;
    let made = admin.make("Sales").await?;
    admin.make_default(&made.id).await?;
    let request = import(&world.uploads.put(&large(400)), &LARGE, pb::DuplicatePolicy::Skip);
    let id = admin.queue_import(request).await?.id;
    // Dropped at a moment that nobody chose, again and again, after the first rows are there.
    let mut last = 0;
    for _ in 0..3 {
        let more = waiting::outcome(BOUND, "rows are done", async || {
            let now = admin.operation_now(&id).await.map_err(|refused| format!("{refused:?}"))?;
            let done = now.progress.unwrap_or_default().done;
            if done > last || now.finished_at.is_some() { Ok(done) } else { Err(format!("{now:?}")) }
        });
        tokio::select! {
            () = world.imports.clone().work(CancellationToken::new()) => unreachable!(),
            done = more => last = done,
        }
        // Whoever held it does not come back: its claim ends.
        world.time.advance(LAPSES);
    }
    // The service that reads uploads is away: the import waits, and says nothing false.
    world.uploads.is_away.store(true, Ordering::SeqCst);
    let asked = world.uploads.asked.load(Ordering::SeqCst);
    let tried = waiting::until(BOUND, "it was tried twice", async || {
        world.time.advance(LAPSES);
        world.uploads.refused.load(Ordering::SeqCst) >= 2
    });
    tokio::select! {
        () = world.imports.clone().work(CancellationToken::new()) => unreachable!(),
        () = tried => {}
    }
    assert_eq!(world.uploads.asked.load(Ordering::SeqCst), asked);
    let waiting = admin.operation_now(&id).await?;
    assert!(waiting.finished_at.is_none() && waiting.failure.is_none(), "{waiting:?}");
    world.uploads.is_away.store(false, Ordering::SeqCst);
    world.time.advance(LAPSES);
    let operation = finished(&world, &admin, &id).await;
    assert_eq!(outcome(&operation), ([200, 0, 200, 0], Vec::new()), "{operation:?}");
    let deals = admin.deals("").await?;
    assert_eq!(deals.len(), 200);
    assert!(deals.iter().all(|deal| deal.version == 1));
    Ok(())
}

#[tokio::test]
async fn an_import_that_was_asked_for_is_answered_again_while_records_is_away() -> Result<()> {
    let world = World::new().await?;
    let admin = world.admin()?;
    let request = import(&world.uploads.put(&large(2)), &LARGE, pb::DuplicatePolicy::Skip);
    let ask = async |request: &pb::CreateImportRequest, key: &str| {
        let request = admin.request(request.clone(), &[("idempotency-key", key)]);
        done(admin.service.create_import(request).await).map(|answer| answer.operation.unwrap().id)
    };
    let first = ask(&request, "once").await?;
    world.uploads.is_away.store(true, Ordering::SeqCst);
    assert_eq!(ask(&request, "once").await?, first);
    assert_eq!(ask(&request, "another").await.unwrap_err().http(), 503);
    let other = pb::CreateImportRequest { dry_run: true, ..request };
    assert_eq!(ask(&other, "once").await.unwrap_err().is(), (422, "IDEMPOTENCY_KEY_REUSED"));
    Ok(())
}

#[tokio::test]
async fn an_import_is_cancelled_and_ends_when_its_permission_is_taken() -> Result<()> {
    let world = alone("globcrm_test_import_deals_cancelled").await?;
    let admin = world.admin()?;
    let made = admin.make("Sales").await?;
    admin.make_default(&made.id).await?;
    let upload = world.uploads.put(&large(40));
    let request = || import(&upload, &LARGE, pb::DuplicatePolicy::Skip);
    let id = admin.queue_import(request()).await?.id;
    let cancel = admin.request(pb::CancelOperationRequest { id: id.clone() }, &[]);
    admin.service.cancel_operation(cancel).await?;
    let operation = finished(&world, &admin, &id).await;
    assert_eq!(operation.state(), common::OperationState::Cancelled);
    assert!(admin.deals("").await?.is_empty());

    let actions = ["import", "create", "read"].map(|action| ("deal", action, Scope::All));
    let clerk = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
    let id = clerk.queue_import(request()).await?.id;
    let creates = |object: &SnapshotObject| object.actions.iter().any(|action| action.action == "create");
    world
        .gates
        .snapshots
        .lock()
        .unwrap()
        .entry(clerk.id)
        .and_modify(|snapshot| snapshot.objects.retain(|object| !creates(object)));
    let operation = finished(&world, &clerk, &id).await;
    assert_eq!(operation.failure.as_deref(), Some("PERMISSION_DENIED"), "{operation:?}");
    assert!(admin.deals("").await?.is_empty());
    Ok(())
}

/// The name of a pipeline is that of `pipeline.read`; the name of a stage is shown with each deal.
#[tokio::test]
async fn a_pipeline_is_found_by_its_name_by_whoever_may_read_pipelines() -> Result<()> {
    let world = alone("globcrm_test_import_deals_names").await?;
    let admin = world.admin()?;
    let made = admin.make("Enterprise").await?;
    admin.make_default(&made.id).await?;
    let mut actions =
        ["import", "create", "read", "update"].map(|action| ("deal", action, Scope::All)).to_vec();
    let file = world.uploads.put("Name,Pipeline,Stage\nA,Enterprise,\nB,Nowhere,\nC,,demo\n");
    let columns = [("Name", "name"), ("Pipeline", "pipeline.name"), ("Stage", "stage.name")];
    let unknown = |line| error(line, "Pipeline", "pipeline.name", "REFERENCE_NOT_FOUND");
    for (reads, counts, errors) in
        [(false, [1, 0, 0, 2], vec![unknown(2), unknown(3)]), (true, [2, 0, 0, 1], vec![unknown(3)])]
    {
        if reads {
            actions.push(("pipeline", "read", Scope::All));
        }
        let clerk = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
        let id = clerk.queue_import(import(&file, &columns, pb::DuplicatePolicy::Create)).await?.id;
        assert_eq!(outcome(&finished(&world, &clerk, &id).await), (counts, errors), "{reads}");
    }
    Ok(())
}

#[tokio::test]
async fn permissions_and_field_rules_bind_the_request_and_each_row() -> Result<()> {
    let world = alone("globcrm_test_import_deals_rights").await?;
    let admin = world.admin()?;
    let made = admin.make("Sales").await?;
    admin.make_default(&made.id).await?;
    let upload = world.uploads.put("Name,Amount,Stage,Owner\nA,,,\nB,,,OTHER\n");
    let all = ["import", "create", "read", "update"].map(|action| ("deal", action, Scope::Own));
    for (missing, action) in [("deal.import", 0), ("deal.create", 1)] {
        let actions: Vec<_> = all.iter().enumerate().filter(|(n, _)| *n != action).map(|(_, a)| *a).collect();
        // Somebody who may import something else passes the door.
        let actions = [actions, vec![("contact", "import", Scope::All)]].concat();
        let clerk = world.caller(admin.tenant, &May { actions: &actions, fields: &[] })?;
        let request = import(&upload, &[("Name", "name")], pb::DuplicatePolicy::Skip);
        let refused = clerk.queue_import(request).await.unwrap_err();
        assert_eq!((refused.http(), refused.metadata()["permission"].as_str()), (403, missing));
    }
    let fields = [("deal", "amount", FieldAccess::None), ("deal", "stage_id", FieldAccess::Read)];
    let clerk = world.caller(admin.tenant, &May { actions: &all, fields: &fields })?;
    for (field, reason) in [
        ("amount", "UNKNOWN_FIELD"),
        ("amount.currency", "UNKNOWN_FIELD"),
        ("stage.name", "FIELD_READ_ONLY"),
        ("stage_id", "FIELD_READ_ONLY"),
        ("nothing", "UNKNOWN_FIELD"),
    ] {
        let request = import(&upload, &[("Name", "name"), ("Amount", field)], pb::DuplicatePolicy::Skip);
        let refused = clerk.queue_import(request).await.unwrap_err();
        assert_eq!(refused.violations(), [("/mapping/1/field", reason)], "{field}");
    }
    let gone = import(&Uuid::now_v7().to_string(), &[("Name", "name")], pb::DuplicatePolicy::Skip);
    let refused = clerk.queue_import(gone).await.unwrap_err();
    assert_eq!(refused.violations(), [("/upload_id", "REFERENCE_NOT_FOUND")]);

    // A deal of somebody else is neither found by its id nor changed, and its id in another system is taken.
    let theirs = pb::Deal { external_ids: [("erp".to_owned(), "t-1".to_owned())].into(), ..named("Theirs") };
    let theirs = admin.create_deal(theirs).await?;
    let file = format!("Id,Erp,Name\n{},,Mine\n,t-1,Mine\n,m-1,Mine\n", theirs.id);
    let columns = [("Id", "id"), ("Erp", "external_ids.erp"), ("Name", "name")];
    let request = import(&world.uploads.put(&file), &columns, pb::DuplicatePolicy::Update);
    let id = clerk.queue_import(request).await?.id;
    let operation = finished(&world, &clerk, &id).await;
    let wanted = vec![
        error(2, "Id", "id", "REFERENCE_NOT_FOUND"),
        error(3, "Erp", "external_ids.erp", "DUPLICATE_VALUE"),
    ];
    assert_eq!(outcome(&operation), ([1, 0, 0, 2], wanted));
    assert_eq!(admin.deal(&theirs.id).await?.version, 1);
    Ok(())
}

#[tokio::test]
async fn a_preview_shows_rows_and_suggests_fields_that_the_caller_may_write() -> Result<()> {
    let world = World::new().await?;
    let file = "Deal name,Amount,Currency,Stage,Owner,Tier,Misc\nA,5,EUR,demo,o@x.test,gold,?\n";
    let upload_id = world.uploads.put(file);
    let request = pb::PreviewImportRequest { upload_id, object: "deal".to_owned(), ..Default::default() };
    let suggested = async |who: &Caller| {
        let preview = done(who.service.preview_import(who.request(request.clone(), &[])).await)?;
        assert_eq!((preview.rows.len(), preview.rows[0].cells[0].as_str()), (1, "A"));
        let fields = preview.mapping.into_iter().map(|entry| format!("{}={}", entry.column, entry.field));
        Ok::<_, Refusal>(fields.collect::<Vec<_>>())
    };
    let all = [
        "Deal name=name",
        "Amount=amount",
        "Currency=amount.currency",
        "Stage=stage.name",
        "Owner=owner.email",
        "Tier=custom.tier",
    ];
    let admin = world.admin()?;
    assert_eq!(suggested(&admin).await?, all);
    let clerk = world.caller(
        admin.tenant,
        &May {
            fields: &[("deal", "amount", FieldAccess::None), ("deal", "custom.tier", FieldAccess::Read)],
            ..ALL
        },
    )?;
    assert_eq!(suggested(&clerk).await?, [all[0], all[3], all[4]]);
    Ok(())
}
