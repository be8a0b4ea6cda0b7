//! Every rule of moves on every way to write a deal: what the service answers is what the rules say (`spec.rs`). Rows of files and deals of a bulk
//! operation have their refusals as errors of the operation.

use std::collections::BTreeMap;

use anyhow::Result;
use ids::RoleId;
use proto::common::v1::{Money, RowError};
use proto::pipeline::v1 as pb;
use serde_json::json;
use uuid::Uuid;

use super::spec::{Answer, STAGES, Spec, With, changed, created};
use crate::database::Database;
use crate::pipeline::bulk as many;
use crate::pipeline::imports;
use crate::pipeline::world::{ALL, Caller, Refusal, World, named, publication, stage_id, with};

/// A way to write the stage of a deal that is there.
#[derive(Clone, Copy, Debug)]
enum Path {
    Update,
    Move,
}

/// A way to write the stages of many.
#[derive(Clone, Copy, Debug)]
enum Many {
    /// A file with a row for each, which has the deal's id.
    Import,
    /// A bulk operation for those that are moved to one stage.
    Bulk,
}

/// A deal that stands in the first stage and is moved to the second.
type Moved = (&'static str, &'static str, pb::Deal);

/// Values of all fields that stages and transitions may require.
fn values() -> (pb::Deal, [&'static str; 4]) {
    let deal = pb::Deal {
        amount: Some(Money { amount_minor: Some(5), currency: Some("EUR".to_owned()) }),
        next_step: Some("call".to_owned()),
        lost_reason: Some("price".to_owned()),
        expected_close_date: Some("2031-01-01".to_owned()),
        ..Default::default()
    };
    (deal, ["amount", "next_step", "lost_reason", "expected_close_date"])
}

/// The answer as the rules know it; a pointer is that of a field behind `prefix`, and that of the reason is `reason`.
fn answer<T>(done: Result<T, Refusal>, prefix: &str, reason: &str) -> (Answer, Vec<String>) {
    let Err(refused) = done else { return (Answer::Done, Vec::new()) };
    if refused.is() == (409, "MOVE_NOT_ALLOWED") {
        let rules = ["reopening", "closing", "listed", "allow_skipping", "allow_backwards", "role_ids"];
        let rule = rules.into_iter().find(|rule| refused.metadata()["rule"] == *rule);
        let allowed = refused.allowed().into_iter().collect();
        return (Answer::Forbidden(rule.expect("a known rule")), allowed);
    }
    assert_eq!(refused.is(), (422, "VALIDATION_FAILED"), "{refused:?}");
    let (mut fields, mut needs_reason) = (Vec::new(), false);
    for (pointer, why) in refused.violations() {
        if pointer == reason {
            assert_eq!(why, "REASON_REQUIRED");
            needs_reason = true;
            continue;
        }
        assert_eq!(why, "REQUIRED_FOR_STAGE", "{pointer}");
        let field = pointer.strip_prefix(prefix).unwrap_or_else(|| panic!("{pointer} instead of {prefix}…"));
        fields.push(values().1.into_iter().find(|name| *name == field).expect("a known field"));
    }
    fields.sort_unstable();
    (Answer::Missing(fields, needs_reason), Vec::new())
}

/// The answer that the errors of one deal are: their texts name the rule.
fn of_errors<'e>(errors: impl Iterator<Item = &'e RowError>) -> Answer {
    let (mut fields, mut needs_reason, mut is_done) = (Vec::new(), false, true);
    for RowError { field, reason, detail, .. } in errors {
        is_done = false;
        match reason.as_str() {
            "MOVE_NOT_ALLOWED" => {
                let rules =
                    ["reopening", "closing", "listed", "allow_skipping", "allow_backwards", "role_ids"];
                let rule = rules.into_iter().find(|rule| detail.ends_with(rule));
                return Answer::Forbidden(rule.expect("a known rule"));
            }
            "REASON_REQUIRED" => needs_reason = true,
            "REQUIRED_FOR_STAGE" => {
                let known = values().1.into_iter().find(|name| name == field);
                fields.push(known.unwrap_or_else(|| panic!("{field} is no field that is required")));
            }
            other => panic!("{field}: {other}: {detail}"),
        }
    }
    fields.sort_unstable();
    if is_done { Answer::Done } else { Answer::Missing(fields, needs_reason) }
}

