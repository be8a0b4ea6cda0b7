//! Many deals at once: chosen, shown, changed, taken back.

use std::time::Duration;

use anyhow::Result;
use proto::common::v1 as common;
use proto::identity::v1::{FieldAccess, Scope};
use proto::pipeline::v1 as pb;
use proto::pipeline::v1::pipeline_service_server::PipelineService;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::world::{ALL, Caller, May, Refusal, World, document, named, stage_id, with};
use crate::database::Database;
use crate::waiting;
use crate::world::done;

/// A service on a database of its own: its worker works for every tenant.
async fn alone(name: &'static str) -> Result<World> {
    World::on(Database::fresh(name, &[pipeline::MIGRATIONS]).await?)
}

fn asked(action: &str, filter: &str, changes: &Value) -> pb::CreateBulkOperationRequest {
    pb::CreateBulkOperationRequest {
        object: "deals".to_owned(),
        filter: filter.to_owned(),
        action: action.to_owned(),
        changes: if changes.is_null() { Vec::new() } else { changes.to_string().into_bytes() }.into(),
        ..Default::default()
    }
}

pub(crate) fn of_ids(action: &str, ids: &[&str], changes: &Value) -> pb::CreateBulkOperationRequest {
    let ids = ids.iter().map(|id| (*id).to_owned()).collect();
    pb::CreateBulkOperationRequest { ids, ..asked(action, "", changes) }
}

impl Caller {
    async fn ask(
        &self,
        request: pb::CreateBulkOperationRequest,
    ) -> Result<pb::CreateBulkOperationResponse, Refusal> {
        done(self.service.create_bulk_operation(self.request(request, &[])).await)
    }

    async fn preview(&self, request: pb::CreateBulkOperationRequest) -> Result<common::BulkPreview, Refusal> {
        let request = pb::CreateBulkOperationRequest { dry_run: true, ..request };
        Ok(self.ask(request).await?.preview.unwrap())
    }

    async fn operation(&self, id: &str) -> Result<common::Operation, Refusal> {
        let request = pb::GetOperationRequest { id: id.to_owned() };
        Ok(done(self.service.get_operation(self.request(request, &[])).await)?.operation.unwrap())
    }

    async fn undo(&self, id: &str) -> Result<common::Operation, Refusal> {
        let request = pb::UndoOperationRequest { id: id.to_owned() };
        Ok(done(self.service.undo_operation(self.request(request, &[])).await)?.operation.unwrap())
    }
}

/// The operation when it is over, with a worker at work.
async fn finished(world: &World, who: &Caller, id: &str) -> Result<common::Operation> {
    let over = waiting::outcome(Duration::from_secs(60), "the operation is over", async || {
        let operation = who.operation(id).await.map_err(|refused| format!("{refused:?}"))?;
        if operation.finished_at.is_some() { Ok(operation) } else { Err(format!("{operation:?}")) }
    });
    Ok(tokio::select! {
        () = world.bulk.clone().work(CancellationToken::new()) => unreachable!(),
        operation = over => operation,
    })
}

/// Asks, and gives the operation when it is over.
pub(crate) async fn run(
    world: &World,
    who: &Caller,
    request: pb::CreateBulkOperationRequest,
) -> Result<common::Operation> {
    let queued = who.ask(request).await?.operation.unwrap();
    finished(world, who, &queued.id).await
}

async fn undone(world: &World, who: &Caller, id: &str) -> Result<common::Operation> {
    let queued = who.undo(id).await?;
    finished(world, who, &queued.id).await
}

fn counts(operation: &common::Operation) -> [i64; 4] {
    let result = operation.result.unwrap_or_default();
    [result.created, result.updated, result.skipped, result.failed]
}

/// The record, field and reason of each error.
fn errors(operation: &common::Operation) -> Vec<(String, String, String)> {
    let of =
        |e: &common::RowError| (e.record_id.clone().unwrap_or_default(), e.field.clone(), e.reason.clone());
    let mut errors: Vec<(String, String, String)> = operation.errors.iter().map(of).collect();
    errors.sort_unstable();
    errors
}

/// An error that is about no field.
fn error(id: &str, reason: &str) -> (String, String, String) {
    (id.to_owned(), String::new(), reason.to_owned())
}

fn money(minor: i64) -> common::Money {
    common::Money { amount_minor: Some(minor), currency: Some("EUR".to_owned()) }
}

