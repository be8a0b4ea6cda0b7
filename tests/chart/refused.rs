//! Wrong values: each is refused, and the message names where it is.

use super::cases::Case;
use super::helm::Chart;

/// A value, and what the message must name.
const WRONG: &[(&str, &str)] = &[
    // Names that there are not.
    ("replicas=2", "replicas"),
    (r#"image.name="x""#, "name"),
    ("defaults.replica=2", "replica"),
    (r#"defaults.resources.limits.memry="1Gi""#, "memry"),
    ("defaults.autoscaling.maxReplicas=3", "maxReplicas"),
    ("roles.mail={}", "mail"),
    ("roles.records.replica=2", "replica"),
    ("roles.records.settings.RATE_TENANT_PER_MINUTE=3", "RATE_TENANT_PER_MINUTE"),
    (r#"roles.gateway.settings.LISTEN="0.0.0.0:1""#, "LISTEN"),
    (r#"settings.LOGS="info""#, "LOGS"),
    (r#"settings.TLS_CERT_FILE="/x""#, "TLS_CERT_FILE"),
    (r#"tls.secret="x""#, "secret"),
    (r#"tls.changeOver="both""#, "changeOver"),
    (r#"settings.DATABASE_URL="x""#, "DATABASE_URL"),
    (r#"ingress.hosts=["crm.example"]"#, "hosts"),
    ("bundled.mysql={}", "mysql"),
    ("networkPolicy.enable=true", "enable"),
    (r#"secrets.password="x""#, "password"),
    // Kinds and bounds.
    ("defaults.replicas=0", "replicas"),
    (r#"defaults.replicas="2""#, "replicas"),
    ("defaults.replicas=1.5", "replicas"),
    ("defaults.preStopSeconds=0", "preStopSeconds"),
    ("defaults.minReadySeconds=-1", "minReadySeconds"),
    (r#"defaults.resources.requests.cpu="fast""#, "cpu"),
    (r#"defaults.resources.requests.memory="64 MB""#, "memory"),
    (r#"defaults.topologySpread="Sometimes""#, "topologySpread"),
    (r#"defaults.nodeSelector={"ssd":true}"#, "nodeSelector"),
    ("defaults.tolerations={}", "tolerations"),
    ("defaults.autoscaling.cpuPercent=0", "cpuPercent"),
    (r#"image.tag="latest""#, "tag"),
    (r#"image.digest="sha256:12""#, "digest"),
    (r#"image.pullPolicy="Sometimes""#, "pullPolicy"),
    (r#"image.repository="""#, "repository"),
    (r#"secrets.existingSecret="""#, "existingSecret"),
    (r#"secrets.existingSecret="No Name""#, "existingSecret"),
    (r#"secrets.optional=["GLOBCRM_RECORDS_SERVICE_SECRET"]"#, "optional"),
    ("service.port=70000", "port"),
    (r#"service.type="External""#, "type"),
    (r#"ingress.enabled="yes""#, "enabled"),
    (r#"ingress.host="https://crm.example""#, "host"),
    ("blobs.accessModes=[]", "accessModes"),
    (r#"blobs.size="big""#, "size"),
    (r#"blobs.s3.bucket="Files""#, "bucket"),
    (r#"blobs.s3.endpoint="s3.example""#, "endpoint"),
    (r#"blobs.s3.endpoint="https://key:secret@s3.example""#, "endpoint"),
    (r#"blobs.s3.secretKey="x""#, "secretKey"),
    (r#"roles.records.settings.S3_BUCKET="files""#, "S3_BUCKET"),
    (r#"secrets.optional=["GLOBCRM_RECORDS_S3_ACCESS_KEY_ID"]"#, "optional"),
    (r#"metrics.serviceMonitor.interval="often""#, "interval"),
    (r#"metrics.rules.runbooks="the wiki""#, "runbooks"),
    (r#"metrics.dashboards.labels={"grafana_dashboard":1}"#, "labels"),
    (r#"networkPolicy.postgresql.ports=["5432"]"#, "ports"),
    ("bundled.postgresql.runAsUser=0", "runAsUser"),
    (r#"bundled.redis.image="redis""#, "image"),
    ("roles.identity.settings.SIGN_UPS_PER_HOUR=-1", "SIGN_UPS_PER_HOUR"),
    (r#"roles.identity.settings.GRPC_REFLECTION="true""#, "GRPC_REFLECTION"),
    (r#"settings.SHUTDOWN_GRACE="25s""#, "SHUTDOWN_GRACE"),
    (r#"fullnameOverride="Crm""#, "fullnameOverride"),
    ("extraObjects={}", "extraObjects"),
];

/// What the schema cannot know: values that do not go together.
const TOGETHER: &[(&[&str], &str)] = &[
    (&["ingress.enabled=true"], "ingress.host"),
    (&[r#"tls.changeOver="serve""#], "tls.existingSecret"),
    (&[r#"tls.authoritySecret="authorities""#], "tls.authoritySecret needs tls.existingSecret"),
    (
        &[r#"tls.publicSecret="public""#, "ingress.enabled=true", r#"ingress.host="crm.example""#],
        "roles.gateway.settings.TRUST_FORWARDED_FOR",
    ),
    (
        &[
            r#"tls.publicSecret="public""#,
            "gatewayApi.enabled=true",
            r#"gatewayApi.parentRefs=[{"name":"public"}]"#,
        ],
        "roles.gateway.settings.TRUST_FORWARDED_FOR",
    ),
    (&["gatewayApi.enabled=true"], "gatewayApi.parentRefs"),
    (&["blobs.ephemeral=true", "roles.records.replicas=2"], "roles.records.replicas"),
    (&["blobs.ephemeral=true", "roles.records.autoscaling.enabled=true"], "blobs.ephemeral"),
    (&[r#"blobs.s3.bucket="files""#, "blobs.ephemeral=true"], "blobs.s3.bucket"),
    (&[r#"blobs.s3.bucket="files""#, r#"blobs.existingClaim="x""#], "blobs.s3.bucket"),
    (&[r#"blobs.s3.bucket="files""#, r#"blobs.s3.endpoint="http://s3""#], "blobs.s3.allowHttp"),
    (&[r#"blobs.s3.endpoint="https://s3""#], "blobs.s3.bucket"),
    (
        &["roles.records.autoscaling.enabled=true", "roles.records.queueScaling.enabled=true"],
        "roles.records: autoscaling.enabled and queueScaling.enabled",
    ),
    (&["roles.records.queueScaling.enabled=true"], "keda.existingSecret"),
    (
        &["roles.gateway.queueScaling.enabled=true", r#"keda.existingSecret="x""#],
        "roles.gateway.queueScaling.enabled",
    ),
];

/// The message for these values.
fn message(sets: &[&str]) -> String {
    match Chart::ours().render(&Case { name: "wrong", preset: None, sets }) {
        Ok(_) => panic!("{sets:?} is taken"),
        Err(message) => message,
    }
}

#[test]
fn a_wrong_value_is_refused_by_its_name() {
    assert!(WRONG.len() >= 30);
    for (set, named) in WRONG {
        let message = message(&[set]);
        let is_schema = message.contains("don't meet the specifications of the schema");
        assert!(is_schema && message.contains(named), "{set}: {message}");
    }
}

#[test]
fn values_that_do_not_go_together_are_refused_by_their_names() {
    for (sets, named) in TOGETHER {
        let message = message(sets);
        assert!(message.contains(named), "{sets:?}: {message}");
    }
}
