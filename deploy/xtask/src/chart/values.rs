//! The list of all values.

use fleet::FLEET;
use serde_json::json;

use super::nodes::{Node, group, leaf};
use super::schema::{
    boolean, foreign, integer, list, matching, name_or_none, one_of, quantity, setting, text, texts,
};
use super::settings::{Setting, Settings};

/// A bundled store.
struct Store {
    name: &'static str,
    image: &'static str,
    doc: &'static str,
    /// Whether it keeps data.
    keeps: bool,
    memory: &'static str,
}

const STORES: [Store; 3] = [
    Store { name: "postgresql", image: "postgres:15", doc: "The database", keeps: true, memory: "1Gi" },
    Store { name: "rabbitmq", image: "rabbitmq:3-management", doc: "The broker", keeps: true, memory: "1Gi" },
    Store { name: "redis", image: "redis:7", doc: "Counters of rate limits", keeps: false, memory: "256Mi" },
];

/// All of them.
pub(super) fn values(settings: &Settings) -> Vec<Node> {
    let options = options();
    let roles = FLEET
        .iter()
        .map(|member| {
            let mut own: Vec<Node> = options.iter().map(Node::without_defaults).collect();
            let given = settings_of(settings.given(member.role));
            own.push(group("settings", "Settings of this service by their names", given).without_defaults());
            own.push(
                leaf("existingSecret", name_or_none(), json!(""), "A Secret of its own, with the same keys")
                    .without_defaults(),
            );
            group(member.names.name, member.about, own).without_defaults()
        })
        .collect();
    let mut values = identification();
    values.extend([
        secrets(settings),
        group(
            "settings",
            "Settings for every service that has them, by their names without prefix: `LOG: info`. docs/configuration.md lists them",
            settings_of(settings.given_to_all()),
        )
        .without_defaults(),
        group("defaults", "What holds for every service", options),
        group(
            "roles",
            "What holds for one service (`roles.records.replicas`): all of `defaults`, `settings` and `existingSecret`",
            roles,
        ),
        tls(),
        migrations(),
        blobs(),
    ]);
    values.extend(ways_in());
    values.extend([network_policy(), metrics(), bundled(), keda()]);
    values.push(leaf(
        "extraObjects",
        list(json!({"type": ["object", "string"]})),
        json!([]),
        "Further objects to install: maps, or texts that are rendered as templates",
    ));
    values
}

fn settings_of(settings: Vec<&Setting>) -> Vec<Node> {
    settings.into_iter().map(|one| leaf(&one.name, setting(&one.kind), json!(null), &one.doc)).collect()
}

fn identification() -> Vec<Node> {
    let tag = json!({"type": "string", "pattern": "^[A-Za-z0-9_.-]{0,128}$", "not": {"const": "latest"}});
    vec![
        leaf("enabled", boolean(), json!(true), "For parent charts, as a condition of this dependency"),
        leaf("global", foreign(), json!({}), "Values of a parent chart; nothing here reads them"),
        leaf("nameOverride", name_or_none(), json!(""), "Instead of `globcrm` in the label of the name"),
        leaf(
            "fullnameOverride",
            matching("^([a-z]([-a-z0-9]{0,38}[a-z0-9])?)?$"),
            json!(""),
            "Before the names of all objects, instead of the release's name",
        ),
        group(
            "image",
            "The one image of all services",
            vec![
                leaf(
                    "repository",
                    json!({"type": "string", "minLength": 1}),
                    json!("globcrm"),
                    "Where it is",
                ),
                leaf("tag", tag, json!(""), "Its tag; the chart's `appVersion` when empty"),
                leaf(
                    "digest",
                    matching("^(sha256:[0-9a-f]{64})?$"),
                    json!(""),
                    "Its digest, which wins over the tag",
                ),
                leaf(
                    "pullPolicy",
                    one_of(&["Always", "IfNotPresent", "Never"]),
                    json!("IfNotPresent"),
                    "When it is pulled",
                ),
                leaf("pullSecrets", list(name_or_none()), json!([]), "Names of Secrets for the registry"),
            ],
        ),
    ]
}

fn secrets(settings: &Settings) -> Node {
    group(
        "secrets",
        "Secrets are never values: `globcrm secrets kubernetes` makes a Secret, the chart names it",
        vec![
            leaf(
                "existingSecret",
                json!({"type": "string", "minLength": 1, "pattern": "^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$"}),
                json!("globcrm"),
                "The Secret with a key for each required secret variable; each container gets its own keys only",
            ),
            leaf(
                "optional",
                json!({"type": "array", "uniqueItems": true, "items": {"type": "string", "enum": settings.optional_keys()}}),
                json!([]),
                "Keys of it that are not required, and are there: previous secrets during a rotation, `GLOBCRM_FLEET_REDIS_URL`",
            ),
            leaf(
                "revision",
                text(),
                json!(""),
                "Change it after the Secret has changed: pods are replaced one by one, and passwords of database users are set anew",
            ),
        ],
    )
}