#[tokio::test]
async fn what_matches_is_changed_and_becomes_what_it_was() -> Result<()> {
    let world = alone("globcrm_test_bulk_update").await?;
    let (who, other) = (world.admin()?, world.admin()?);
    let mut deals = Vec::new();
    for (name, amount, step) in [("a", 1, None), ("b", 2, Some("call")), ("c", 3, Some("visit"))] {
        let next_step = step.map(str::to_owned);
        deals
            .push(who.create_deal(pb::Deal { amount: Some(money(amount)), next_step, ..named(name) }).await?);
    }
    let foreign = other.create_deal(pb::Deal { amount: Some(money(2)), ..named("b") }).await?;
    let request = asked(
        "update",
        "amount >= \"0.02 EUR\"",
        &json!({"next_step": "send offer", "custom": {"seats": 7}}),
    );

    let preview = who.preview(request.clone()).await?;
    assert_eq!((preview.matched, preview.examined, preview.changed, preview.refused), (2, 2, 2, 0));
    let of_b = &preview.samples[0];
    let shown: Vec<_> = of_b
        .changes
        .iter()
        .map(|c| (c.field.as_str(), String::from_utf8_lossy(&c.before), String::from_utf8_lossy(&c.after)))
        .collect();
    assert_eq!(of_b.id, deals[1].id);
    assert_eq!(
        shown,
        [
            ("custom.seats", "null".into(), "7".into()),
            ("next_step", "\"call\"".into(), "\"send offer\"".into())
        ]
    );
    assert_eq!(who.deal(&deals[1].id).await?, deals[1], "a dry run changes nothing");

    let operation = run(&world, &who, request).await?;
    assert_eq!((operation.kind.as_str(), counts(&operation)), ("bulk", [0, 2, 0, 0]));
    assert_eq!(operation.progress.unwrap().total, 2);
    let detail = operation.bulk.as_ref().unwrap();
    assert_eq!((detail.object.as_str(), detail.action.as_str()), ("deals", "update"));
    assert_eq!(detail.filter, "amount >= \"0.02 EUR\"");
    for (deal, version) in [(&deals[0], 1), (&deals[1], 2), (&deals[2], 2)] {
        let now = who.deal(&deal.id).await?;
        assert_eq!(now.version, version);
        assert_eq!(now.next_step.as_deref() == Some("send offer"), version == 2);
    }
    assert_eq!(other.deal(&foreign.id).await?.version, 1);

    // Somebody goes on with one of them.
    let later = pb::Deal { next_step: Some("sign".to_owned()), ..Default::default() };
    who.change_deal(&deals[2].id, later, &["next_step"]).await?;
    let undo = undone(&world, &who, &operation.id).await?;
    assert_eq!((undo.kind.as_str(), counts(&undo)), ("undo", [0, 1, 1, 0]));
    assert_eq!(errors(&undo), [error(&deals[2].id, "CHANGED_SINCE")]);
    assert_eq!(undo.bulk.as_ref().unwrap().undo_of.as_ref(), Some(&operation.id));
    let b = who.deal(&deals[1].id).await?;
    assert_eq!((b.next_step.as_deref(), b.version), (Some("call"), 3));
    assert_eq!(b.custom, deals[1].custom);
    assert_eq!(who.deal(&deals[2].id).await?.next_step.as_deref(), Some("sign"));

    let again = who.undo(&operation.id).await.unwrap_err();
    assert_eq!(again.is(), (409, "OPERATION_UNDONE"));
    assert_eq!(again.metadata()["undone_by"], undo.id);
    assert_eq!(who.undo(&undo.id).await.unwrap_err().reason(), "OPERATION_NOT_UNDOABLE");
    assert_eq!(other.undo(&operation.id).await.unwrap_err().reason(), "OPERATION_NOT_FOUND");
    let shown = who.operation(&operation.id).await?;
    assert_eq!(shown.bulk.unwrap().undone_by, Some(undo.id));
    Ok(())
}

