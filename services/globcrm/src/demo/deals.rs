//! The deals of a demo organisation: 200 in every stage of its pipeline, moved there step by step.

use anyhow::Context;
use serde_json::{Value, json};
use time::{Date, Duration};

use super::Api;

const DEALS: usize = 200;
const PRODUCTS: [&str; 8] =
    ["Licences", "Renewal", "Support contract", "Rollout", "Training", "Migration", "Pilot", "Extension"];
const STEPS: [&str; 4] = ["Call the buyer", "Send the offer", "Arrange a demo", "Ask for the budget"];
const LOST: [&str; 3] = ["price", "competitor", "no budget"];
const ROLES: [&str; 3] = ["decision_maker", "influencer", "user"];

/// Makes the deals; `rep` owns every third. Gives their ids.
pub(super) async fn load(
    api: &Api,
    rep: &str,
    (companies, contacts): (&[Value], &[Value]),
) -> anyhow::Result<Vec<String>> {
    let pipelines = api.get("/api/v1/pipelines").await?;
    let sales = pipelines["pipelines"].as_array().and_then(|all| all.first()).context("a pipeline")?;
    let stages = sales["stages"].as_array().context("the stages")?;
    let (open, over): (Vec<&Value>, Vec<&Value>) = stages.iter().partition(|stage| stage["kind"] == "open");
    let today = ids::Clock::system().now().date();
    let mut made = Vec::new();
    for n in 0..DEALS {
        let company = n % companies.len();
        let mut deal = json!({
            "name": format!("{} {}", PRODUCTS[n % PRODUCTS.len()], n + 1),
            "amount": {"amount_minor": 250_000 + 37_500 * (n % 40), "currency": if n.is_multiple_of(7) { "USD" } else { "EUR" }},
            "company_id": companies[company],
            "contacts": [{"contact_id": contacts[n % contacts.len()], "role": ROLES[n % 3], "is_primary": true}],
            "expected_close_date": close_date(today, n)?,
            "next_step": STEPS[n % STEPS.len()],
            "tags": if n.is_multiple_of(9) { json!(["strategic"]) } else { json!([]) },
        });
        if n.is_multiple_of(3) {
            deal["owner_id"] = json!(rep);
        }
        let id =
            api.create("/api/v1/deals", &deal).await?["id"].as_str().context("the deal's id")?.to_owned();
        for stage in way(n, &open, &over) {
            let lost = (stage["kind"] == "lost").then(|| LOST[n % LOST.len()]);
            let fields = lost.map_or(json!({}), |reason| json!({ "lost_reason": reason }));
            let body = json!({"stage_id": stage["id"], "reason": lost, "fields": fields});
            api.send(&format!("/api/v1/deals/{id}:move"), &body, 200).await?;
        }
        made.push(id);
    }
    Ok(made)
}

/// Over the year around today: those that were to be closed earlier are won, lost or late.
fn close_date(today: Date, n: usize) -> anyhow::Result<String> {
    let days = i64::try_from(n * 53 % 365)? - 182;
    Ok((today + Duration::days(days)).to_string())
}

/// The stages that a deal goes through after its first: as far as it came, and every fourth one to its end.
fn way<'s>(n: usize, open: &[&'s Value], over: &[&'s Value]) -> Vec<&'s Value> {
    let came = n % open.len();
    let end = over.get(n / 4 % over.len().max(1)).filter(|_| n % 4 == 1);
    let steps = if end.is_some() { open.len() - 1 } else { came };
    open.iter().skip(1).take(steps).chain(end).copied().collect()
}
