//! Alerts: what each has, that there are cases of it, and a page for whoever is woken by it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::cases::{Case, EVERYTHING};
use super::helm::Chart;
use super::objects::{items, of_kind, text};

/// The headings of a page, in this order.
const HEADINGS: [&str; 5] = [
    "## What it means",
    "## What users notice",
    "## How to find the cause",
    "## What to do",
    "## How to see that it is over",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files below a folder of the tree that end so, read as YAML.
fn read(folder: &str) -> Vec<Value> {
    let dir = std::fs::read_dir(root().join(folder)).unwrap();
    let mut files: Vec<_> = dir.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "yaml"));
    files.sort();
    let text = |path: &PathBuf| std::fs::read_to_string(path).unwrap();
    files
        .iter()
        .map(|path| serde_saphyr::from_str(&text(path)).unwrap_or_else(|e| panic!("{}: {e}", path.display())))
        .collect()
}

/// All rules of some groups that are alerts.
fn alerts<'a>(groups: impl Iterator<Item = &'a Value>) -> Vec<&'a Value> {
    groups.flat_map(|group| items(&group["rules"])).filter(|rule| rule["alert"].is_string()).collect()
}

/// Those of the chart, as the operator of Prometheus gets them.
fn rendered(case: &Case<'_>) -> Vec<Value> {
    let objects = Chart::ours().objects(case);
    let [rules] = of_kind(&objects, "PrometheusRule")[..] else { panic!("one PrometheusRule") };
    alerts(items(&rules["spec"]["groups"]).iter()).into_iter().cloned().collect()
}

/// Alerts, by name, for which the cases have none in which it fires with all that it says, or none in which it does not.
fn lacking(names: &BTreeSet<String>, cases: &[Value]) -> Vec<String> {
    let tests: Vec<&Value> = cases
        .iter()
        .flat_map(|file| items(&file["tests"]))
        .flat_map(|test| items(&test["alert_rule_test"]))
        .collect();
    let of = |name: &str| tests.iter().filter(|test| test["alertname"] == name).copied().collect::<Vec<_>>();
    let says_all = |alert: &Value| {
        alert["exp_labels"]["severity"].is_string() && alert["exp_annotations"]["summary"].is_string()
    };
    let mut lacking = Vec::new();
    for name in names {
        let fires = |test: &&Value| items(&test["exp_alerts"]).iter().any(says_all);
        let is_quiet = |test: &&Value| test["exp_alerts"].is_array() && items(&test["exp_alerts"]).is_empty();
        if !of(name).iter().any(fires) {
            lacking.push(format!("{name}: no case in which it fires"));
        }
        if !of(name).iter().any(is_quiet) {
            lacking.push(format!("{name}: no case in which it does not fire"));
        }
    }
    lacking
}

fn names() -> BTreeSet<String> {
    let files = read("helm/globcrm/alerts");
    let groups = files.iter().flat_map(|file| items(&file["groups"]));
    alerts(groups).into_iter().map(|rule| text(&rule["alert"]).to_owned()).collect()
}

#[test]
fn alerts_have_what_a_person_needs_and_queries_name_metrics_that_there_are() {
    let known = known_metrics();
    let alerts = rendered(&EVERYTHING);
    assert_eq!(alerts.iter().map(|rule| text(&rule["alert"]).to_owned()).collect::<BTreeSet<_>>(), names());
    for rule in alerts {
        let alert = text(&rule["alert"]);
        for path in ["/labels/severity", "/annotations/summary", "/annotations/description"] {
            assert!(rule.pointer(path).is_some_and(|value| !text(value).is_empty()), "{alert}: {path}");
        }
        let expression = text(&rule["expr"]);
        let words = expression.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        let begins = ["globcrm_", "http_server_", "rpc_server_", "db_client_"];
        let metrics = words.filter(|word| begins.iter().any(|begin| word.starts_with(begin)));
        let is_label =
            |name: &&str| *name == "db_client_connection_pool_name" || *name == "db_client_connection_state";
        let unknown: Vec<&str> = metrics
            .filter(|name| !is_label(name))
            .filter(|name| !known.iter().any(|one| is_of(name, one)))
            .collect();
        assert!(unknown.is_empty(), "{alert}: {unknown:?}");
    }
}

