//! Values that the chart is rendered with: the presets, and one in which everything that can be turned on is.

/// Some values.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    pub name: &'a str,
    /// `values-<preset>.yaml`.
    pub preset: Option<&'a str>,
    /// Further ones: `path=JSON`.
    pub sets: &'a [&'a str],
}

/// The presets.
pub const PRESETS: [&str; 4] = ["dev", "small", "medium", "large"];

/// Every object that the chart can make is in one of these.
pub const CASES: &[Case<'static>] = &[
    Case { name: "defaults", preset: None, sets: &[] },
    Case { name: "dev", preset: Some("dev"), sets: &[] },
    Case { name: "small", preset: Some("small"), sets: &[] },
    Case { name: "medium", preset: Some("medium"), sets: &[] },
    Case { name: "large", preset: Some("large"), sets: &[] },
    EVERYTHING,
    Case {
        name: "bucket",
        preset: Some("small"),
        sets: &[
            r#"blobs.s3={"bucket":"crm-files","endpoint":"https://s3.example:9000","region":"eu-central-1","virtualHosted":true}"#,
            r#"networkPolicy.s3={"to":[{"ipBlock":{"cidr":"10.0.1.0/24"}}],"ports":[9000]}"#,
            r#"roles.records.settings={"S3_TIMEOUT":5,"S3_CA_FILE":"/etc/ca/ca.crt"}"#,
        ],
    },
    Case { name: "bucket of Amazon", preset: None, sets: &[r#"blobs.s3.bucket="crm-files""#] },
    Case {
        name: "external",
        preset: Some("small"),
        sets: &[
            r#"secrets.optional=["GLOBCRM_FLEET_REDIS_URL","GLOBCRM_IDENTITY_SERVICE_SECRET_RECORDS_PREVIOUS"]"#,
            r#"networkPolicy.postgresql={"to":[{"ipBlock":{"cidr":"10.0.0.0/24"}}],"ports":[6432]}"#,
            r#"networkPolicy.ingressFrom=[{"namespaceSelector":{"matchLabels":{"name":"ingress"}}}]"#,
            r#"image={"repository":"registry.example/globcrm","digest":"sha256:0123456789012345678901234567890123456789012345678901234567890123","pullSecrets":["registry"]}"#,
            r#"fullnameOverride="globcrm""#,
            "migrations.enabled=false",
            r#"blobs.existingClaim="uploads""#,
            "metrics.serviceMonitor.enabled=true",
            r#"tls={"existingSecret":"fleet-tls","authoritySecret":"fleet-authorities","publicSecret":"public-tls","changeOver":"call"}"#,
            r#"settings.OTLP_ENDPOINT="http://collector:4317""#,
        ],
    },
    Case {
        name: "TLS passes through a proxy",
        preset: None,
        sets: &[
            r#"tls.publicSecret="public-tls""#,
            "service.port=443",
            r#"ingress={"enabled":true,"host":"crm.example","annotations":{"nginx.ingress.kubernetes.io/ssl-passthrough":"true"}}"#,
            "roles.gateway.settings.TRUST_FORWARDED_FOR=false",
        ],
    },
];

/// All that can be turned on.
pub const EVERYTHING: Case<'static> = Case {
    name: "everything",
    preset: Some("small"),
    sets: &[
        r#"ingress={"enabled":true,"host":"crm.example","className":"nginx","tlsSecret":"crm-tls","annotations":{"a":"b"}}"#,
        r#"gatewayApi={"enabled":true,"parentRefs":[{"name":"public"}],"hostnames":["crm.example"]}"#,
        r#"metrics={"serviceMonitor":{"enabled":true,"labels":{"release":"prometheus"}},"rules":{"enabled":true,"runbooks":"https://wiki.example/globcrm/"},"dashboards":{"enabled":true,"annotations":{"grafana_folder":"CRM"}}}"#,
        r#"bundled={"postgresql":{"enabled":true},"rabbitmq":{"enabled":true},"redis":{"enabled":true}}"#,
        r#"tls.existingSecret="fleet-tls""#,
        r#"keda.existingSecret="rabbitmq-management""#,
        r#"roles.activities.queueScaling={"enabled":true,"max":7}"#,
        r#"roles.gateway.autoscaling={"enabled":true}"#,
        r#"roles.records={"settings":{"UPLOAD_BYTES_PER_TENANT":5368709120,"TRASH_RETENTION":0.5},"podAnnotations":{"a":"b"},"podLabels":{"team":"crm"},"nodeSelector":{"disk":"ssd"},"tolerations":[{"key":"crm","operator":"Exists"}],"affinity":{"podAntiAffinity":{}},"priorityClassName":"high","existingSecret":"records","extraVolumes":[{"name":"ca","secret":{"secretName":"ca"}}],"extraVolumeMounts":[{"name":"ca","mountPath":"/etc/ca"}]}"#,
        r#"settings={"LOG":"debug","OTLP_ENDPOINT":"http://collector:4317"}"#,
        r#"extraObjects=[{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"extra","labels":{"app.kubernetes.io/name":"x","app.kubernetes.io/instance":"crm","app.kubernetes.io/component":"extra","app.kubernetes.io/part-of":"globcrm","app.kubernetes.io/version":"1","app.kubernetes.io/managed-by":"Helm","helm.sh/chart":"x"}}}]"#,
    ],
};