#[tokio::test]
async fn many_moves_obey_the_rules_one_by_one_and_are_taken_back_exactly() -> Result<()> {
    let world = alone("globcrm_test_bulk_move").await?;
    let who = world.admin()?;
    let pipeline = who.create(with("Mine", document())).await?;
    let at = |key: &str| pb::Deal {
        pipeline_id: Some(pipeline.id.clone()),
        stage_id: Some(stage_id(&pipeline, key).to_owned()),
        ..named(key)
    };
    let own = who.create_deal(pb::Deal { probability: Some(33), ..at("new") }).await?;
    let (demo, won) = (who.create_deal(at("demo")).await?, who.create_deal(at("won")).await?);
    world.time.advance(Duration::from_secs(60));
    let changes = json!({"stage_id": stage_id(&pipeline, "demo")});
    let request = asked("move", &format!("pipeline_id = \"{}\"", pipeline.id), &changes);
    let preview = who.preview(request.clone()).await?;
    let refusals: Vec<_> =
        preview.refusals.iter().map(|r| (r.reason.as_str(), r.count, r.ids.as_slice())).collect();
    assert_eq!(refusals, [("MOVE_NOT_ALLOWED", 1, [won.id.clone()].as_slice())]);
    assert_eq!((preview.changed, preview.unchanged, preview.refused), (1, 1, 1));

    let operation = run(&world, &who, request).await?;
    assert_eq!(counts(&operation), [0, 1, 1, 1]);
    let refused = (won.id.clone(), "stage_id".to_owned(), "MOVE_NOT_ALLOWED".to_owned());
    assert_eq!(errors(&operation), [refused]);
    assert!(operation.errors[0].detail.ends_with("reopening"), "{:?}", operation.errors);
    assert_eq!(who.deal(&demo.id).await?.version, 1);
    let history = who.history(&own.id).await?;
    assert_eq!(history.last().unwrap().source, i32::from(pb::StageSource::Bulk));

    world.time.advance(Duration::from_secs(60));
    // A missing reason is refused at the name that the request has for it.
    let lost = json!({"stage_id": stage_id(&pipeline, "lost"), "reason": 5});
    let refused = who.ask(of_ids("move", &[&own.id], &lost)).await.unwrap_err();
    assert_eq!(refused.pointers(), ["/changes/reason"]);

    let undo = undone(&world, &who, &operation.id).await?;
    assert_eq!(counts(&undo), [0, 1, 0, 0]);
    let back = who.deal(&own.id).await?;
    assert_eq!((&back.stage_id, back.probability, back.status), (&own.stage_id, Some(33), own.status));
    assert_eq!(back.probability_source, own.probability_source);
    assert_eq!(who.history(&own.id).await?.len(), 3);

    // Who may not write what a stage sets may move, and take that back. An undo that was cancelled is no undo.
    let all = [("*", "*", Scope::All)];
    let bound = May { actions: &all, fields: &[("deal", "probability", FieldAccess::Read)] };
    let bound = world.caller(who.tenant, &bound)?;
    let moved = run(&world, &bound, of_ids("move", &[&own.id], &changes)).await?;
    let queued = bound.undo(&moved.id).await?;
    let cancel = pb::CancelOperationRequest { id: queued.id };
    done(bound.service.cancel_operation(bound.request(cancel, &[])).await)?;
    let undo = undone(&world, &bound, &moved.id).await?;
    assert_eq!((counts(&moved), counts(&undo)), ([0, 1, 0, 0], [0, 1, 0, 0]));
    assert_eq!(who.deal(&own.id).await?.probability, Some(33));

    // What was won comes back with the day on which it was won.
    let reopen = asked("update", &format!("id = \"{}\"", won.id), &json!({"tags": ["x"]}));
    let tagged = run(&world, &who, reopen).await?;
    assert_eq!(counts(&tagged), [0, 1, 0, 0]);
    undone(&world, &who, &tagged.id).await?;
    assert_eq!(who.deal(&won.id).await?.closed_at, won.closed_at);
    Ok(())
}

