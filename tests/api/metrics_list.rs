//! What the roles serve is what docs/metrics.md and the README of `libs/events` list: names, kinds, units and labels.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::json;
use testkit::fleet::Role;

use super::metrics::{page, scrape, sum};
use crate::stage::Stage;
use crate::waiting;

/// Longer than the events and operations that wait are not measured.
const BOUND: Duration = Duration::from_secs(60);

/// What a fleet that is well never does, batches, which imports alone have, and TLS, which this one does not speak.
const SELDOM: [&str; 12] = [
    "globcrm.inbox.dead",
    "globcrm.inbox.expired",
    "globcrm.inbox.parked",
    "globcrm.operation.batch.duration",
    "globcrm.pipeline.deal.outcomes",
    "globcrm.outbox.lost",
    "globcrm.records.derived",
    "globcrm.records.purge_put_off",
    "globcrm.rpc.client.unseen",
    "globcrm.tls.certificate.expiry",
    "globcrm.tls.handshakes.failed",
    "globcrm.tls.plain",
];

/// What a list says of a metric.
#[derive(Debug)]
struct Listed {
    name: String,
    kind: String,
    labels: BTreeSet<String>,
}

/// Words in backticks.
fn ticked(cell: &str) -> impl Iterator<Item = String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned)
}

/// As Prometheus writes it.
fn underscored(name: &str) -> String {
    name.replace('.', "_")
}

/// The rows of the lists, by the name that is served.
fn listed() -> BTreeMap<String, Listed> {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let lists = ["docs/metrics.md", "libs/events/README.md"]
        .map(|path| std::fs::read_to_string(format!("{root}/{path}")).expect("a list"));
    let mut all = BTreeMap::new();
    for row in lists.iter().flat_map(|text| text.lines()) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, name, kind, labels, ..] = cells[..] else { continue };
        let (kind, unit) = kind.split_once(", ").unwrap_or((kind, ""));
        if !["counter", "gauge", "histogram"].contains(&kind) {
            continue;
        }
        let name = ticked(name).next().expect("a name");
        let seconds = if unit == "s" { "_seconds" } else { "" };
        let total = if kind == "counter" { "_total" } else { "" };
        // The values of a label stand behind it.
        let labels = ticked(labels.split(": ").next().unwrap_or_default()).map(|l| underscored(&l)).collect();
        let served = format!("{}{seconds}{total}", underscored(&name));
        all.insert(served, Listed { name, kind: kind.to_owned(), labels });
    }
    all
}

/// The labels of a sample.
fn labels(sample: &str) -> BTreeSet<String> {
    let Some((_, rest)) = sample.split_once('{') else { return BTreeSet::new() };
    let names = rest.split("\",").filter_map(|pair| Some(pair.split_once("=\"")?.0.to_owned()));
    // What the exporter adds: the bucket, and who made the instrument.
    names.filter(|name| name != "le" && !name.starts_with("otel_scope_")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_served_is_listed_and_what_is_listed_is_served() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("listed").await;
    tenant.admin.post("/api/v1/contacts", json!({"last_name": "A"})).await.expect(201);
    // An event that a consumer applies: identity's, for the audit log.
    let field = json!({"key": "tier", "label": "Tier", "type": "text"});
    tenant.admin.post("/api/v1/objects/contact/fields", field).await.expect(201);
    let listed = listed();
    assert!(listed.len() > 30, "{listed:#?}");
    let mut missing: BTreeSet<&str> = listed.values().map(|listed| listed.name.as_str()).collect();
    missing.retain(|name| !SELDOM.contains(name));
    let mut wrong = BTreeSet::new();
    waiting::outcome(BOUND, "all that is listed is served", async || {
        for role in Role::ALL {
            let page = page(stage, role).await;
            for line in page.lines() {
                if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|l| l.split_once(' ')) {
                    match listed.get(name) {
                        Some(listed) if listed.kind == kind => drop(missing.remove(listed.name.as_str())),
                        Some(listed) => drop(wrong.insert(format!("{name} is a {kind}, listed: {listed:?}"))),
                        // Who serves them.
                        None if name == "target_info" => {}
                        None => drop(wrong.insert(format!("{name} is a {kind} and not listed"))),
                    }
                    continue;
                }
                let sample = line.split(['{', ' ']).next().unwrap_or_default();
                let ends = ["_bucket", "_sum", "_count", ""];
                let of = ends.iter().find_map(|end| listed.get(sample.strip_suffix(end)?));
                let Some(of) = of else { continue };
                for label in labels(line).difference(&of.labels) {
                    wrong.insert(format!("{} has the label {label}, which is not listed", of.name));
                }
            }
        }
        if missing.is_empty() { Ok(()) } else { Err(format!("listed and not served: {missing:?}")) }
    })
    .await;
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_that_nobody_takes_up_is_seen_and_how_long_it_waits() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("waiting").await;
    let oldest = async || {
        let samples = scrape(stage, Role::Records).await;
        let labels = [r#"kind="import""#, r#"state="queued""#];
        (
            sum(&samples, "globcrm_operation_open{", &labels),
            sum(&samples, "globcrm_operation_open_age_seconds{", &labels),
        )
    };
    let mut sql = stage.sql().await;
    // Claimed for long by nobody, so that no worker ends it.
    let id = uuid::Uuid::now_v7();
    let queued = sqlx::query(
        "INSERT INTO records.operation (tenant_id, id, kind, state, principal_id, request, claim_until, created_at)
         VALUES ($1::text::uuid, $2, 'import', 'queued', $2, '', now() + interval '1 day', now() - interval '2 hours')",
    );
    queued.bind(&tenant.id).bind(id).execute(&mut sql).await.expect("queued");
    waiting::until(BOUND, "it is seen, and its age", async || {
        let (open, age) = oldest().await;
        open >= 1.0 && (7_200.0..9_000.0).contains(&age)
    })
    .await;
    let gone = sqlx::query("DELETE FROM records.operation WHERE tenant_id = $1::text::uuid AND id = $2");
    gone.bind(&tenant.id).bind(id).execute(&mut sql).await.expect("deleted");
    waiting::until(BOUND, "it is gone", async || oldest().await.1 < 7_200.0).await;
}