/// What a service can be told about where and how it runs.
fn options() -> Vec<Node> {
    vec![
        leaf("replicas", integer(1, 1000), json!(1), "Pods, where nothing scales them"),
        group(
            "resources",
            "Of a container",
            vec![
                group(
                    "requests",
                    "What it is sure to get",
                    vec![
                        leaf("cpu", quantity(), json!("50m"), "Processor time"),
                        leaf("memory", quantity(), json!("96Mi"), "Memory"),
                    ],
                ),
                group(
                    "limits",
                    "The most it gets",
                    vec![
                        leaf("memory", quantity(), json!("384Mi"), "Memory"),
                        leaf("cpu", quantity(), json!(null), "Processor time; none is best for latencies")
                            .without_defaults(),
                    ],
                ),
            ],
        ),
        leaf(
            "minReadySeconds",
            integer(0, 600),
            json!(20),
            "How long a new pod is ready before an old one ends. With `preStopSeconds` at least as long as names of pods are cached (30 s) and 5 s",
        ),
        leaf(
            "preStopSeconds",
            integer(1, 600),
            json!(15),
            "How long an ending pod goes on to serve, until all have heard that it ends",
        ),
        group(
            "autoscaling",
            "A HorizontalPodAutoscaler by processor time",
            vec![
                leaf("enabled", boolean(), json!(false), "Whether there is one"),
                leaf("min", integer(1, 1000), json!(2), "Fewest pods"),
                leaf("max", integer(1, 1000), json!(10), "Most pods"),
                leaf(
                    "cpuPercent",
                    integer(1, 500),
                    json!(70),
                    "Processor time of what was requested that it keeps to",
                ),
            ],
        ),
        group(
            "queueScaling",
            "A ScaledObject of KEDA by the length of the service's queues, instead of `autoscaling`",
            vec![
                leaf("enabled", boolean(), json!(false), "Whether there is one"),
                leaf("min", integer(1, 1000), json!(2), "Fewest pods"),
                leaf("max", integer(1, 1000), json!(10), "Most pods"),
                leaf("messages", integer(1, 1_000_000), json!(1000), "Waiting messages a pod"),
            ],
        ),
        leaf(
            "topologySpread",
            one_of(&["ScheduleAnyway", "DoNotSchedule", "None"]),
            json!("ScheduleAnyway"),
            "How strictly the pods of a service are spread over zones and nodes",
        ),
        leaf("podAnnotations", texts(), json!({}), "Annotations of pods"),
        leaf("podLabels", texts(), json!({}), "Further labels of pods"),
        leaf("nodeSelector", texts(), json!({}), "Labels of the nodes that they run on"),
        leaf("tolerations", list(foreign()), json!([]), "Taints of nodes that they run on all the same"),
        leaf("affinity", foreign(), json!({}), "Nodes and pods that they run near"),
        leaf("priorityClassName", name_or_none(), json!(""), "Who gives way when a node is full"),
        leaf(
            "extraVolumes",
            list(foreign()),
            json!([]),
            "Further volumes, such as certificates of the database's authority",
        ),
        leaf("extraVolumeMounts", list(foreign()), json!([]), "Where they are in the containers"),
    ]
}

fn tls() -> Node {
    group(
        "tls",
        "Certificates, as cert-manager writes them. A new one is taken up by running pods",
        vec![
            leaf(
                "existingSecret",
                name_or_none(),
                json!(""),
                "The Secret with `tls.crt`, `tls.key` and `ca.crt` for TLS between services; without one they speak plain. The certificate must be for the names of all Services, `<release>-globcrm-<service>`, and good for servers and clients",
            ),
            leaf(
                "authoritySecret",
                name_or_none(),
                json!(""),
                "The Secret with `ca.crt`, the authorities that certificates of services must go back to: one of your own, so that a new authority can be there before its first certificate. Empty: `tls.existingSecret`",
            ),
            leaf(
                "changeOver",
                one_of(&["", "serve", "call"]),
                json!(""),
                "While a running release is changed over, an upgrade each: `serve` (TLS is taken, too), `call` (it is used), empty (nothing else is taken)",
            ),
            leaf(
                "publicSecret",
                name_or_none(),
                json!(""),
                "The Secret with `tls.crt` and `tls.key` of the gateway's port, where no Ingress ends TLS; there is no `helm test` then, and `service.port` should be 443",
            ),
        ],
    )
}