#[tokio::test]
async fn deletion_restoration_transfer_and_tags_have_their_ways_back() -> Result<()> {
    let world = alone("globcrm_test_bulk_actions").await?;
    let who = world.admin()?;
    let colleague = world.caller(who.tenant, &ALL)?;
    world.people.insert("user", colleague.id);
    let one =
        who.create_deal(pb::Deal { tags: vec!["old".to_owned(), "kept".to_owned()], ..named("one") }).await?;
    let two = who.create_deal(named("two")).await?;
    let ids = [one.id.as_str(), two.id.as_str()];

    let tag =
        run(&world, &who, of_ids("tag", &ids, &json!({"add": ["new", "kept"], "remove": ["old"]}))).await?;
    assert_eq!(counts(&tag), [0, 2, 0, 0]);
    assert_eq!(who.deal(&one.id).await?.tags, ["kept", "new"]);
    assert_eq!(who.deal(&two.id).await?.tags, ["new", "kept"]);
    undone(&world, &who, &tag.id).await?;
    assert_eq!(who.deal(&one.id).await?.tags, ["old", "kept"]);
    assert!(who.deal(&two.id).await?.tags.is_empty());

    let owner = json!({"owner_id": colleague.id.to_string()});
    let transfer = run(&world, &who, of_ids("transfer", &ids, &owner)).await?;
    assert_eq!(counts(&transfer), [0, 2, 0, 0]);
    assert_eq!(who.deal(&one.id).await?.owner_id, Some(colleague.id.to_string()));
    undone(&world, &who, &transfer.id).await?;
    assert_eq!(who.deal(&one.id).await?.owner_id, one.owner_id);

    let delete = run(&world, &who, of_ids("delete", &ids, &Value::Null)).await?;
    assert_eq!(counts(&delete), [0, 2, 0, 0]);
    assert_eq!(who.deal(&one.id).await.unwrap_err().reason(), "DEAL_NOT_FOUND");
    // One of them comes back by hand, so the undo leaves it.
    who.restore_deal(&two.id).await?;
    let undo = undone(&world, &who, &delete.id).await?;
    assert_eq!((counts(&undo), errors(&undo)), ([0, 1, 1, 0], vec![error(&two.id, "CHANGED_SINCE")]));
    assert!(who.deal(&one.id).await?.deleted_at.is_none());

    who.delete_deal(&one.id).await?;
    let restore = run(&world, &who, asked("restore", "name = \"one\"", &Value::Null)).await?;
    assert_eq!(counts(&restore), [0, 1, 0, 0]);
    let back = run(&world, &who, of_ids("restore", &ids, &Value::Null)).await?;
    assert_eq!((counts(&back), errors(&back)[0].2.as_str()), ([0, 0, 0, 2], "DEAL_NOT_DELETED"));
    undone(&world, &who, &restore.id).await?;
    assert_eq!(who.deal(&one.id).await.unwrap_err().reason(), "DEAL_NOT_FOUND");
    Ok(())
}

#[tokio::test]
async fn each_batch_runs_on_the_permissions_of_its_moment() -> Result<()> {
    let world = alone("globcrm_test_bulk_permissions").await?;
    let admin = world.admin()?;
    let actions =
        |scope| [("deal", "read", Scope::All), ("deal", "update", scope), ("deal", "create", Scope::All)];
    let rep = world.caller(admin.tenant, &May { actions: &actions(Scope::Own), fields: &[] })?;
    world.people.insert("user", rep.id);
    let theirs = admin.create_deal(named("theirs")).await?;
    let own = admin.create_deal(pb::Deal { owner_id: Some(rep.id.to_string()), ..named("own") }).await?;
    let everything = asked("update", "*", &json!({"next_step": "x"}));

    let preview = rep.preview(everything.clone()).await?;
    assert_eq!((preview.matched, preview.changed, preview.refused), (2, 1, 1));
    let operation = run(&world, &rep, everything.clone()).await?;
    assert_eq!(counts(&operation), [0, 1, 0, 1]);
    assert_eq!(errors(&operation), [error(&theirs.id, "PERMISSION_DENIED")]);
    assert_eq!(admin.deal(&own.id).await?.version, 2);

    // What a caller does not see is refused as what does not exist.
    let sees_own = [("deal", "read", Scope::Own), ("deal", "update", Scope::Own)];
    let blind = world.caller(admin.tenant, &May { actions: &sees_own, fields: &[] })?;
    let nothing = Uuid::from_u128(5).to_string();
    let named =
        run(&world, &blind, of_ids("update", &[&theirs.id, &nothing], &json!({"next_step": "y"}))).await?;
    let reasons: Vec<String> = errors(&named).into_iter().map(|error| error.2).collect();
    assert_eq!(reasons, ["DEAL_NOT_FOUND", "DEAL_NOT_FOUND"]);
    assert_eq!(blind.preview(asked("update", "*", &json!({"next_step": "y"}))).await?.matched, 0);

    // Who may not change a field, or not see it, cannot do it in numbers either.
    let all = [("*", "*", Scope::All)];
    let reads = [("deal", "next_step", FieldAccess::Read), ("deal", "amount", FieldAccess::None)];
    let bound = world.caller(admin.tenant, &May { actions: &all, fields: &reads })?;
    let refused = bound.ask(everything.clone()).await.unwrap_err();
    assert_eq!(refused.is(), (403, "FIELD_READ_ONLY"));
    let hidden = json!({"amount": {"amount_minor": 1, "currency": "EUR"}});
    let refused = bound.ask(asked("update", "*", &hidden)).await.unwrap_err();
    assert_eq!(refused.pointers(), ["/changes/amount"]);
    assert!(bound.ask(asked("tag", "amount > \"1 EUR\"", &json!({"add": ["x"]}))).await.is_err());

    // Taken away between the asking and the work.
    let queued = rep.ask(everything).await?.operation.unwrap();
    world.gates.gate.forget(admin.tenant.uuid(), None);
    world.allow(rep.id, 6, &May { actions: &[("deal", "read", Scope::All)], fields: &[] });
    let failed = finished(&world, &rep, &queued.id).await?;
    assert_eq!(failed.failure.as_deref(), Some("PERMISSION_DENIED"));
    assert_eq!(admin.deal(&own.id).await?.version, 2);
    Ok(())
}

