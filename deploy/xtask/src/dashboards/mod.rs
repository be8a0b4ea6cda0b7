//! The dashboards of the chart, from a plain description: which rows there are, and what each panel asks. A service that comes later is in them by
//! its labels (`rpc.method`, `service`, the names of its pools and jobs), so no file here names one.
//!
//! Each query answers on a fleet that is well: what may rightly be nothing says 0. The suite `monitoring` asks a real Prometheus.

mod business;
mod events;
mod json;
mod panel;
mod service;
mod system;
mod tenants;

use panel::Dashboard;

/// All of them.
fn all() -> [Dashboard; 5] {
    [
        system::dashboard(),
        service::dashboard(),
        tenants::dashboard(),
        business::dashboard(),
        events::dashboard(),
    ]
}

/// The files: path and text.
pub(crate) fn documents() -> Vec<(String, String)> {
    let file = |dashboard: &Dashboard| format!("{}/dashboards/{}.json", crate::chart::CHART, dashboard.name);
    all().iter().map(|one| (file(one), crate::chart::text(&json::of(one)))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn panels_say_what_they_show_and_no_two_of_a_dashboard_are_called_alike() {
        for dashboard in all() {
            let panels: Vec<_> = dashboard.rows.iter().flat_map(|row| &row.panels).collect();
            let titles: BTreeSet<_> = panels.iter().map(|panel| panel.title).collect();
            assert_eq!(titles.len(), panels.len(), "{}", dashboard.name);
            for panel in panels {
                assert!(!panel.about.is_empty() && !panel.queries.is_empty(), "{}", panel.title);
            }
        }
    }

    #[test]
    fn no_two_panels_lie_on_each_other() {
        for dashboard in all() {
            let drawn = json::of(&dashboard);
            let mut taken = BTreeSet::new();
            for panel in drawn["panels"].as_array().unwrap() {
                let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
                assert!(at("x") + at("w") <= 24, "{panel}");
                for x in at("x")..at("x") + at("w") {
                    for y in at("y")..at("y") + at("h") {
                        assert!(taken.insert((x, y)), "{}: {}", dashboard.name, panel["title"]);
                    }
                }
            }
        }
    }

    #[test]
    fn no_query_names_a_service_of_the_fleet_that_another_one_could_stand_beside() {
        // Identity alone has log-ins and sign-ups, pipeline alone deals.
        for panel in all().iter().flat_map(|dashboard| &dashboard.rows).flat_map(|row| &row.panels) {
            for member in fleet::FLEET {
                let named =
                    [format!("globcrm.{}.v1", member.names.name), format!("{}-app", member.names.name)];
                let asks = |query: &panel::Query| named.iter().any(|name| query.expr.contains(name.as_str()));
                assert!(!panel.queries.iter().any(asks), "{}", panel.title);
            }
        }
    }
}
