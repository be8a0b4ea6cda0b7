//! What holds for every manifest of every case. Each rule says what breaks it, so that `broken` can see it happen.

use std::collections::BTreeSet;

use fleet::FLEET;
use serde_json::{Value, json};

use super::cases::CASES;
use super::edges;
use super::helm::{Chart, RELEASE};
use super::objects::{component, containers, items, keys, name, of_kind, pods, text};

/// A rule: its name, and who breaks it in these manifests.
pub struct Rule {
    pub name: &'static str,
    pub broken_by: fn(&[Value]) -> Vec<String>,
}

macro_rules! rules {
    ($($name:ident),* $(,)?) => { &[$(Rule { name: stringify!($name), broken_by: $name }),*] };
}

/// All of them.
pub const RULES: &[Rule] = rules![
    nobody_is_root,
    root_file_systems_are_read_only,
    nothing_escalates,
    capabilities_are_dropped,
    system_calls_are_filtered,
    nothing_of_the_host_is_shared,
    nothing_has_a_token,
    services_are_not_variables,
    what_serves_is_probed,
    containers_have_resources,
    images_have_tags,
    there_is_no_secret,
    secrets_are_files_that_are_there,
    selectors_never_change,
    stores_outlive_a_release,
    every_service_is_there,
    every_service_has_a_budget,
    peers_are_found_by_every_address,
    rollouts_take_nothing_away,
    what_is_scaled_has_no_number,
    files_are_in_one_place,
    what_is_named_is_there,
    names_and_labels_are_complete,
    only_the_test_is_a_hook,
    calls_are_the_edges_of_the_fleet,
    stores_are_reached_by_those_who_have_them,
    nothing_else_talks,
];

#[test]
fn every_rule_holds_for_every_case() {
    let chart = Chart::ours();
    let (mut broken, mut held) = (Vec::new(), 0);
    for case in CASES {
        let objects = chart.objects(case);
        assert!(objects.len() > 30, "{}: {} objects", case.name, objects.len());
        for rule in RULES {
            let by = (rule.broken_by)(&objects);
            held += objects.len();
            broken.extend(by.into_iter().map(|what| format!("{}: {}: {what}", case.name, rule.name)));
        }
    }
    assert!(broken.is_empty(), "of {held}:\n{}", broken.join("\n"));
}

fn every<'a>(all: Vec<(String, &'a Value)>, fits: impl Fn(&'a Value) -> bool) -> Vec<String> {
    all.into_iter().filter(|(_, one)| !fits(one)).map(|(name, _)| name).collect()
}

fn nobody_is_root(objects: &[Value]) -> Vec<String> {
    let pod = |pod: &Value| {
        let context = &pod["securityContext"];
        context["runAsNonRoot"] == true && context["runAsUser"].as_u64().is_some_and(|user| user > 0)
    };
    let container = |container: &Value| {
        let context = &container["securityContext"];
        context["runAsNonRoot"] == true && (context["runAsUser"].is_null() || context["runAsUser"] != 0)
    };
    [every(pods(objects), pod), every(containers(objects), container)].concat()
}

fn root_file_systems_are_read_only(objects: &[Value]) -> Vec<String> {
    every(containers(objects), |one| one["securityContext"]["readOnlyRootFilesystem"] == true)
}

fn nothing_escalates(objects: &[Value]) -> Vec<String> {
    every(containers(objects), |one| {
        let context = &one["securityContext"];
        context["allowPrivilegeEscalation"] == false && context["privileged"] != true
    })
}

fn capabilities_are_dropped(objects: &[Value]) -> Vec<String> {
    every(containers(objects), |one| {
        let capabilities = &one["securityContext"]["capabilities"];
        capabilities["drop"] == json!(["ALL"]) && capabilities["add"].is_null()
    })
}