#[tokio::test]
async fn a_request_that_cannot_be_meant_is_refused_at_its_place() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    for name in ["a", "b", "c"] {
        who.create_deal(named(name)).await?;
    }
    let step = json!({"next_step": "x"});
    let place = async |request| -> Vec<String> {
        who.ask(request).await.unwrap_err().pointers().into_iter().map(str::to_owned).collect()
    };
    assert_eq!(
        place(pb::CreateBulkOperationRequest { object: "users".into(), ..asked("tag", "", &step) }).await,
        ["/object"]
    );
    assert_eq!(place(asked("drop", "*", &step)).await, ["/action"]);
    assert_eq!(place(asked("update", "", &step)).await, ["/filter"]);
    assert_eq!(place(asked("update", "*", &json!({}))).await, ["/changes"]);
    assert_eq!(place(asked("update", "*", &json!({"nmae": "x"}))).await, ["/changes/nmae"]);
    assert_eq!(place(asked("update", "*", &json!({"status": "won"}))).await, ["/changes"]);
    assert_eq!(place(asked("update", "*", &json!({"name": 5}))).await, ["/changes/name"]);
    assert_eq!(place(asked("delete", "*", &step)).await, ["/changes/next_step"]);
    assert_eq!(place(asked("transfer", "*", &step)).await, ["/changes/next_step"]);
    assert_eq!(place(asked("move", "*", &json!({"reason": "x"}))).await, ["/changes/stage_id"]);
    assert_eq!(place(asked("tag", "*", &json!({"add": "x"}))).await, ["/changes/add"]);
    assert_eq!(place(asked("tag", "*", &json!({"add": ["x".repeat(61)]}))).await, ["/changes/add/0"]);
    let many: Vec<String> = (0..51).map(|n| format!("t{n}")).collect();
    assert_eq!(place(asked("tag", "*", &json!({"add": many}))).await, ["/changes/add"]);
    assert_eq!(place(asked("update", "*", &json!({"custom": {"teir": 1}}))).await, ["/changes/custom/teir"]);
    assert_eq!(
        place(asked("update", "*", &json!({"custom": {"seats": "x"}}))).await,
        ["/changes/custom/seats"]
    );
    assert_eq!(place(asked("update", "*", &json!({"etag": "1", "name": "x"}))).await, ["/changes/etag"]);
    assert_eq!(place(asked("move", "*", &json!({"stage_id": null}))).await, ["/changes/stage_id"]);
    let unique = json!({"external_ids": {"erp": "1"}});
    assert_eq!(place(asked("update", "*", &unique)).await, ["/changes/external_ids"]);
    let both =
        pb::CreateBulkOperationRequest { ids: vec![Uuid::nil().to_string()], ..asked("update", "*", &step) };
    assert_eq!(place(both).await, ["/ids"]);
    let few = pb::CreateBulkOperationRequest { max_affected: Some(2), ..asked("update", "*", &step) };
    let refused = who.ask(few.clone()).await.unwrap_err();
    assert_eq!(refused.is(), (409, "TOO_MANY_AFFECTED"));
    assert_eq!(refused.metadata()["max_affected"], "2");
    let enough = pb::CreateBulkOperationRequest { max_affected: Some(3), ..few };
    assert_eq!(who.preview(enough).await?.matched, 3);
    let bad = who.ask(asked("update", "nothing = 1", &step)).await.unwrap_err();
    assert_eq!(bad.http(), 400);
    Ok(())
}

