//! What helm makes of every case.

use super::api;
use super::cases::{CASES, EVERYTHING, PRESETS};
use super::helm::{Chart, helm, output};

#[test]
fn helm_finds_nothing_to_complain_about() {
    let chart = Chart::ours();
    for case in CASES {
        let mut lint = helm();
        lint.args(["lint", "--strict"]).args(chart.values(case)).arg(chart.dir());
        if let Err(said) = output(&mut lint) {
            panic!("{}: {said}", case.name);
        }
    }
}

#[test]
fn every_preset_is_a_case() {
    let dir = std::fs::read_dir(Chart::ours().dir()).unwrap();
    let names = dir.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let presets =
        names.filter_map(|name| Some(name.strip_prefix("values-")?.strip_suffix(".yaml")?.to_owned()));
    let mut presets: Vec<String> = presets.collect();
    presets.sort_unstable();
    let mut listed = PRESETS.to_vec();
    listed.sort_unstable();
    assert_eq!(presets, listed);
    for preset in PRESETS {
        assert!(CASES.iter().any(|case| case.preset == Some(preset) && case.sets.is_empty()), "{preset}");
    }
}

#[test]
fn the_same_values_give_the_same_bytes() {
    let chart = Chart::ours();
    for case in CASES {
        assert_eq!(chart.render(case), chart.render(case), "{}", case.name);
    }
}

#[test]
fn the_api_of_every_version_takes_every_manifest() {
    let chart = Chart::ours();
    let objects: Vec<_> = CASES.iter().flat_map(|case| chart.objects(case)).collect();
    for version in api::VERSIONS {
        let report = api::validate(version, &objects);
        assert!(report.errors.is_empty(), "Kubernetes {version}:\n{}", report.errors.join("\n"));
        // Of others' APIs there are no schemas; what is in them is looked at below.
        let others = [
            "gateway.networking.k8s.io/v1/HTTPRoute",
            "keda.sh/v1alpha1/ScaledObject",
            "keda.sh/v1alpha1/TriggerAuthentication",
            "monitoring.coreos.com/v1/PrometheusRule",
            "monitoring.coreos.com/v1/ServiceMonitor",
        ];
        assert_eq!(report.unknown, others, "Kubernetes {version}");
    }
}

#[test]
fn a_member_that_the_api_does_not_know_is_an_error() {
    let mut objects = Chart::ours().objects(&EVERYTHING);
    let deployment = objects.iter_mut().find(|one| one["kind"] == "Deployment").unwrap();
    deployment["spec"]["template"]["spec"]["containers"][0]["securitycontext"] = serde_json::json!({});
    let report = api::validate(api::VERSIONS[0], &objects);
    assert_eq!(report.errors.len(), 1, "{:?}", report.errors);
}