fn migrations() -> Node {
    group(
        "migrations",
        "The Job that brings roles and schemas to this version. It is no hook: pods start beside it, and take calls when the schema is new enough",
        vec![
            leaf(
                "enabled",
                boolean(),
                json!(true),
                "Whether the chart runs it; without it run `globcrm migrate` before each upgrade",
            ),
            leaf(
                "existingSecret",
                name_or_none(),
                json!(""),
                "A Secret of its own, so that the administrator's URL is not in that of the services",
            ),
            leaf("annotations", texts(), json!({}), "Annotations of the Job, such as hooks of Argo CD"),
        ],
    )
}

fn blobs() -> Node {
    let mode = one_of(&["ReadWriteOnce", "ReadWriteMany", "ReadWriteOncePod"]);
    group(
        "blobs",
        "Uploaded files: a volume that all pods of records share, or a bucket",
        vec![
            leaf(
                "ephemeral",
                boolean(),
                json!(false),
                "Keep uploads in the pod: they are gone with it, and only one pod of records may run",
            ),
            leaf("existingClaim", name_or_none(), json!(""), "A PersistentVolumeClaim that is there already"),
            leaf("size", quantity(), json!("20Gi"), "Its size"),
            leaf(
                "storageClass",
                name_or_none(),
                json!(""),
                "Its storage class; the cluster's default when empty",
            ),
            leaf(
                "accessModes",
                json!({"type": "array", "minItems": 1, "items": mode}),
                json!(["ReadWriteMany"]),
                "Pods on several nodes share it, so it is ReadWriteMany unless there is one node",
            ),
            bucket(),
        ],
    )
}

fn bucket() -> Node {
    group(
        "s3",
        "A bucket of Amazon S3 or another store that speaks its protocol, instead of the volume. Its keys are in the Secret: GLOBCRM_RECORDS_S3_ACCESS_KEY_ID and GLOBCRM_RECORDS_S3_SECRET_ACCESS_KEY",
        vec![
            leaf(
                "bucket",
                matching("^([a-z0-9][-a-z0-9.]{1,61}[a-z0-9])?$"),
                json!(""),
                "Its name; there is no volume then",
            ),
            leaf(
                "endpoint",
                matching("^(https?://[^/@?]+)?$"),
                json!(""),
                "URL of the server that has it, like https://s3.example:9000; Amazon's of the region when empty",
            ),
            leaf(
                "region",
                matching("^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$"),
                json!(""),
                "Its region; us-east-1 when empty. Stores without regions take any",
            ),
            leaf(
                "virtualHosted",
                boolean(),
                json!(false),
                "Whether the bucket is part of the server's name and not of the path",
            ),
            leaf("allowHttp", boolean(), json!(false), "Whether the endpoint may be http://, for trying"),
        ],
    )
}

fn ways_in() -> Vec<Node> {
    vec![
        group(
            "service",
            "The Service of the gateway",
            vec![
                leaf(
                    "type",
                    one_of(&["ClusterIP", "NodePort", "LoadBalancer"]),
                    json!("ClusterIP"),
                    "Its type",
                ),
                leaf("port", integer(1, 65535), json!(80), "Its port"),
                leaf("annotations", texts(), json!({}), "Its annotations"),
            ],
        ),
        group(
            "ingress",
            "An Ingress. It, or an HTTPRoute, makes the gateway take clients' addresses from X-Forwarded-For (`TRUST_FORWARDED_FOR`); with `tls.publicSecret` give that setting yourself",
            vec![
                leaf("enabled", boolean(), json!(false), "Whether there is one"),
                leaf("className", name_or_none(), json!(""), "Its class"),
                leaf(
                    "host",
                    matching("^([a-z0-9*]([-a-z0-9.]*[a-z0-9])?)?$"),
                    json!(""),
                    "The host name of the API",
                ),
                leaf(
                    "tlsSecret",
                    name_or_none(),
                    json!(""),
                    "The Secret with its certificate; without one there is no TLS",
                ),
                leaf("annotations", texts(), json!({}), "Its annotations"),
            ],
        ),
        group(
            "gatewayApi",
            "An HTTPRoute of the Gateway API",
            vec![
                leaf("enabled", boolean(), json!(false), "Whether there is one"),
                leaf("parentRefs", list(foreign()), json!([]), "The Gateways that it is attached to"),
                leaf("hostnames", list(text()), json!([]), "The host names of the API"),
            ],
        ),
    ]
}

