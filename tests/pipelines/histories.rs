//! Random histories: creations, moves, edits, publications, retirements with and without mapping, deletions and restores, in the service and in the
//! model. At random instants, history, board and reports agree with the model; in the end, reports as of all these instants do.
//!
//! `GLOBCRM_SEED` runs another history.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use proto::common::v1::Money;
use proto::pipeline::v1 as pb;
use time::{Date, OffsetDateTime};

use super::agree;
use super::model::{Deal, Model, Pipeline, Since, Stage};
use crate::database::Database;
use crate::pipeline::world::{ALL, Caller, World, named, publication, stage, with};
use crate::world::Dice;

const STEPS: usize = 300;
/// At so many instants the model is compared.
const INSTANTS: usize = 20;
/// The open stages that versions choose from; the first one is in all of them.
const OPEN: [&str; 6] = ["new", "talk", "demo", "offer", "terms", "last"];
const REASONS: [&str; 3] = ["price", "time", "rival"];
const CURRENCIES: [&str; 3] = ["EUR", "EUR", "USD"];

#[tokio::test]
#[expect(clippy::print_stdout, reason = "an assertion that fails does not say of which seed")]
async fn histories_boards_and_reports_of_then_agree_with_a_model() -> Result<()> {
    let seeds = match std::env::var("GLOBCRM_SEED") {
        Ok(seed) => vec![seed.parse()?],
        Err(_) => vec![1, 2, 3],
    };
    for seed in seeds {
        println!("GLOBCRM_SEED={seed}");
        run(seed).await.with_context(|| format!("GLOBCRM_SEED={seed}"))?;
    }
    Ok(())
}

/// The service and the model of it.
pub(super) struct Run {
    pub(super) world: World,
    pub(super) who: Caller,
    pub(super) model: Model,
    dice: Dice,
}

async fn run(seed: u64) -> Result<()> {
    let database = Database::fresh("globcrm_test_pipelines", &[pipeline::MIGRATIONS]).await?;
    let world = World::on(database)?;
    let who = world.admin()?;
    let mut run = Run { world, who, model: Model::default(), dice: Dice(seed) };
    run.pipeline("A").await?;
    run.pipeline("B").await?;
    let mut instants = Vec::new();
    for step in 0..STEPS {
        run.later(Duration::from_secs(1 + run.dice.clone().below(200_000) as u64))?;
        run.step().await.with_context(|| format!("step {step}"))?;
        if run.dice.below(STEPS - step) < INSTANTS - instants.len() {
            run.later(Duration::from_millis(1))?;
            instants.push(run.now());
            agree::now(&run).await.with_context(|| format!("step {step}"))?;
            agree::reports(&run, run.now(), run.now()).await.with_context(|| format!("step {step}"))?;
        }
    }
    assert_eq!(instants.len(), INSTANTS);
    for (n, then) in instants.iter().enumerate() {
        agree::reports(&run, *then, run.now()).await.with_context(|| format!("instant {n}, {then}"))?;
    }
    run.purge().await?;
    for (n, then) in instants.iter().enumerate() {
        agree::reports(&run, *then, run.now())
            .await
            .with_context(|| format!("purged, instant {n}, {then}"))?;
    }
    Ok(())
}

impl Run {
    pub(super) fn now(&self) -> OffsetDateTime {
        self.world.clock.now_micros()
    }

    /// Nothing happens at the same time. Tokens do not live as long as that.
    fn later(&mut self, by: Duration) -> Result<()> {
        self.world.time.advance(by);
        self.who = self.world.caller(self.who.tenant, &ALL)?;
        Ok(())
    }

    async fn pipeline(&mut self, name: &str) -> Result<()> {
        let stages = self.stages(name);
        let made = self.who.create(with(name, document(&stages))).await?;
        let at = self.now();
        self.model.pipelines.push(Pipeline {
            id: made.id.clone(),
            versions: Since::new(at, stages),
            ids: BTreeMap::new(),
        });
        self.learn_ids(self.model.pipelines.len() - 1, &made);
        Ok(())
    }

