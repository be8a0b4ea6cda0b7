//! The sales day: deals through a pipeline that is published anew under them, a task, reports, what a rep sees, the trash, 10,000 deals at
//! once; pipeline and activities are killed in between.

mod deals;
mod killed;
mod many;
mod publishing;
mod rep;
mod reports;
mod task;
mod together;
mod trash;

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Journey;
use crate::client::{Answer, Client, all_pages, query};
use crate::stage::{Stage, text};

/// Within this, what is said by events is known.
const HEARD: Duration = Duration::from_secs(60);

/// A pipeline in use, and who has to do with its deals.
pub struct Sales {
    pub admin: Client,
    pub pipeline: String,
    /// Ids of stages by their keys.
    pub stages: BTreeMap<String, String>,
    /// An imported contact, the company that it works for, and their deal.
    pub contact: String,
    pub company: String,
    pub deal: String,
}

/// Without a stage nothing is killed, and what takes its hand on the database is left out.
pub async fn day(mut stage: Option<&mut Stage>, anonymous: &Client, journey: &Journey) {
    let mut sales = deals::a_company_and_a_deal_for_an_imported_contact(journey).await;
    deals::a_move_that_the_rules_forbid_and_one_that_lacks_a_field(&sales).await;
    publishing::a_version_is_published_while_deals_move(stage.as_deref_mut(), &mut sales).await;
    let task = task::a_task_is_completed_once(stage.as_deref_mut(), &sales).await;
    reports::one_deal_is_won_one_lost_and_the_reports_say_so(&sales).await;
    rep::a_rep_sees_own_deals_and_no_amount(anonymous, journey, &sales).await;
    trash::a_contact_goes_and_comes_back_and_goes_for_good(stage.as_deref_mut(), journey, &sales, &task)
        .await;
    together::two_move_one_deal_at_once(&sales).await;
    many::ten_thousand_deals_change_hands_and_back(stage, journey).await;
}

impl Sales {
    pub fn stage(&self, key: &str) -> &str {
        self.stages.get(key).unwrap_or_else(|| panic!("no stage {key}"))
    }

    /// A deal in the pipeline's first stage.
    pub async fn make(&self, client: &Client, mut deal: Value) -> String {
        deal["pipeline_id"] = json!(self.pipeline);
        text(&client.post("/api/v1/deals", deal).await.expect(201)["id"])
    }

    pub async fn go(&self, deal: &str, stage: &str, reason: Option<&str>, fields: Value) -> Answer {
        let body = json!({"stage_id": self.stage(stage), "reason": reason, "fields": fields});
        self.admin.post(&format!("/api/v1/deals/{deal}:move"), body).await
    }

    pub async fn deal(&self, id: &str) -> Value {
        self.admin.get(&format!("/api/v1/deals/{id}")).await.expect(200)
    }

    /// Where a deal has been.
    pub async fn history(&self, deal: &str) -> Vec<Value> {
        let history = self.admin.get(&format!("/api/v1/deals/{deal}/stage-history")).await.expect(200);
        history["entries"].as_array().expect("entries").clone()
    }

    pub async fn board(&self, client: &Client) -> Value {
        let asked = query(&[("pipeline_id", &self.pipeline)]);
        client.get(&format!("/api/v1/deals:board{asked}")).await.expect(200)
    }

    pub async fn report(&self, client: &Client, name: &str, more: &[(&str, &str)]) -> Value {
        let asked = [&[("pipeline_id", self.pipeline.as_str())], more].concat();
        client.get(&format!("/api/v1/reports/{name}{}", query(&asked))).await.expect(200)
    }

    /// Learns the ids of stages from the pipeline as it is now.
    pub fn learn(&mut self, pipeline: &Value) {
        let stages = pipeline["stages"].as_array().expect("stages");
        self.stages.extend(stages.iter().map(|stage| (text(&stage["key"]), text(&stage["id"]))));
    }
}

/// All that a list has, page after page.
pub async fn all(client: &Client, object: &str, filter: &str) -> Vec<Value> {
    all_pages(client, object, &[("filter", filter)], "200").await
}
