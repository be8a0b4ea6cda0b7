//! The deals of a demo organisation: 200 over a year, each moved step by step as far as it has come until now.

use anyhow::Context;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use super::api::Api;
use super::working_time;

const DEALS: usize = 200;
const PRODUCTS: [&str; 8] =
    ["Licences", "Renewal", "Support contract", "Rollout", "Training", "Migration", "Pilot", "Extension"];
const STEPS: [&str; 4] = ["Call the buyer", "Send the offer", "Arrange a demo", "Ask for the budget"];
const LOST: [&str; 3] = ["price", "competitor", "no budget"];
const ROLES: [&str; 3] = ["decision_maker", "influencer", "user"];

/// The pipeline, and the deals that are made.
pub(super) struct Deals {
    rep: String,
    pipeline: String,
    companies: Vec<Value>,
    contacts: Vec<Value>,
    open: Vec<Value>,
    over: Vec<Value>,
    /// By their numbers; some are not made yet.
    ids: Vec<Option<String>>,
}

/// Deals are known by their numbers.
pub(super) enum Step {
    Create(usize),
    Move { deal: usize, stage: Stage },
}

/// By their places among the stages of a kind.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    Open(usize),
    Over(usize),
}

impl Deals {
    /// Makes their pipeline; the representative owns every third.
    pub(super) async fn begin(
        api: &mut Api,
        rep: &str,
        companies: Vec<Value>,
        contacts: Vec<Value>,
    ) -> anyhow::Result<Self> {
        // The one that every organisation gets may have been made today, by the fleet that runs beside this one.
        let made = json!({"name": "New business", "template": "b2b_sales"});
        let made = api.create("/api/v1/pipelines", &made).await?;
        let pipeline = made["id"].as_str().context("the pipeline's id")?;
        api.patch(&format!("/api/v1/pipelines/{pipeline}"), &json!({"is_default": true})).await?;
        let stages = made["stages"].as_array().context("the stages")?.iter().cloned();
        let (open, over) = stages.partition(|stage| stage["kind"] == "open");
        Ok(Self {
            rep: rep.to_owned(),
            pipeline: pipeline.to_owned(),
            companies,
            contacts,
            open,
            over,
            ids: vec![None; DEALS],
        })
    }

    /// How many there are.
    pub(super) fn made(&self) -> usize {
        self.ids.iter().flatten().count()
    }

    /// One of those that there are by now; none at first.
    pub(super) fn some(&self, n: usize) -> Option<&str> {
        self.ids.iter().flatten().nth(n % self.made().max(1)).map(String::as_str)
    }

    /// When deals are made and moved.
    pub(super) fn year(&self, start: OffsetDateTime, now: OffsetDateTime) -> Vec<(OffsetDateTime, Step)> {
        let apart = (now - start) / i32::try_from(DEALS).unwrap_or(i32::MAX);
        let mut steps = Vec::new();
        let mut day = start;
        for deal in 0..DEALS {
            let mut at = working_time(day, deal);
            steps.push((at, Step::Create(deal)));
            for (n, stage) in self.way(deal).into_iter().enumerate() {
                at = working_time(at + Duration::days(4 + (deal * 7 + n * 11) as i64 % 21), deal + n);
                steps.push((at, Step::Move { deal, stage }));
            }
            day += apart;
        }
        steps.retain(|(at, _)| *at < now);
        steps
    }

    /// The stages that a deal goes through after its first: every fourth is lost on its way, every ninth is forgotten, others are won.
    fn way(&self, deal: usize) -> Vec<Stage> {
        let last = self.open.len().saturating_sub(1);
        let (is_lost, is_forgotten) = (deal % 4 == 1, deal % 9 == 4);
        let steps = if is_lost || is_forgotten { deal / 4 % last.max(1) } else { last };
        let end = if is_lost { "lost" } else { "won" };
        let end = self.over.iter().position(|stage| stage["kind"] == end).filter(|_| !is_forgotten);
        (1..=steps).map(Stage::Open).chain(end.map(Stage::Over)).collect()
    }

    /// Does one of the steps.
    pub(super) async fn take(&mut self, api: &mut Api, step: Step) -> anyhow::Result<()> {
        match step {
            Step::Create(n) => {
                let made = api.create("/api/v1/deals", &self.deal(api, n)?).await?;
                let id = made["id"].as_str().context("the deal's id")?;
                *self.ids.get_mut(n).context("a number of a deal")? = Some(id.to_owned());
            }
            Step::Move { deal: n, stage } => {
                let stage = match stage {
                    Stage::Open(n) => self.open.get(n),
                    Stage::Over(n) => self.over.get(n),
                };
                let deal = self.ids.get(n).and_then(Option::as_deref).context("the deal")?;
                let stage = stage.context("the stage")?;
                let lost = (stage["kind"] == "lost").then(|| LOST[n % LOST.len()]);
                let fields = lost.map_or(json!({}), |reason| json!({ "lost_reason": reason }));
                let body = json!({"stage_id": stage["id"], "reason": lost, "fields": fields});
                api.send(&format!("/api/v1/deals/{deal}:move"), &body, 200).await?;
            }
        }
        Ok(())
    }

    fn deal(&self, api: &Api, n: usize) -> anyhow::Result<Value> {
        let close = api.now().date() + Duration::days(30 + (n * 13 % 60) as i64);
        let mut deal = json!({
            "pipeline_id": self.pipeline,
            "name": format!("{} {}", PRODUCTS[n % PRODUCTS.len()], n + 1),
            "amount": {"amount_minor": 250_000 + 37_500 * (n % 40), "currency": if n.is_multiple_of(7) { "USD" } else { "EUR" }},
            "company_id": self.companies.get(n % self.companies.len().max(1)).context("a company")?,
            "contacts": [{
                "contact_id": self.contacts.get(n % self.contacts.len().max(1)).context("a contact")?,
                "role": ROLES[n % 3], "is_primary": true,
            }],
            "expected_close_date": close.to_string(),
            "next_step": STEPS[n % STEPS.len()],
            "tags": if n.is_multiple_of(9) { json!(["strategic"]) } else { json!([]) },
        });
        if n.is_multiple_of(3) {
            deal["owner_id"] = json!(self.rep);
        }
        Ok(deal)
    }
}