    fn learn_ids(&mut self, pipeline: usize, shown: &pb::Pipeline) {
        let pipeline = &mut self.model.pipelines[pipeline];
        for stage in pipeline.versions.last().clone() {
            let id = shown.stages.iter().find(|shown| shown.key == stage.key).unwrap().id.clone();
            pipeline.ids.insert(stage.key, id);
        }
    }

    /// Some of the open stages in some order, and those in which deals end, somewhere behind the first.
    fn stages(&mut self, prefix: &str) -> Vec<Stage> {
        let mut keys: Vec<&str> = OPEN[1..].to_vec();
        keys.retain(|_| !self.dice.once_in(3));
        keys.extend(["won", "lost"]);
        if self.dice.once_in(2) {
            keys.push("won2");
        }
        for at in 1..keys.len() {
            let other = self.dice.below(at + 1);
            keys.swap(at, other);
        }
        keys.insert(0, "new");
        let number = self.dice.below(1_000);
        keys.into_iter()
            .map(|key| {
                let (kind, probability) = match key {
                    "won" | "won2" => (pb::StageKind::Won, 100),
                    "lost" => (pb::StageKind::Lost, 0),
                    _ => (pb::StageKind::Open, self.dice.below(100) as i64),
                };
                Stage { key, name: format!("{prefix} {key} {number}"), kind, probability }
            })
            .collect()
    }

    async fn step(&mut self) -> Result<()> {
        if self.model.deals.len() < 5 {
            return self.create().await;
        }
        match self.dice.below(20) {
            0..=3 => self.create().await,
            4..=10 => self.go().await,
            11..=13 => self.edit().await,
            14 => self.change_pipeline().await,
            15..=17 => self.trash().await,
            18 => self.restore().await,
            _ => self.publish().await,
        }
    }

    /// A stage of those in force.
    fn one_stage(&mut self, pipeline: usize, wanted: impl Fn(&Stage) -> bool) -> Option<Stage> {
        let stages = self.model.pipelines[pipeline].versions.last();
        let stages: Vec<Stage> = stages.iter().filter(|stage| wanted(stage)).cloned().collect();
        (!stages.is_empty()).then(|| self.dice.one(&stages).clone())
    }

    /// A deal that is in the trash, or not.
    fn one_deal(&mut self, is_trashed: bool) -> Option<usize> {
        let deals = self.model.deals.iter().enumerate();
        let deals: Vec<usize> =
            deals.filter(|(_, deal)| *deal.is_trashed.last() == is_trashed).map(|(at, _)| at).collect();
        (!deals.is_empty()).then(|| *self.dice.one(&deals))
    }

    fn amount(&mut self) -> Option<(i64, &'static str)> {
        let currency = *self.dice.one(&CURRENCIES);
        (!self.dice.once_in(5)).then(|| (self.dice.below(10_000) as i64, currency))
    }

    fn date(&mut self) -> Option<Date> {
        let day = Date::from_calendar_date(2031, time::Month::January, 1).unwrap();
        (!self.dice.once_in(4)).then(|| day + time::Duration::days(self.dice.below(400) as i64))
    }

    async fn create(&mut self) -> Result<()> {
        let pipeline = usize::from(self.dice.once_in(4));
        let stage = self.one_stage(pipeline, |_| true).expect("a pipeline has stages");
        let (amount, date) = (self.amount(), self.date());
        let of = &self.model.pipelines[pipeline];
        let made = self.who.create_deal(pb::Deal {
            pipeline_id: Some(of.id.clone()),
            stage_id: Some(of.ids[stage.key].clone()),
            amount: money(amount),
            expected_close_date: date.map(|day| day.to_string()),
            ..named("A")
        });
        let (made, at) = (made.await?, self.now());
        let mut deal = Deal {
            id: made.id,
            stays: Vec::new(),
            amount: Since::new(at, amount),
            date: Since::new(at, date),
            reason: Since::new(at, None),
            probability: Since::new(at, 0),
            is_manual: false,
            is_trashed: Since::new(at, false),
            is_purged: false,
        };
        deal.go(pipeline, &stage, at, pb::StageSource::Create);
        self.model.deals.push(deal);
        Ok(())
    }

