//! Every panel and every alert on a real Prometheus.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::Value;
use testkit::fleet::Role;
use testkit::prometheus::Prometheus;
use testkit::{Purpose, Workspace};

use super::panels::{Query, queries};
use super::{chart, files, programs, traffic};
use crate::client::query;
use crate::stage::Stage;
use crate::waiting;

/// How long it may take until all has been measured: some gauges are looked at every 15 s.
const BOUND: Duration = Duration::from_secs(90);
/// Tenants with a name.
const NAMED: &str = "5";

/// What a fleet that is well and has no certificates never counts, so that a query which is about it alone has nothing but its 0.
const SELDOM: [(&str, &str); 5] = [
    ("globcrm_inbox_dead", "no event was ever given up"),
    ("globcrm_inbox_expired_total", "no event lay for a month"),
    ("globcrm_inbox_parked", "no event failed"),
    ("globcrm_records_derived_total", "no derived value was ever wrong"),
    ("globcrm_tls_certificate_expiry_seconds", "it speaks no TLS"),
];

/// A Prometheus that reads a fleet.
struct Watch {
    prometheus: Prometheus,
    http: reqwest::Client,
}

impl Watch {
    /// Reads the fleet every second, with the rules of the chart.
    fn start(stage: &Stage) -> Self {
        let mut config = format!(
            "global:\n  scrape_interval: 1s\n  evaluation_interval: 1s\nrule_files: ['{}/alerts/*.yaml']\nscrape_configs:\n",
            chart().display()
        );
        for role in Role::ALL {
            // As docker-compose.yml's Prometheus does, and the chart's ServiceMonitor.
            config.push_str(&format!(
                "  - job_name: {}\n    honor_labels: true\n    static_configs: [{{targets: ['127.0.0.1:{}']}}]\n",
                role.name(),
                stage.ports.admin[&role]
            ));
        }
        let state = Workspace::here().expect("a workspace").state_dir(Purpose::Test);
        let dir = state.join(format!("prometheus-{}", stage.ports.public));
        let prometheus = Prometheus::start(&programs(), &dir, &config).expect("Prometheus");
        Self { prometheus, http: reqwest::Client::new() }
    }

    /// What an address of its API answers, or why it does not.
    async fn ask(&self, path: &str) -> Result<Value, String> {
        let answer = self.http.get(format!("{}/api/v1/{path}", self.prometheus.url())).send().await;
        let text =
            answer.map_err(|error| error.to_string())?.text().await.map_err(|error| error.to_string())?;
        let body: Value = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        if body["status"] == "success" { Ok(body["data"].clone()) } else { Err(text) }
    }

    /// The samples of a query now.
    async fn samples(&self, text: &str) -> Result<Vec<Value>, String> {
        let data = self.ask(&format!("query{}", query(&[("query", text)]))).await?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Whether a query has an answer: a number, not "not a number".
    async fn answers(&self, one: &Query) -> Result<(), String> {
        let samples = self.samples(&one.text).await.map_err(|said| format!("{}: {said}", one.place))?;
        let is_number = |sample: &Value| sample["value"][1].as_str().is_some_and(|value| value != "NaN");
        if samples.iter().any(is_number) { Ok(()) } else { Err(format!("{}: {}", one.place, one.text)) }
    }

    /// The values of a label.
    async fn values(&self, label: &str) -> Result<BTreeSet<String>, String> {
        let data = self.ask(&format!("label/{label}/values")).await?;
        Ok(data.as_array().into_iter().flatten().filter_map(|v| Some(v.as_str()?.to_owned())).collect())
    }
}

/// The names of metrics in a query: words of ours that are no label.
fn metrics(expr: &str) -> BTreeSet<String> {
    let begins =
        ["globcrm", "http_server", "rpc_server", "rpc_client", "db_client_connection", "target_info"];
    let words = expr.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | ':')));
    // Labels are behind `by (`, before `=` or in quotes; the ones that begin alike are these.
    let labels =
        ["http_request_method", "http_route", "db_client_connection_pool_name", "db_client_connection_state"];
    words
        .filter(|word| begins.iter().any(|begin| word.starts_with(begin)) && !labels.contains(word))
        .filter(|word| word.contains('_'))
        .map(str::to_owned)
        .collect()
}