struct Bench {
    world: World,
    /// Without the role and with it.
    callers: [Caller; 2],
    role: String,
}

impl Bench {
    async fn new(world: World) -> Result<Self> {
        let admin = world.admin()?;
        let holder = world.caller(admin.tenant, &ALL)?;
        let role = RoleId::from(Uuid::now_v7());
        world.roles.lock().unwrap().insert(role);
        world.gates.snapshots.lock().unwrap().get_mut(&holder.id).unwrap().role_ids = vec![role.to_string()];
        Ok(Self { callers: [admin, holder], role: role.to_string(), world })
    }

    fn admin(&self) -> &Caller {
        &self.callers[0]
    }

    async fn pipeline(&self, spec: &Spec, name: &str) -> Result<pb::Pipeline> {
        Ok(self.admin().create(with(name, spec.document(&self.role))).await?)
    }

    /// A deal in a stage, with what that stage requires and nothing else.
    async fn deal(&self, pipeline: &pb::Pipeline, key: &str) -> Result<pb::Deal> {
        let (all, _) = values();
        let required = STAGES.iter().find(|stage| stage.0 == key).unwrap().2;
        let deal = pb::Deal {
            pipeline_id: Some(pipeline.id.clone()),
            stage_id: Some(stage_id(pipeline, key).to_owned()),
            next_step: all.next_step.filter(|_| required == Some("next_step")),
            lost_reason: all.lost_reason.filter(|_| required == Some("lost_reason")),
            ..named(key)
        };
        Ok(self.admin().create_deal(deal).await?)
    }

    /// A deal for each move that there can be.
    async fn all_moves(&self, made: &pb::Pipeline) -> Result<Vec<Moved>> {
        let mut all = Vec::new();
        for (from, ..) in STAGES {
            for (to, ..) in STAGES.iter().filter(|stage| stage.0 != from) {
                all.push((from, *to, self.deal(made, from).await?));
            }
        }
        Ok(all)
    }

    /// A file that moves all of them, with the values that are carried.
    async fn import(&self, made: &pb::Pipeline, all: &[Moved], carried: With) -> Result<Vec<Answer>> {
        let who = &self.callers[usize::from(carried.role)];
        let columns = [
            ("id", "id"),
            ("stage", "stage_id"),
            ("reason", "stage_reason"),
            ("amount", "amount"),
            ("step", "next_step"),
            ("lost", "lost_reason"),
            ("close", "expected_close_date"),
        ];
        let values = if carried.all { "because,0.05 EUR,call,price,2031-01-01" } else { ",,,," };
        let row = |(_, to, deal): &Moved| format!("{},{},{values}\n", deal.id, stage_id(made, to));
        let rows = std::iter::once("id,stage,reason,amount,step,lost,close\n".to_owned());
        let file: String = rows.chain(all.iter().map(row)).collect();
        let request = imports::import(&self.world.uploads.put(&file), &columns, pb::DuplicatePolicy::Update);
        let queued = who.queue_import(request).await?;
        let operation = imports::finished(&self.world, who, &queued.id).await;
        let of = |at: usize| operation.errors.iter().filter(move |error| error.line == at as i64 + 2);
        Ok((0..all.len()).map(|at| of_errors(of(at))).collect())
    }

    /// Bulk operations that move them; they carry no values but the reason.
    async fn bulk(&self, made: &pb::Pipeline, all: &[Moved], carried: With) -> Result<Vec<Answer>> {
        let who = &self.callers[usize::from(carried.role)];
        let mut found = BTreeMap::new();
        for (to, ..) in STAGES {
            let mut changes = json!({"stage_id": stage_id(made, to)});
            if carried.all {
                changes["reason"] = "because".into();
            }
            let ids: Vec<&str> =
                all.iter().filter(|(_, at, _)| *at == to).map(|(.., deal)| deal.id.as_str()).collect();
            let operation = many::run(&self.world, who, many::of_ids("move", &ids, &changes)).await?;
            for id in ids {
                let errors = operation.errors.iter().filter(|error| error.record_id.as_deref() == Some(id));
                found.insert(id.to_owned(), of_errors(errors));
            }
        }
        Ok(all.iter().map(|(.., deal)| found[&deal.id].clone()).collect())
    }