    async fn go(&mut self) -> Result<()> {
        let Some(which) = self.one_deal(false) else { return Ok(()) };
        let from = self.model.deals[which].now().clone();
        // A closed stage is left by a transition to the first one alone, but from a retired one a deal may go on to a stage of its kind.
        let is_retired =
            !self.model.pipelines[from.pipeline].versions.last().iter().any(|s| s.key == from.key);
        let may = |stage: &Stage| match (from.kind, is_retired) {
            (pb::StageKind::Open, _) => stage.key != from.key,
            (kind, true) => stage.kind == kind,
            (_, false) => stage.key == "new",
        };
        let Some(stage) = self.one_stage(from.pipeline, may) else { return Ok(()) };
        let reason =
            (stage.kind == pb::StageKind::Lost && !self.dice.once_in(4)).then(|| *self.dice.one(&REASONS));
        let stage_id = Some(self.model.pipelines[from.pipeline].ids[stage.key].clone());
        let id = self.model.deals[which].id.clone();
        let source = if self.dice.once_in(3) {
            let deal = pb::Deal { stage_id, lost_reason: reason.map(str::to_owned), ..Default::default() };
            let paths: &[&str] = if reason.is_some() { &["stage_id", "lost_reason"] } else { &["stage_id"] };
            self.who.change_deal(&id, deal, paths).await?;
            pb::StageSource::Update
        } else {
            let deal = |reason: &str| pb::Deal { lost_reason: Some(reason.to_owned()), ..Default::default() };
            let fields = reason.map(deal);
            self.who.move_deal(pb::MoveDealRequest { id, stage_id, fields, ..Default::default() }).await?;
            pb::StageSource::Move
        };
        let at = self.now();
        let deal = &mut self.model.deals[which];
        deal.go(from.pipeline, &stage, at, source);
        if reason.is_some() {
            deal.reason.set(at, reason);
        }
        Ok(())
    }

    async fn edit(&mut self) -> Result<()> {
        let Some(which) = self.one_deal(false) else { return Ok(()) };
        let (amount, date, reason) = (self.amount(), self.date(), *self.dice.one(&REASONS));
        let is_open = self.model.deals[which].now().kind == pb::StageKind::Open;
        let own = (is_open && self.dice.once_in(3)).then(|| self.dice.below(101) as i64);
        let deal = pb::Deal {
            amount: money(amount),
            expected_close_date: date.map(|day| day.to_string()),
            lost_reason: Some(reason.to_owned()),
            probability: own.map(|own| own as i32),
            ..Default::default()
        };
        let mut paths = vec!["amount", "expected_close_date", "lost_reason"];
        paths.extend(own.map(|_| "probability"));
        self.who.change_deal(&self.model.deals[which].id, deal, &paths).await?;
        let at = self.now();
        let deal = &mut self.model.deals[which];
        deal.amount.set(at, amount);
        deal.date.set(at, date);
        deal.reason.set(at, Some(reason));
        if let Some(own) = own {
            deal.probability.set(at, own);
            deal.is_manual = true;
        }
        Ok(())
    }

    async fn change_pipeline(&mut self) -> Result<()> {
        let Some(which) = self.one_deal(false) else { return Ok(()) };
        let from = self.model.deals[which].now().clone();
        let to = 1 - from.pipeline;
        let Some(stage) = self.one_stage(to, |stage| stage.kind == from.kind) else { return Ok(()) };
        let of = &self.model.pipelines[to];
        let request = pb::ChangeDealPipelineRequest {
            id: self.model.deals[which].id.clone(),
            pipeline_id: of.id.clone(),
            stage_id: Some(of.ids[stage.key].clone()),
            reason: None,
        };
        self.who.change_pipeline(request).await?;
        let at = self.now();
        self.model.deals[which].go(to, &stage, at, pb::StageSource::ChangePipeline);
        Ok(())
    }