fn system_calls_are_filtered(objects: &[Value]) -> Vec<String> {
    every(pods(objects), |pod| pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault")
}

fn nothing_of_the_host_is_shared(objects: &[Value]) -> Vec<String> {
    let kinds = ["secret", "configMap", "emptyDir", "persistentVolumeClaim"];
    let own = every(pods(objects), |pod| {
        let host = ["hostNetwork", "hostPID", "hostIPC"].iter().any(|name| pod[*name] == true);
        let volume = |one: &Value| keys(one).iter().all(|key| *key == "name" || kinds.contains(key));
        !host && items(&pod["volumes"]).iter().all(volume)
    });
    let ports =
        every(containers(objects), |one| items(&one["ports"]).iter().all(|port| port["hostPort"].is_null()));
    [own, ports].concat()
}

fn nothing_has_a_token(objects: &[Value]) -> Vec<String> {
    let accounts = of_kind(objects, "ServiceAccount").into_iter().map(|one| (name(one), one)).collect();
    let is_off = |one: &Value| one["automountServiceAccountToken"] == false;
    [every(pods(objects), is_off), every(accounts, is_off)].concat()
}

fn services_are_not_variables(objects: &[Value]) -> Vec<String> {
    every(pods(objects), |pod| pod["enableServiceLinks"] == false)
}

fn what_serves_is_probed(objects: &[Value]) -> Vec<String> {
    let serves = |name: &str| name.starts_with("Deployment/") || name.starts_with("StatefulSet/");
    let serving = containers(objects).into_iter().filter(|(name, _)| serves(name));
    serving
        .filter(|(name, one)| {
            let wanted: &[&str] = if name.starts_with("Deployment/") {
                &["startupProbe", "livenessProbe", "readinessProbe"]
            } else {
                &["livenessProbe", "readinessProbe"]
            };
            !wanted.iter().all(|probe| one[*probe].is_object())
        })
        .map(|(name, _)| name)
        .collect()
}

fn containers_have_resources(objects: &[Value]) -> Vec<String> {
    every(containers(objects), |one| {
        let resources = &one["resources"];
        ["/requests/cpu", "/requests/memory", "/limits/memory"]
            .iter()
            .all(|path| resources.pointer(path).is_some_and(|value| !value.is_null()))
    })
}

fn images_have_tags(objects: &[Value]) -> Vec<String> {
    every(containers(objects), |one| {
        let image = text(&one["image"]);
        let last = image.rsplit('/').next().unwrap_or_default();
        image.contains("@sha256:")
            || (last.contains(':') && !last.ends_with(":latest") && !last.ends_with(':'))
    })
}

/// No object holds a secret, and no variable is given one.
fn there_is_no_secret(objects: &[Value]) -> Vec<String> {
    let objects_of_secrets = of_kind(objects, "Secret").into_iter().map(name);
    let words = ["SERVICE_SECRET", "AMQP_URL", "DATABASE_URL", "REDIS_URL", "ADMIN_URL"];
    let ends = ["_PASSWORD", "_SECRET", "_KEY", "_TOKEN"];
    let variables = containers(objects).into_iter().flat_map(|(name, container)| {
        let given = items(&container["env"]).iter().filter(|variable| {
            let called = text(&variable["name"]).trim_end_matches("_FILE");
            let is_one = words.iter().any(|word| called.contains(word))
                || ends.iter().any(|end| called.ends_with(end));
            let is_file = text(&variable["name"]).ends_with("_FILE")
                && text(&variable["value"]).starts_with("/run/secrets/");
            is_one && !is_file && variable["value"].is_string()
        });
        given.map(|variable| format!("{name} {}", text(&variable["name"]))).collect::<Vec<_>>()
    });
    let urls = objects.iter().filter(|object| has_credentials(object)).map(name);
    objects_of_secrets.chain(variables).chain(urls).collect()
}

/// A URL with a user and a password.
fn has_credentials(value: &Value) -> bool {
    match value {
        Value::String(text) => text.split("://").skip(1).any(|rest| {
            let authority = rest.split(['/', ' ', '"']).next().unwrap_or_default();
            authority.contains('@') && !authority.starts_with('@')
        }),
        Value::Array(items) => items.iter().any(has_credentials),
        Value::Object(members) => members.values().any(has_credentials),
        _ => false,
    }
}

/// Each file that a variable names is in the volume, and nothing is in it that no variable names.
fn secrets_are_files_that_are_there(objects: &[Value]) -> Vec<String> {
    every(pods(objects), |pod| {
        let container = &pod["containers"][0];
        if !items(&container["env"]).iter().any(|one| text(&one["name"]).starts_with("GLOBCRM_")) {
            return true;
        }
        let named: BTreeSet<String> = items(&container["env"])
            .iter()
            .filter(|variable| text(&variable["name"]).ends_with("_FILE"))
            // Certificates of authorities are no secret: those of stores come by a volume of the operator's.
            .filter(|variable| {
                let is_ours = text(&variable["value"]).starts_with("/run/secrets/");
                is_ours || !text(&variable["name"]).ends_with("_CA_FILE")
            })
            .map(|variable| text(&variable["value"]).to_owned())
            .collect();
        let mounts = items(&container["volumeMounts"]).iter().flat_map(|mount| {
            let mounted = items(&pod["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
            let files = mounted.map_or(&[][..], |volume| items(&volume["secret"]["items"]));
            files.iter().map(|item| format!("{}/{}", text(&mount["mountPath"]), text(&item["path"])))
        });
        let there: BTreeSet<String> = mounts.collect();
        !named.is_empty() && named == there
    })
}

fn selectors_never_change(objects: &[Value]) -> Vec<String> {
    let stable = BTreeSet::from([
        "app.kubernetes.io/component",
        "app.kubernetes.io/instance",
        "app.kubernetes.io/name",
    ]);
    let workloads = ["Deployment", "StatefulSet"].iter().flat_map(|kind| of_kind(objects, kind));
    workloads
        .filter(|object| {
            let selector = &object["spec"]["selector"]["matchLabels"];
            let labels = &object["spec"]["template"]["metadata"]["labels"];
            keys(selector) != stable || stable.iter().any(|key| selector[*key] != labels[*key])
        })
        .map(name)
        .collect()
}

/// Nothing in the pods of a store changes with the version of the program or of the chart.
fn stores_outlive_a_release(objects: &[Value]) -> Vec<String> {
    let changing = ["app.kubernetes.io/version", "helm.sh/chart"];
    of_kind(objects, "StatefulSet")
        .into_iter()
        .filter(|one| {
            let metadata = &one["spec"]["template"]["metadata"];
            keys(&metadata["labels"]).iter().any(|key| changing.contains(key))
                || metadata["annotations"].is_object()
        })
        .map(name)
        .collect()
}

fn every_service_is_there(objects: &[Value]) -> Vec<String> {
    let has = |kind: &str, role: &str| {
        of_kind(objects, kind).into_iter().find(|object| component(&object["metadata"]["labels"]) == role)
    };
    let missing = |role: &str, what: &str| format!("{role} has no {what}");
    FLEET
        .iter()
        .flat_map(|member| {
            let role = member.names.name;
            let runs = has("Deployment", role)
                .is_some_and(|one| one["spec"]["template"]["spec"]["containers"][0]["args"] == json!([role]));
            let account = has("ServiceAccount", role).is_some();
            let served = has("Service", role).is_some();
            [(runs, "Deployment"), (account, "ServiceAccount"), (served, "Service")]
                .into_iter()
                .filter(|(is_there, _)| !is_there)
                .map(|(_, what)| missing(role, what))
                .collect::<Vec<_>>()
        })
        .collect()
}

fn every_service_has_a_budget(objects: &[Value]) -> Vec<String> {
    let budgets = of_kind(objects, "PodDisruptionBudget");
    of_kind(objects, "Deployment")
        .into_iter()
        .filter(|one| {
            let fits = |budget: &&&Value| {
                budget["spec"]["selector"] == one["spec"]["selector"] && budget["spec"]["maxUnavailable"] == 1
            };
            budgets.iter().filter(fits).count() != 1
        })
        .map(name)
        .collect()
}

/// The address of a peer is that of a Service without an address of its own.
fn peers_are_found_by_every_address(objects: &[Value]) -> Vec<String> {
    let headless: BTreeSet<&str> = of_kind(objects, "Service")
        .into_iter()
        .filter(|service| service["spec"]["clusterIP"] == "None")
        .map(|service| text(&service["metadata"]["name"]))
        .collect();
    let roles = FLEET.iter().flat_map(|member| member.calls.iter().map(move |called| (member, called)));
    roles
        .filter(|(member, called)| {
            let deployment = of_kind(objects, "Deployment")
                .into_iter()
                .find(|one| component(&one["metadata"]["labels"]) == member.names.name);
            let variable = format!("GLOBCRM_{}_{}", member.names.upper, called.names().url[0]);
            let env = deployment.map(|one| items(&one["spec"]["template"]["spec"]["containers"][0]["env"]));
            let url = env.into_iter().flatten().find(|one| one["name"] == variable.as_str());
            // By TLS where there are certificates, and nowhere else.
            let certificate = format!("GLOBCRM_{}_TLS_CERT_FILE", member.names.upper);
            let has_certificate = deployment.is_some_and(|one| {
                items(&one["spec"]["template"]["spec"]["containers"][0]["env"])
                    .iter()
                    .any(|one| one["name"] == certificate.as_str())
            });
            let scheme = if has_certificate { "https://" } else { "http://" };
            let host = url.and_then(|one| text(&one["value"]).strip_prefix(scheme)?.strip_suffix(":50051"));
            !host.is_some_and(|host| headless.contains(host) && host.ends_with(called.name()))
        })
        .map(|(member, called)| format!("{} to {}", member.names.name, called.name()))
        .collect()
}

fn rollouts_take_nothing_away(objects: &[Value]) -> Vec<String> {
    of_kind(objects, "Deployment")
        .into_iter()
        .filter(|one| {
            let spec = &one["spec"];
            let pod = &spec["template"]["spec"];
            let sleep = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"].as_u64();
            let grace = pod["terminationGracePeriodSeconds"].as_u64().unwrap_or_default();
            let rolling = &spec["strategy"]["rollingUpdate"];
            // After the sleep the process has its 25 s for calls in flight.
            rolling["maxUnavailable"] != 0
                || rolling["maxSurge"] != 1
                || sleep.is_none_or(|sleep| sleep == 0 || grace < sleep + 25)
        })
        .map(name)
        .collect()
}

fn what_is_scaled_has_no_number(objects: &[Value]) -> Vec<String> {
    let scalers = ["HorizontalPodAutoscaler", "ScaledObject"].iter().flat_map(|kind| of_kind(objects, kind));
    let scaled: Vec<&str> = scalers.map(|one| text(&one["spec"]["scaleTargetRef"]["name"])).collect();
    of_kind(objects, "Deployment")
        .into_iter()
        .filter(|one| {
            let by = scaled.iter().filter(|target| one["metadata"]["name"] == **target).count();
            one["spec"]["replicas"].is_null() != (by == 1)
        })
        .map(name)
        .collect()
}

/// Records keeps files in a directory that is a volume, or in a bucket with both keys; and a claim of ours is for somebody.
fn files_are_in_one_place(objects: &[Value]) -> Vec<String> {
    let mut broken = Vec::new();
    let mut claimed = false;
    for (by, container) in containers(objects) {
        let env = items(&container["env"]);
        let value = |end: &str| {
            env.iter().find(|one| text(&one["name"]).ends_with(end)).map(|one| text(&one["value"]))
        };
        let mounted = items(&container["volumeMounts"])
            .iter()
            .find(|mount| mount["name"] == "blobs")
            .map(|mount| text(&mount["mountPath"]));
        let keys = ["_S3_ACCESS_KEY_ID_FILE", "_S3_SECRET_ACCESS_KEY_FILE"].map(|end| value(end).is_some());
        let bucket = value("_S3_BUCKET").is_some();
        if bucket == value("_BLOB_DIR").is_some() && (bucket || mounted.is_some() || by.ends_with("-records"))
        {
            broken.push(format!("{by}: two places, or none"));
        }
        if mounted != value("_BLOB_DIR") || keys != [bucket; 2] {
            broken.push(format!("{by}: {mounted:?}, keys {keys:?}"));
        }
        claimed |= mounted.is_some();
    }
    let claims = of_kind(objects, "PersistentVolumeClaim").into_iter().map(name);
    broken.extend(claims.filter(|name| name.ends_with("-blobs") && !claimed));
    broken
}

fn what_is_named_is_there(objects: &[Value]) -> Vec<String> {
    let has = |kind: &str, name: &str| {
        of_kind(objects, kind).into_iter().any(|one| one["metadata"]["name"] == name)
    };
    let mut missing = Vec::new();
    let mut want = |by: &str, kind: &str, name: &str| {
        if !has(kind, name) {
            missing.push(format!("{by}: {kind} {name}"));
        }
    };
    for (by, pod) in pods(objects) {
        if !by.starts_with("Pod/") {
            want(&by, "ServiceAccount", text(&pod["serviceAccountName"]));
        }
        for volume in items(&pod["volumes"]).iter().filter(|volume| volume["configMap"].is_object()) {
            want(&by, "ConfigMap", text(&volume["configMap"]["name"]));
        }
        let claims = items(&pod["volumes"])
            .iter()
            .filter_map(|one| one["persistentVolumeClaim"]["claimName"].as_str());
        for claim in claims.filter(|claim| claim.starts_with(RELEASE)) {
            want(&by, "PersistentVolumeClaim", claim);
        }
    }
    for ingress in of_kind(objects, "Ingress") {
        let path = &ingress["spec"]["rules"][0]["http"]["paths"][0];
        want("Ingress", "Service", text(&path["backend"]["service"]["name"]));
    }
    for route in of_kind(objects, "HTTPRoute") {
        want("HTTPRoute", "Service", text(&route["spec"]["rules"][0]["backendRefs"][0]["name"]));
    }
    for kind in ["HorizontalPodAutoscaler", "ScaledObject"] {
        for one in of_kind(objects, kind) {
            want(kind, "Deployment", text(&one["spec"]["scaleTargetRef"]["name"]));
        }
    }
    missing
}

fn names_and_labels_are_complete(objects: &[Value]) -> Vec<String> {
    let wanted = ["name", "instance", "component", "part-of", "version", "managed-by"];
    let is_name = |text: &str| {
        let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        (1..=63).contains(&text.len()) && text.chars().all(inner) && !text.ends_with('-')
    };
    let mut seen = BTreeSet::new();
    objects
        .iter()
        .filter(|one| {
            let labels = &one["metadata"]["labels"];
            let has_labels =
                wanted.iter().all(|key| !text(&labels[format!("app.kubernetes.io/{key}")]).is_empty())
                    && !text(&labels["helm.sh/chart"]).is_empty();
            let is_new = seen.insert(name(one));
            !has_labels
                || !is_new
                || !is_name(text(&one["metadata"]["name"]))
                || !one["metadata"]["namespace"].is_null()
        })
        .map(name)
        .collect()
}

fn only_the_test_is_a_hook(objects: &[Value]) -> Vec<String> {
    let hook = |one: &&Value| {
        let hook = text(&one["metadata"]["annotations"]["helm.sh/hook"]);
        if one["kind"] == "Pod" { hook != "test" } else { !hook.is_empty() }
    };
    objects.iter().filter(hook).map(name).collect()
}

fn calls_are_the_edges_of_the_fleet(objects: &[Value]) -> Vec<String> {
    edges::differences(&edges::calls(objects), &edges::of_the_fleet())
}

fn stores_are_reached_by_those_who_have_them(objects: &[Value]) -> Vec<String> {
    edges::wrong_stores(objects)
}

fn nothing_else_talks(objects: &[Value]) -> Vec<String> {
    edges::open_ways(objects)
}