#[test]
fn every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not() {
    let (names, cases) = (names(), read("helm/globcrm/alerts/tests"));
    assert!(names.len() > 20, "{names:?}");
    assert_eq!(lacking(&names, &cases), [""; 0]);
    // Of nothing that is gone, either.
    let tried =
        cases.iter().flat_map(|file| items(&file["tests"])).flat_map(|test| items(&test["alert_rule_test"]));
    let tried: BTreeSet<String> = tried.map(|test| text(&test["alertname"]).to_owned()).collect();
    assert_eq!(tried, names);
}

#[test]
fn an_alert_without_one_of_its_cases_is_named() {
    let names = BTreeSet::from(["A", "B", "C", "D"].map(str::to_owned));
    let fires = json!([{"exp_labels": {"severity": "warning"}, "exp_annotations": {"summary": "x"}}]);
    let cases = [json!({"tests": [{"alert_rule_test": [
        {"alertname": "A", "exp_alerts": fires}, {"alertname": "A", "exp_alerts": []},
        {"alertname": "B", "exp_alerts": fires},
        {"alertname": "C", "exp_alerts": []},
        // It says nothing of what it would say.
        {"alertname": "D", "exp_alerts": [{"exp_labels": {}}]}, {"alertname": "D", "exp_alerts": []},
    ]}]})];
    let expected = [
        "B: no case in which it does not fire",
        "C: no case in which it fires",
        "D: no case in which it fires",
    ];
    assert_eq!(lacking(&names, &cases), expected);
}

#[test]
fn every_alert_has_a_page_and_every_page_an_alert() {
    let dir = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let pages: BTreeSet<String> = pages
        .filter(|page| page != "README.md")
        .map(|page| page.trim_end_matches(".md").to_owned())
        .collect();
    assert_eq!(pages, names());
    for page in pages {
        let text = std::fs::read_to_string(root().join(format!("docs/runbooks/{page}.md"))).unwrap();
        assert!(text.starts_with(&format!("# {page}\n")), "{page} has another title");
        let headings: Vec<&str> = text.lines().filter(|line| line.starts_with("## ")).collect();
        assert_eq!(headings, HEADINGS, "{page}");
        let parts = text.split("\n## ").skip(1);
        assert!(
            parts.into_iter().all(|part| part.lines().any(|line| line.len() > 20)),
            "{page} has an empty part"
        );
    }
}

#[test]
fn an_alert_leads_to_its_page_where_pages_are() {
    let page = |rule: &Value| {
        (text(&rule["alert"]).to_owned(), text(&rule["annotations"]["runbook_url"]).to_owned())
    };
    for (alert, url) in rendered(&EVERYTHING).iter().map(page) {
        assert_eq!(url, format!("https://wiki.example/globcrm/{alert}.md"));
    }
    let plain = Case { name: "plain", preset: None, sets: &["metrics.rules.enabled=true"] };
    for (alert, url) in rendered(&plain).iter().map(page) {
        assert_eq!(url, format!("docs/runbooks/{alert}.md"));
    }
}

/// Names in the tables of metrics, with underscores.
fn known_metrics() -> Vec<String> {
    let tables = ["docs/metrics.md", "libs/events/README.md"];
    let texts = tables.map(|file| std::fs::read_to_string(root().join(file)).unwrap());
    let lines: Vec<String> = texts.iter().flat_map(|text| text.lines()).map(str::to_owned).collect();
    let named = lines.iter().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    named.map(|name| name.replace('.', "_")).collect()
}

/// As Prometheus calls a metric: the unit and what is counted come after the name.
fn is_of(name: &str, metric: &str) -> bool {
    let suffixes = ["", "_seconds", "_total", "_seconds_count", "_seconds_bucket", "_seconds_sum"];
    name.strip_prefix(metric).is_some_and(|rest| suffixes.contains(&rest))
}