fn network_policy() -> Node {
    let port = json!({"type": "integer", "minimum": 1, "maximum": 65535});
    let outside = |name: &str, ports: serde_json::Value, doc: &str| {
        group(
            name,
            doc,
            vec![
                leaf(
                    "to",
                    list(foreign()),
                    json!([]),
                    "Peers (`ipBlock`, `namespaceSelector`); anywhere when empty",
                ),
                leaf("ports", list(port.clone()), ports, "Its ports"),
            ],
        )
    };
    group(
        "networkPolicy",
        "NetworkPolicies: every service talks to those that it calls, to its stores, and to nobody else",
        vec![
            leaf("enabled", boolean(), json!(true), "Whether there are any"),
            leaf("ingressFrom", list(foreign()), json!([]), "Who may call the gateway; anybody when empty"),
            leaf(
                "metricsFrom",
                list(foreign()),
                json!([{"namespaceSelector": {}}]),
                "Who may read metrics: by default, pods of any namespace",
            ),
            outside("postgresql", json!([5432]), "Where the database is"),
            outside("rabbitmq", json!([5672, 5671]), "Where the broker is"),
            outside("redis", json!([6379]), "Where Redis is"),
            outside("s3", json!([443]), "Where the bucket is, where `blobs.s3.bucket` is given"),
            outside("otlp", json!([4317]), "Where traces go, where `settings.OTLP_ENDPOINT` is given"),
        ],
    )
}

fn metrics() -> Node {
    group(
        "metrics",
        "For the operator of Prometheus",
        vec![
            group(
                "serviceMonitor",
                "A ServiceMonitor of all services",
                vec![
                    leaf("enabled", boolean(), json!(false), "Whether there is one"),
                    leaf(
                        "interval",
                        matching("^[0-9]+(ms|s|m)$"),
                        json!("30s"),
                        "How often metrics are read",
                    ),
                    leaf("labels", texts(), json!({}), "Labels by which Prometheus finds it"),
                ],
            ),
            group(
                "rules",
                "A PrometheusRule with alerts; docs/runbooks has a page for each",
                vec![
                    leaf("enabled", boolean(), json!(false), "Whether there is one"),
                    leaf("labels", texts(), json!({}), "Labels by which Prometheus finds it"),
                    leaf(
                        "runbooks",
                        matching("^(https?://[^ ]+)?$"),
                        json!(""),
                        "Where the pages of docs/runbooks are for those on duty; alerts name the path in the sources when empty",
                    ),
                ],
            ),
            group(
                "dashboards",
                "Dashboards of Grafana, a ConfigMap each",
                vec![
                    leaf("enabled", boolean(), json!(false), "Whether there are any"),
                    leaf(
                        "labels",
                        texts(),
                        json!({"grafana_dashboard": "1"}),
                        "Labels by which Grafana's sidecar finds them",
                    ),
                    leaf("annotations", texts(), json!({}), "Annotations, such as the folder of Grafana"),
                ],
            ),
        ],
    )
}

fn bundled() -> Node {
    let store = |store: &Store| {
        let mut own = vec![
            leaf("enabled", boolean(), json!(false), "Whether it is installed"),
            leaf(
                "image",
                json!({"type": "string", "pattern": "[^/]:[^/]+$|@sha256:"}),
                json!(store.image),
                "Its image, with a tag",
            ),
            leaf("runAsUser", integer(1, 2_147_483_647), json!(999), "The user of its image; never root"),
            leaf("memory", quantity(), json!(store.memory), "Its limit of memory"),
        ];
        if store.keeps {
            own.push(leaf(
                "ephemeral",
                boolean(),
                json!(false),
                "Keep data in the pod: they are gone with it",
            ));
            own.push(leaf("size", quantity(), json!("5Gi"), "The size of its volume"));
            own.push(leaf(
                "storageClass",
                name_or_none(),
                json!(""),
                "Its storage class; the cluster's default when empty",
            ));
        }
        group(store.name, store.doc, own)
    };
    group(
        "bundled",
        "Stores for trying GlobCRM: one pod each, no backup, no second copy",
        STORES.iter().map(store).collect(),
    )
}

fn keda() -> Node {
    group(
        "keda",
        "Where `queueScaling` reads the length of queues",
        vec![
            leaf(
                "existingSecret",
                name_or_none(),
                json!(""),
                "A Secret with the URL of RabbitMQ's management API: http://user:password@host:15672/vhost",
            ),
            leaf("key", json!({"type": "string", "minLength": 1}), json!("host"), "Its key"),
        ],
    )
}