    async fn write(&self, path: Path, deal: &pb::Deal, to: &str, carried: With) -> (Answer, Vec<String>) {
        let who = &self.callers[usize::from(carried.role)];
        let (mut fields, paths) = values();
        let reason = carried.all.then(|| "because".to_owned());
        match path {
            Path::Update => {
                fields.stage_id = Some(to.to_owned());
                fields.stage_reason = reason;
                let sent = if carried.all { &paths[..] } else { &[] };
                let sent = [sent, &["stage_id", "stage_reason"]].concat();
                answer(who.change_deal(&deal.id, fields, &sent).await, "/", "/stage_reason")
            }
            Path::Move => {
                let request = pb::MoveDealRequest {
                    id: deal.id.clone(),
                    stage_id: Some(to.to_owned()),
                    reason,
                    fields: carried.all.then_some(fields),
                    ..Default::default()
                };
                answer(who.move_deal(request).await, "/fields/", "/reason")
            }
        }
    }
}

/// What a deal has that stands in a stage is not missing any more.
fn without_held(answer: Answer, from: &str) -> Answer {
    let held = STAGES.iter().find(|stage| stage.0 == from).unwrap().2;
    match answer {
        Answer::Missing(fields, reason) => {
            let fields: Vec<&str> = fields.into_iter().filter(|field| Some(*field) != held).collect();
            if fields.is_empty() && !reason { Answer::Done } else { Answer::Missing(fields, reason) }
        }
        other => other,
    }
}

const CARRIED: [With; 4] = [
    With { all: false, role: false },
    With { all: true, role: false },
    With { all: false, role: true },
    With { all: true, role: true },
];

#[tokio::test]
async fn every_rule_holds_on_every_way_to_change_the_stage() -> Result<()> {
    for (n, spec) in Spec::all().iter().enumerate() {
        let bench = Bench::new(World::new().await?).await?;
        let made = bench.pipeline(spec, "Rules").await?;
        for (from, ..) in STAGES {
            let mut deal = bench.deal(&made, from).await?;
            for (to, ..) in STAGES.iter().filter(|stage| stage.0 != from) {
                for (path, carried) in
                    [Path::Update, Path::Move].into_iter().flat_map(|path| CARRIED.map(|c| (path, c)))
                {
                    let (found, allowed) = bench.write(path, &deal, stage_id(&made, to), carried).await;
                    let wanted = without_held(spec.moved(from, to, carried), from);
                    assert_eq!(found, wanted, "rules {n}: {spec:?}\n{path:?} {from} to {to}, {carried:?}");
                    if found == Answer::Done {
                        deal = bench.deal(&made, from).await?;
                    }
                    if matches!(found, Answer::Forbidden(_)) {
                        let open = |to: &&str| *to != from && spec.forbids(from, to, carried.role).is_none();
                        let wanted: Vec<&str> = STAGES.iter().map(|stage| stage.0).filter(open).collect();
                        assert_eq!(allowed, wanted, "rules {n}: {spec:?}, from {from}");
                    }
                }
            }
        }
    }
    Ok(())
}

/// Rows and deals of a bulk operation are refused one by one, for what refuses a call; of the rules every other.
#[tokio::test]
async fn every_rule_holds_for_rows_of_files_and_for_many_deals_at_once() -> Result<()> {
    // Their workers see every tenant.
    let database = Database::fresh("globcrm_test_pipelines_ways", &[pipeline::MIGRATIONS]).await?;
    let bench = Bench::new(World::on(database)?).await?;
    for (n, spec) in Spec::all().iter().enumerate().step_by(2) {
        let made = bench.pipeline(spec, &format!("P{n}")).await?;
        for (many, carried) in
            [Many::Import, Many::Bulk].into_iter().flat_map(|many| CARRIED.map(|c| (many, c)))
        {
            let all = bench.all_moves(&made).await?;
            let found = match many {
                Many::Import => bench.import(&made, &all, carried).await?,
                Many::Bulk => bench.bulk(&made, &all, carried).await?,
            };
            for ((from, to, deal), found) in all.iter().zip(found) {
                let wanted = without_held(of_many(spec, many, (from, to), carried), from);
                assert_eq!(found, wanted, "rules {n}: {spec:?}\n{many:?} {from} to {to}, {carried:?}");
                let now = bench.admin().deal(&deal.id).await?;
                let stands = if found == Answer::Done { to } else { from };
                assert_eq!(now.stage_key, *stands, "{many:?} {from} to {to}");
            }
        }
    }
    Ok(())
}

