//! Every rule can fail: a copy of the chart is broken, and the rule must see it.

use std::collections::BTreeSet;

use super::cases::EVERYTHING;
use super::helm::Chart;
use super::invariants::RULES;

/// A rule, a file of the chart, what is replaced in it, and by what.
type Break = (&'static str, &'static str, &'static str, &'static str);

const DEPLOYMENTS: &str = "templates/deployments.yaml";
const POD: &str = "templates/_pod.tpl";
const POLICIES: &str = "templates/networkpolicies.yaml";

const BREAKS: &[Break] = &[
    ("nobody_is_root", POD, "runAsUser: {{ . }}", "runAsUser: 0"),
    (
        "nobody_is_root",
        POD,
        "readOnlyRootFilesystem: true\nrunAsNonRoot: true",
        "readOnlyRootFilesystem: true\nrunAsNonRoot: false",
    ),
    ("root_file_systems_are_read_only", POD, "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"),
    ("nothing_escalates", POD, "allowPrivilegeEscalation: false", "allowPrivilegeEscalation: true"),
    (
        "nothing_escalates",
        POD,
        "allowPrivilegeEscalation: false",
        "allowPrivilegeEscalation: false\nprivileged: true",
    ),
    ("capabilities_are_dropped", POD, "drop: [ALL]", "drop: [NET_RAW]"),
    ("capabilities_are_dropped", POD, "drop: [ALL]", "drop: [ALL]\n  add: [NET_BIND_SERVICE]"),
    ("system_calls_are_filtered", POD, "type: RuntimeDefault", "type: Unconfined"),
    (
        "nothing_of_the_host_is_shared",
        DEPLOYMENTS,
        "enableServiceLinks: false",
        "enableServiceLinks: false\n      hostNetwork: true",
    ),
    (
        "nothing_of_the_host_is_shared",
        DEPLOYMENTS,
        "containerPort: 9090",
        "containerPort: 9090\n              hostPort: 9090",
    ),
    (
        "nothing_has_a_token",
        DEPLOYMENTS,
        "automountServiceAccountToken: false",
        "automountServiceAccountToken: true",
    ),
    ("nothing_has_a_token", "templates/serviceaccounts.yaml", "automountServiceAccountToken: false", ""),
    ("services_are_not_variables", DEPLOYMENTS, "enableServiceLinks: false", "enableServiceLinks: true"),
    ("secrets_are_files_that_are_there", DEPLOYMENTS, "path: ca.crt", "path: authorities.crt"),
    ("peers_are_found_by_every_address", POD, "}}https{{ else", "}}http{{ else"),
    ("what_serves_is_probed", DEPLOYMENTS, "readinessProbe:", "lateProbe:"),
    ("what_serves_is_probed", "templates/_stores.tpl", "readinessProbe:", "lateProbe:"),
    ("containers_have_resources", DEPLOYMENTS, "{{- toYaml $options.resources | nindent 12 }}", "{}"),
    (
        "images_have_tags",
        "templates/_names.tpl",
        ":{{ .Values.image.tag | default .Chart.AppVersion }}",
        ":latest",
    ),
    ("images_have_tags", "templates/_names.tpl", ":{{ .Values.image.tag | default .Chart.AppVersion }}", ""),
    (
        "there_is_no_secret",
        POD,
        "- name: {{ .variable }}_FILE\n  value: /run/secrets/globcrm/{{ .key }}",
        "- name: {{ .variable }}\n  value: changeme",
    ),
    (
        "there_is_no_secret",
        "templates/extra.yaml",
        "{{ toYaml . }}",
        "{{ toYaml . }}\ndata:\n  url: amqp://user:password@host/",
    ),
    ("secrets_are_files_that_are_there", POD, "path: {{ . }}", "path: {{ . | lower }}"),
    (
        "secrets_are_files_that_are_there",
        POD,
        "value: /run/secrets/globcrm/{{ .key }}",
        "value: /run/secrets/globcrm/GLOBCRM_FLEET_AMQP_URL",
    ),
    (
        "selectors_never_change",
        "templates/_names.tpl",
        "app.kubernetes.io/component: {{ .component }}\n{{- end -}}",
        "app.kubernetes.io/component: {{ .component }}\nchart-version: {{ .root.Chart.Version }}\n{{- end -}}",
    ),
    (
        "stores_outlive_a_release",
        "templates/stores.yaml",
        "{{- include \"globcrm.selector\" $labels | nindent 8 }}",
        "helm.sh/chart: {{ $.Chart.Version }}\n        {{- include \"globcrm.selector\" $labels | nindent 8 }}",
    ),
    ("every_service_is_there", DEPLOYMENTS, "args: [{{ $member.name }}]", "args: [all]"),
    ("every_service_is_there", "templates/services.yaml", "{{- if $member.public }}", "{{- if false }}"),
    ("every_service_has_a_budget", DEPLOYMENTS, "kind: PodDisruptionBudget", "kind: PodBudget"),
    ("every_service_has_a_budget", DEPLOYMENTS, "  maxUnavailable: 1\n", "  minAvailable: 1\n"),
    ("peers_are_found_by_every_address", "templates/services.yaml", "clusterIP: None", "clusterIP: \"\""),
    ("peers_are_found_by_every_address", POD, "-{{ .role }}:50051", "-{{ .role }}:9090"),
    ("rollouts_take_nothing_away", DEPLOYMENTS, "maxUnavailable: 0", "maxUnavailable: 1"),
    (
        "rollouts_take_nothing_away",
        DEPLOYMENTS,
        "{{ add (ceil $grace) (int $options.preStopSeconds) 5 }}",
        "30",
    ),
    (
        "what_is_scaled_has_no_number",
        DEPLOYMENTS,
        "{{- if not (or $options.autoscaling.enabled $options.queueScaling.enabled) }}",
        "{{- if true }}",
    ),
    ("what_is_named_is_there", "templates/ingress.yaml", "%s-gateway", "%s-door"),
    (
        "files_are_in_one_place",
        DEPLOYMENTS,
        "mountPath: /var/lib/globcrm/blobs",
        "mountPath: /var/lib/globcrm/files",
    ),
    ("files_are_in_one_place", DEPLOYMENTS, "not $.Values.blobs.s3.bucket", "$.Values.blobs.s3.bucket"),
    ("files_are_in_one_place", POD, "{{- if .root.Values.blobs.s3.bucket }}yes", "{{- if true }}yes"),
    ("what_is_named_is_there", "templates/blobs.yaml", "-blobs", "-files"),
    ("names_and_labels_are_complete", "templates/_names.tpl", "app.kubernetes.io/part-of: globcrm\n", ""),
    ("names_and_labels_are_complete", "templates/services.yaml", "-{{ $member.name }}\n", "-service\n"),
    (
        "only_the_test_is_a_hook",
        "templates/migrate.yaml",
        "  {{- with .Values.migrations.annotations }}",
        "  annotations:\n    helm.sh/hook: pre-upgrade\n  {{- with .Values.migrations.annotations }}",
    ),
    (
        "calls_are_the_edges_of_the_fleet",
        "fleet.json",
        "\"callers\": [\n        \"fields\",",
        "\"callers\": [",
    ),
    (
        "calls_are_the_edges_of_the_fleet",
        POLICIES,
        "{{- range $member.calls }}\n        - podSelector:",
        "{{- range $fleet.roles }}\n        {{- $_ := set . \"role\" .name }}\n        - podSelector:",
    ),
    (
        "stores_are_reached_by_those_who_have_them",
        POLICIES,
        "{{- if get $member $store }}\n    {{- include",
        "{{- if true }}\n    {{- include",
    ),
    (
        "stores_are_reached_by_those_who_have_them",
        POLICIES,
        "{{- if get $member $store }}\n        - podSelector",
        "{{- if true }}\n        - podSelector",
    ),
    (
        "nothing_else_talks",
        POLICIES,
        "      app.kubernetes.io/instance: {{ .Release.Name }}\n  policyTypes: [Ingress, Egress]",
        "      app.kubernetes.io/instance: {{ .Release.Name }}\n  policyTypes: [Ingress]",
    ),
    (
        "nothing_else_talks",
        POLICIES,
        "{{- include \"globcrm.dnsEgress\" $ | nindent 4 }}\n    {{- if $member.calls }}",
        "- {}\n    {{- if $member.calls }}",
    ),
];

#[test]
fn a_broken_chart_is_seen_by_the_rule_that_it_breaks() {
    let mut unseen = Vec::new();
    for (n, (rule, file, from, to)) in BREAKS.iter().enumerate() {
        let rule =
            RULES.iter().find(|one| one.name == *rule).unwrap_or_else(|| panic!("there is no rule {rule}"));
        let copy = Chart::copy(&format!("broken-{n}"));
        copy.change(file, from, to);
        if (rule.broken_by)(&copy.chart().objects(&EVERYTHING)).is_empty() {
            unseen.push(format!("{file} with {to:?} is taken by {}", rule.name));
        }
    }
    assert!(unseen.is_empty(), "{}", unseen.join("\n"));
}

#[test]
fn every_rule_has_been_seen_to_fail() {
    let broken: BTreeSet<&str> = BREAKS.iter().map(|(rule, ..)| *rule).collect();
    let all: BTreeSet<&str> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(broken, all);
}
