//! Reading of manifests.

use std::collections::BTreeSet;

use serde_json::Value;

/// `Deployment/crm-globcrm-records`.
pub fn name(object: &Value) -> String {
    format!("{}/{}", text(&object["kind"]), text(&object["metadata"]["name"]))
}

/// A text, empty when there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list, none when there is none.
pub fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Those of this kind.
pub fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|object| object["kind"] == kind).collect()
}

/// What runs: each with its name and the specification of its pods.
pub fn pods(objects: &[Value]) -> Vec<(String, &Value)> {
    let spec = |object: &'_ Value| match text(&object["kind"]) {
        "Pod" => Some("/spec"),
        "Deployment" | "StatefulSet" | "Job" => Some("/spec/template/spec"),
        _ => None,
    };
    objects.iter().filter_map(|object| Some((name(object), object.pointer(spec(object)?)?))).collect()
}

/// Every container, with the name of what it is in.
pub fn containers(objects: &[Value]) -> Vec<(String, &Value)> {
    pods(objects)
        .into_iter()
        .flat_map(|(name, pod)| {
            let all = items(&pod["containers"]).iter().chain(items(&pod["initContainers"]));
            all.map(|container| (name.clone(), container)).collect::<Vec<_>>()
        })
        .collect()
}

/// The names of the members of an object.
pub fn keys(value: &Value) -> BTreeSet<&str> {
    value.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
}

/// The component that labels name.
pub fn component(labels: &Value) -> &str {
    text(&labels["app.kubernetes.io/component"])
}