#[tokio::test]
async fn a_cancelled_operation_is_taken_back_as_far_as_it_came() -> Result<()> {
    const DEALS: i64 = 900;
    let world = alone("globcrm_test_bulk_cancel").await?;
    let who = world.admin()?;
    let first = who.create_deal(pb::Deal { next_step: Some("was".to_owned()), ..named("many") }).await?;
    let copies = "INSERT INTO pipeline.deals SELECT (jsonb_populate_record(d, jsonb_build_object('id', gen_random_uuid()))).*
                  FROM pipeline.deals AS d, generate_series(2, $2) WHERE d.id = $1";
    sqlx::query(copies)
        .bind(Uuid::parse_str(&first.id)?)
        .bind(DEALS)
        .execute(&mut world.sql().await?)
        .await?;
    let with = async |step: &str| -> Result<i64> {
        let count = "SELECT count(*) FROM pipeline.deals WHERE tenant_id = $1 AND next_step = $2";
        let query = sqlx::query_scalar(count).bind(who.tenant.uuid()).bind(step);
        Ok(query.fetch_one(&mut world.sql().await?).await?)
    };
    let queued = who.ask(asked("update", "*", &json!({"next_step": "is"}))).await?.operation.unwrap();
    let cancelled = waiting::outcome(Duration::from_secs(60), "some are done", async || {
        let operation = who.operation(&queued.id).await.map_err(|refused| format!("{refused:?}"))?;
        if operation.progress.unwrap().done == 0 {
            return Err("none is".to_owned());
        }
        let request = pb::CancelOperationRequest { id: queued.id.clone() };
        Ok(done(who.service.cancel_operation(who.request(request, &[])).await))
    });
    tokio::select! {
        () = world.bulk.clone().work(CancellationToken::new()) => unreachable!(),
        cancelled = cancelled => cancelled.map(drop)?,
    }
    // The worker is gone with its claim, which lapses.
    world.time.advance(Duration::from_secs(10));
    let over = finished(&world, &who, &queued.id).await?;
    let changed = with("is").await?;
    assert_eq!(over.result.unwrap().updated, changed);
    if over.state() == common::OperationState::Cancelled {
        assert!(changed < DEALS, "{changed} were changed before the end");
    }
    let undo = undone(&world, &who, &queued.id).await?;
    assert_eq!((counts(&undo), with("was").await?), ([0, changed, 0, 0], DEALS));
    Ok(())
}

#[tokio::test]
async fn a_repeated_request_is_one_operation_and_a_running_one_cannot_be_undone() -> Result<()> {
    let world = World::new().await?;
    let who = world.admin()?;
    who.create_deal(named("one")).await?;
    let request = asked("tag", "*", &json!({"add": ["x"]}));
    let ask = async || {
        let request = who.request(request.clone(), &[("idempotency-key", "once")]);
        done(who.service.create_bulk_operation(request).await).map(|answer| answer.operation.unwrap().id)
    };
    let (first, second) = (ask().await?, ask().await?);
    assert_eq!(first, second);
    let refused = who.undo(&first).await.unwrap_err();
    assert_eq!(refused.is(), (409, "OPERATION_NOT_OVER"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_undo_at_once_one_does() -> Result<()> {
    let world = alone("globcrm_test_bulk_undo").await?;
    let who = world.admin()?;
    who.create_deal(named("one")).await?;
    for round in 0..5 {
        let tagged = run(&world, &who, asked("tag", "*", &json!({"add": [format!("x{round}")]}))).await?;
        let undo = || who.undo(&tagged.id);
        let (a, b, c, d) = tokio::join!(undo(), undo(), undo(), undo());
        let (queued, refused): (Vec<_>, Vec<_>) = [a, b, c, d].into_iter().partition(Result::is_ok);
        assert_eq!(queued.len(), 1, "round {round}");
        for refused in refused {
            assert_eq!(refused.unwrap_err().is(), (409, "OPERATION_UNDONE"));
        }
    }
    Ok(())
}
