//! The panels of the dashboards, as Grafana would ask for them.

use fleet::FLEET;
use serde_json::Value;

use super::files;

/// What Grafana puts in: the shortest time over which a rate can be told, here for a scrape each second.
const RATE_INTERVAL: &str = "20s";

/// A query, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Query {
    pub(super) place: String,
    pub(super) text: String,
}

/// The queries of all panels of all dashboards; those about a chosen service for each service of the fleet.
pub(super) fn queries() -> Vec<Query> {
    let mut all = Vec::new();
    for file in files("dashboards", ".json") {
        let text = std::fs::read_to_string(&file).expect("a dashboard");
        let dashboard: Value = serde_json::from_str(&text).expect("JSON");
        for panel in dashboard["panels"].as_array().expect("panels") {
            for target in panel["targets"].as_array().into_iter().flatten() {
                let place = format!("{} / {}", dashboard["title"], panel["title"]);
                all.extend(chosen(&place, target["expr"].as_str().expect("a query")));
            }
        }
    }
    all
}

/// A query with what a person chooses put in.
fn chosen(place: &str, expr: &str) -> Vec<Query> {
    let text = expr.replace("$__rate_interval", RATE_INTERVAL).replace("$route", ".+");
    if !text.contains("$service") {
        return vec![Query { place: place.to_owned(), text }];
    }
    let services = FLEET.iter().filter(|member| member.service.is_some()).map(|member| member.names.name);
    let of = |name: &str| Query { place: format!("{place} / {name}"), text: text.replace("$service", name) };
    services.map(of).collect()
}

#[test]
fn nothing_that_a_person_chooses_is_left_in_a_query() {
    let queries = queries();
    assert!(queries.len() > 100, "{}", queries.len());
    // A group of a regular expression stays.
    let left: Vec<_> =
        queries.iter().filter(|query| query.text.replace("\"$1\"", "").contains('$')).collect();
    assert!(left.is_empty(), "{left:#?}");
}