    async fn trash(&mut self) -> Result<()> {
        let Some(which) = self.one_deal(false) else { return Ok(()) };
        self.who.delete_deal(&self.model.deals[which].id).await?;
        let at = self.now();
        self.model.deals[which].is_trashed.set(at, true);
        Ok(())
    }

    async fn restore(&mut self) -> Result<()> {
        let Some(which) = self.one_deal(true) else { return Ok(()) };
        self.who.restore_deal(&self.model.deals[which].id).await?;
        let at = self.now();
        self.model.deals[which].is_trashed.set(at, false);
        Ok(())
    }

    /// A new version: other stages, names, order and probabilities. Some of the retired stages are mapped; their deals go where the mapping says,
    /// those in the trash as well.
    async fn publish(&mut self) -> Result<()> {
        let pipeline = usize::from(self.dice.once_in(3));
        let stages = self.stages(["A", "B"][pipeline]);
        let id = self.model.pipelines[pipeline].id.clone();
        let known: Vec<&str> = self.model.pipelines[pipeline].ids.keys().copied().collect();
        let mut mapping: BTreeMap<&str, Stage> = BTreeMap::new();
        for key in known {
            if stages.iter().all(|stage| stage.key != key) && self.dice.once_in(2) {
                let is_won = key == "won2";
                let fits = |stage: &&Stage| {
                    if is_won { stage.key == "won" } else { stage.kind == pb::StageKind::Open }
                };
                let fitting: Vec<Stage> = stages.iter().filter(fits).cloned().collect();
                mapping.insert(key, self.dice.one(&fitting).clone());
            }
        }
        self.who.put(&id, document(&stages)).await?;
        let stage_mapping =
            mapping.iter().map(|(from, to)| ((*from).to_owned(), to.key.to_owned())).collect();
        let shown =
            self.who.publish(pb::PublishPipelineRequest { stage_mapping, ..publication(&id) }).await?;
        let at = self.now();
        self.model.pipelines[pipeline].versions.set(at, stages);
        self.learn_ids(pipeline, &shown);
        self.later(Duration::from_millis(1))?;
        self.world.map().await?;
        let at = self.now();
        for deal in &mut self.model.deals {
            let stay = deal.now().clone();
            if let Some(to) = mapping.get(stay.key).filter(|_| stay.pipeline == pipeline) {
                deal.go(pipeline, to, at, pb::StageSource::Publish);
            }
        }
        Ok(())
    }

    /// What is in the trash is purged.
    async fn purge(&mut self) -> Result<()> {
        let month = Duration::from_secs(31 * 86_400);
        self.later(month)?;
        let purge = record::Purge {
            role: fleet::Role::Pipeline,
            objects: pipeline::OBJECTS,
            db: self.world.db.clone(),
            worker: self.world.worker()?,
            clock: self.world.clock.clone(),
            wake: events::Wake::default(),
            retention: month.saturating_sub(Duration::from_secs(3_600)),
        };
        let gone = purge.round().await?;
        let trashed = self.model.deals.iter_mut().filter(|deal| *deal.is_trashed.last());
        let marked = trashed.map(|deal| deal.is_purged = true).count();
        assert!(gone == marked && gone > 0, "{gone} instead of {marked}");
        Ok(())
    }
}

pub(super) fn money(amount: Option<(i64, &str)>) -> Option<Money> {
    amount.map(|(minor, currency)| Money { amount_minor: Some(minor), currency: Some(currency.to_owned()) })
}

/// Deals move as they like between open stages, and may be opened again.
fn document(stages: &[Stage]) -> pb::Document {
    let shown = stages.iter().map(|of| pb::Stage {
        name: of.name.clone(),
        ..stage(of.key, of.kind, i32::try_from(of.probability).unwrap())
    });
    let closed = stages.iter().filter(|stage| stage.kind != pb::StageKind::Open);
    let reopened = closed.map(|stage| pb::Transition {
        from: Some(stage.key.to_owned()),
        to: "new".to_owned(),
        ..Default::default()
    });
    pb::Document { stages: shown.collect(), rules: None, transitions: reopened.collect() }
}
