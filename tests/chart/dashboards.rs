//! Dashboards in the chart. What their panels ask is tried by the suite `monitoring`.

use std::path::Path;

use serde_json::Value;

use super::cases::EVERYTHING;
use super::helm::Chart;
use super::objects::{items, of_kind, text};

#[test]
fn every_dashboard_is_a_config_map_that_the_sidecar_of_grafana_finds() {
    let objects = Chart::ours().objects(&EVERYTHING);
    let maps = of_kind(&objects, "ConfigMap");
    let maps: Vec<&Value> =
        maps.into_iter().filter(|map| map["metadata"]["labels"]["grafana_dashboard"] == "1").collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("helm/globcrm/dashboards");
    assert_eq!(maps.len(), std::fs::read_dir(folder).unwrap().count());
    for map in maps {
        assert_eq!(map["metadata"]["annotations"]["grafana_folder"], "CRM");
        let data = map["data"].as_object().unwrap();
        let [(file, json)] = data.iter().collect::<Vec<_>>()[..] else { panic!("{data:?}") };
        let dashboard: Value =
            serde_json::from_str(text(json)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert_eq!(format!("{}.json", text(&dashboard["uid"])), *file);
        assert!(items(&dashboard["panels"]).len() > 5, "{file}");
        // One larger than this cannot be applied with `kubectl apply`.
        assert!(text(json).len() < 200_000, "{file} has {} bytes", text(json).len());
    }
}

#[test]
fn labels_of_metrics_win_over_those_of_what_is_read() {
    let objects = Chart::ours().objects(&EVERYTHING);
    let [monitor] = of_kind(&objects, "ServiceMonitor")[..] else { panic!("one ServiceMonitor") };
    // Else `service` and `job` of alerts would be those of the Service that is scraped.
    assert!(items(&monitor["spec"]["endpoints"]).iter().all(|endpoint| endpoint["honorLabels"] == true));
}