/// What the rules say of a way: a bulk operation carries a reason, and values of no field.
fn of_many(spec: &Spec, many: Many, (from, to): (&str, &str), carried: With) -> Answer {
    if !matches!(many, Many::Bulk) || !carried.all {
        return spec.moved(from, to, carried);
    }
    match spec.moved(from, to, With { all: false, ..carried }) {
        Answer::Missing(fields, _) if fields.is_empty() => Answer::Done,
        Answer::Missing(fields, _) => Answer::Missing(fields, false),
        other => other,
    }
}

#[tokio::test]
async fn a_new_deal_and_one_from_another_pipeline_need_what_their_stage_requires() -> Result<()> {
    // Rules of moves say nothing of them.
    for spec in Spec::all().iter().step_by(4) {
        let bench = Bench::new(World::new().await?).await?;
        let (made, other) = (bench.pipeline(spec, "A").await?, bench.pipeline(spec, "B").await?);
        for (to, ..) in STAGES {
            for carried in CARRIED {
                let who = &bench.callers[usize::from(carried.role)];
                let mut deal = if carried.all { values().0 } else { pb::Deal::default() };
                deal.name = Some("A".to_owned());
                deal.pipeline_id = Some(made.id.clone());
                deal.stage_id = Some(stage_id(&made, to).to_owned());
                let (found, _) = answer(who.create_deal(deal).await, "/", "/stage_reason");
                assert_eq!(found, created(to, carried), "{to}, {carried:?}");
            }
            for (from, ..) in STAGES {
                let deal = bench.deal(&other, from).await?;
                let request = pb::ChangeDealPipelineRequest {
                    id: deal.id.clone(),
                    pipeline_id: made.id.clone(),
                    stage_id: Some(stage_id(&made, to).to_owned()),
                    reason: None,
                };
                let (found, _) = answer(bench.admin().change_pipeline(request).await, "/", "/reason");
                let nothing = With { all: false, role: false };
                assert_eq!(found, without_held(changed(from, to, nothing), from), "{from} to {to}");
            }
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_publication_moves_deals_whatever_the_rules_say() -> Result<()> {
    // The job sees every tenant, so it has a database of its own.
    let world = World::on(Database::fresh("globcrm_test_pipelines_rules", &[pipeline::MIGRATIONS]).await?)?;
    let bench = Bench::new(world).await?;
    for (n, spec) in Spec::all().iter().enumerate() {
        let retired = "b";
        let made = bench.pipeline(spec, &format!("P{n}")).await?;
        let deal = bench.deal(&made, retired).await?;
        let to = ["a", "c", "won", "lost"][n % 4];
        let mut without = spec.document(&bench.role);
        without.stages.retain(|stage| stage.key != retired);
        // Rules that name the stage go with it.
        without.transitions.retain(|way| way.to != retired && way.from.as_deref() != Some(retired));
        without.rules = None;
        without.transitions.retain(|_| n % 2 == 0);
        bench.admin().put(&made.id, without).await?;
        let stage_mapping = BTreeMap::from([(retired.to_owned(), to.to_owned())]);
        let request = pb::PublishPipelineRequest { stage_mapping, ..publication(&made.id) };
        bench.admin().publish(request).await?;
        bench.world.map().await?;
        let found = bench.admin().deal(&deal.id).await?;
        assert_eq!((found.stage_key.as_str(), found.pipeline_version), (to, 2), "{spec:?}");
        let entries = bench.admin().history(&deal.id).await?;
        assert_eq!((entries.len(), entries[1].source()), (2, pb::StageSource::Publish));
    }
    Ok(())
}
