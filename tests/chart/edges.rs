//! Who may talk to whom by the NetworkPolicies.

use std::collections::BTreeSet;

use fleet::{FLEET, Role};
use serde_json::Value;

use super::objects::{component, containers, items, name, of_kind, text};

/// From whom, to whom, and which side says so.
pub type Edge = (String, String, &'static str);

/// A store, its ports, and who may reach it.
type Store<'a> = (&'a str, &'a [&'a str], &'a dyn Fn(&str) -> bool);

/// Who calls whom by gRPC: both sides of every edge.
pub fn calls(objects: &[Value]) -> BTreeSet<Edge> {
    let mut edges = BTreeSet::new();
    for policy in of_kind(objects, "NetworkPolicy") {
        let own = component(&policy["spec"]["podSelector"]["matchLabels"]).to_owned();
        for rule in items(&policy["spec"]["ingress"]).iter().filter(|rule| has_port(rule, "grpc")) {
            for peer in peers(&rule["from"]) {
                edges.insert((peer, own.clone(), "ingress"));
            }
        }
        for rule in items(&policy["spec"]["egress"]).iter().filter(|rule| has_port(rule, "50051")) {
            for peer in peers(&rule["to"]) {
                edges.insert((own.clone(), peer, "egress"));
            }
        }
    }
    edges
}

/// What `libs/fleet` says.
pub fn of_the_fleet() -> BTreeSet<Edge> {
    let pairs = FLEET.iter().flat_map(|member| member.calls.iter().map(move |called| (member.role, *called)));
    let both = |(from, to): (Role, Role)| {
        ["ingress", "egress"].map(|side| (from.name().to_owned(), to.name().to_owned(), side))
    };
    pairs.flat_map(both).collect()
}

/// What is in one and not in the other.
pub fn differences(found: &BTreeSet<Edge>, wanted: &BTreeSet<Edge>) -> Vec<String> {
    let show = |what: &str, (from, to, side): &Edge| format!("{what}: {from} to {to} ({side})");
    let missing = wanted.difference(found).map(|edge| show("missing", edge));
    let open = found.difference(wanted).map(|edge| show("open", edge));
    missing.chain(open).collect()
}

/// Services with a schema, and migrations, reach the database; those with events the broker; the gateway Redis; records the bucket, where
/// there is one; nobody else any of them.
pub fn wrong_stores(objects: &[Value]) -> Vec<String> {
    let schema =
        |role: &str| role == "migrate" || Role::named(role).is_some_and(|role| role.member().has_schema);
    let events = |role: &str| Role::named(role).is_some_and(|role| role.member().has_schema);
    let counters = |role: &str| role == Role::Gateway.name();
    let has_bucket = containers(objects).iter().any(|(_, one)| has_variable(one, "_S3_BUCKET"));
    let files = |role: &str| has_bucket && role == Role::Records.name();
    let stores: [Store<'_>; 4] = [
        ("postgresql", &["5432", "6432"], &schema),
        ("rabbitmq", &["5672", "5671"], &events),
        ("redis", &["6379"], &counters),
        ("s3", &["443", "9000"], &files),
    ];
    let mut wrong = Vec::new();
    for policy in of_kind(objects, "NetworkPolicy") {
        let own = component(&policy["spec"]["podSelector"]["matchLabels"]);
        for (store, ports, may) in &stores {
            let rules = items(&policy["spec"]["egress"]);
            let reaches = rules.iter().any(|rule| ports.iter().any(|port| has_port(rule, port)));
            let is_pod = Role::named(own).is_some() || ["migrate", "smoke"].contains(&own);
            if is_pod && reaches != may(own) {
                wrong.push(format!("{own} to {store}"));
            }
            if own == *store {
                for rule in items(&policy["spec"]["ingress"]) {
                    let callers = peers(&rule["from"]);
                    let others = callers.iter().filter(|caller| !may(caller));
                    wrong.extend(others.map(|caller| format!("{caller} into {store}")));
                    if callers.is_empty() {
                        wrong.push(format!("anybody into {store}"));
                    }
                }
            }
        }
    }
    wrong
}

/// Everybody is denied both directions, and a rule without a peer or a port opens nothing but names, the gateway's door and stores elsewhere.
pub fn open_ways(objects: &[Value]) -> Vec<String> {
    let policies = of_kind(objects, "NetworkPolicy");
    let denies = |policy: &&&Value| {
        let spec = &policy["spec"];
        spec["ingress"].is_null()
            && spec["egress"].is_null()
            && component(&spec["podSelector"]["matchLabels"]).is_empty()
            && spec["policyTypes"] == serde_json::json!(["Ingress", "Egress"])
    };
    let mut open = Vec::new();
    if policies.iter().filter(denies).count() != 1 {
        open.push("nothing is denied by default".to_owned());
    }
    let anywhere = ["53", "http", "5432", "6432", "5672", "5671", "6379", "443", "4317"];
    for policy in &policies {
        if policy["spec"]["policyTypes"] != serde_json::json!(["Ingress", "Egress"]) {
            open.push(format!("{}: one direction is open", name(policy)));
        }
        for (side, peer) in [("ingress", "from"), ("egress", "to")] {
            for rule in items(&policy["spec"][side]) {
                let ports = items(&rule["ports"]);
                let is_known = |port: &Value| anywhere.contains(&number(&port["port"]).as_str());
                if ports.is_empty() || (items(&rule[peer]).is_empty() && !ports.iter().all(is_known)) {
                    open.push(format!("{}: {side}", name(policy)));
                }
            }
        }
    }
    open
}

fn has_variable(container: &Value, end: &str) -> bool {
    items(&container["env"]).iter().any(|one| text(&one["name"]).ends_with(end))
}

fn has_port(rule: &Value, port: &str) -> bool {
    items(&rule["ports"]).iter().any(|one| number(&one["port"]) == port)
}

fn number(port: &Value) -> String {
    port.as_u64().map_or_else(|| text(port).to_owned(), |number| number.to_string())
}

fn peers(rule: &Value) -> Vec<String> {
    let named = items(rule).iter().map(|peer| component(&peer["podSelector"]["matchLabels"]).to_owned());
    named.filter(|name| !name.is_empty()).collect()
}