/// The expressions of all rules.
fn rules() -> Vec<Query> {
    let mut all = Vec::new();
    for file in files("alerts", ".yaml") {
        let text = std::fs::read_to_string(&file).expect("rules");
        let read: Value = serde_saphyr::from_str(&text).expect("YAML");
        for rule in read["groups"]
            .as_array()
            .into_iter()
            .flatten()
            .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        {
            let name = rule["alert"].as_str().or(rule["record"].as_str()).expect("a name");
            all.push(Query {
                place: name.to_owned(),
                text: rule["expr"].as_str().expect("an expression").to_owned(),
            });
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn every_panel_has_an_answer_and_every_rule_what_it_asks_for() {
    let start = || Stage::start_with(&[("GLOBCRM_GATEWAY_NAMED_TENANTS", NAMED)]);
    let stage = tokio::task::spawn_blocking(start).await.expect("the stage");
    let watch = Watch::start(&stage);
    let tenant = Box::pin(traffic::once(&stage)).await;
    let (panels, rules) = (queries(), rules());

    // Each query, asked again until it has an answer.
    let mut open = panels.clone();
    waiting::outcome(BOUND, "every panel has an answer", async || {
        traffic::again(&tenant).await;
        let mut missing = Vec::new();
        let mut still = Vec::new();
        for one in std::mem::take(&mut open) {
            if let Err(why) = watch.answers(&one).await {
                missing.push(why);
                still.push(one);
            }
        }
        open = still;
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:#?}")) }
    })
    .await;

    // `or on() vector(0)` answers whatever is before it: so each metric must be there by its name, too.
    let asked: BTreeSet<String> = panels.iter().chain(&rules).flat_map(|one| metrics(&one.text)).collect();
    assert!(asked.len() > 35, "{asked:?}");
    waiting::outcome(BOUND, "every metric that is asked for is there", async || {
        let known = watch.values("__name__").await?;
        let is_missing =
            |name: &&String| !known.contains(*name) && SELDOM.iter().all(|(seldom, _)| name != seldom);
        let missing: Vec<_> = asked.iter().filter(is_missing).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    })
    .await;

    // Every rule was evaluated, and none with a complaint.
    let state = watch.ask("rules").await.expect("rules");
    let evaluated: Vec<&Value> = state["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .flat_map(|group| group["rules"].as_array().into_iter().flatten())
        .collect();
    assert_eq!(evaluated.len(), rules.len());
    for rule in evaluated {
        assert_eq!(rule["health"], "ok", "{rule}");
    }

    // Labels of ours that are called as Prometheus' own win: alerts name the job and the service by them.
    let jobs = watch.samples("max by (job) (globcrm_job_last_success_seconds)").await.expect("jobs");
    assert!(jobs.iter().any(|job| job["metric"]["job"] == "records.purge"), "{jobs:?}");
    // The tenant that was busy has a name, and no more than so many have.
    let named =
        watch.samples("count by (tenant_id) (globcrm_gateway_tenant_requests_total)").await.expect("tenants");
    assert!(named.iter().any(|one| one["metric"]["tenant_id"] == tenant.id.as_str()), "{named:?}");
    assert!(named.len() <= NAMED.parse::<usize>().expect("a number") + 1, "{named:?}");
    let refused = watch
        .samples(r#"sum(globcrm_identity_powers_exceeded_total{reason="ROLE_EXCEEDS_CALLER"}) > 0"#)
        .await;
    assert!(!refused.expect("powers").is_empty());
    let wrong =
        watch.samples(r#"sum(globcrm_identity_logins_total{outcome="wrong"}) > 0"#).await.expect("log-ins");
    assert!(!wrong.is_empty());
}
