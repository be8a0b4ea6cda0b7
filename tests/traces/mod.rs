//! One trace from a client's request to the last consumer of its event, as a collector sees it.
//!
//! A suite by itself: beside another fleet, that one's relay and consumers might take the event, and tell nobody.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use reqwest::Method;
use serde_json::json;
use testkit::fleet::Role;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use crate::stage::Stage;
use crate::waiting;

/// How long spans may take: processes export in batches, every few seconds.
const EXPORTED: Duration = Duration::from_secs(30);

/// A span as it was exported.
#[derive(Clone, Debug)]
struct Seen {
    service: String,
    name: String,
    trace: String,
    id: String,
    parent: String,
}

/// The spans of all traces: a collector in this process.
#[derive(Clone, Default)]
struct Sink(Arc<Mutex<Vec<Seen>>>);

#[tonic::async_trait]
impl TraceService for Sink {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, b| text + &format!("{b:02x}"));
        for resource in request.into_inner().resource_spans {
            let attributes = resource.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|a| a.key == "service.name").and_then(|a| a.value?.value);
            let Some(Value::StringValue(service)) = name else {
                return Err(Status::invalid_argument("no name"));
            };
            let spans = resource.scope_spans.into_iter().flat_map(|scope| scope.spans).map(|span| Seen {
                service: service.clone(),
                name: span.name,
                trace: hex(&span.trace_id),
                id: hex(&span.span_id),
                parent: hex(&span.parent_span_id),
            });
            self.0.lock().expect("the spans").extend(spans);
        }
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Sink {
    /// Serves on a free port until the test ends.
    fn start() -> (Self, String) {
        let sink = Self::default();
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).expect("a port");
        let url = format!("http://{}", incoming.local_addr().expect("its address"));
        let server = tonic::transport::Server::builder().add_service(TraceServiceServer::new(sink.clone()));
        #[allow(clippy::disallowed_methods, reason = "ends with the test's runtime")]
        drop(tokio::spawn(server.serve_with_incoming(incoming)));
        (sink, url)
    }

    fn of(&self, trace: &str) -> Vec<Seen> {
        self.0.lock().expect("the spans").iter().filter(|s| s.trace == trace).cloned().collect()
    }

    /// The spans of a trace once all of these are there.
    async fn complete(&self, trace: &str, wanted: &[(String, String)]) -> Vec<Seen> {
        waiting::outcome(EXPORTED, "the spans of a trace", async || {
            let spans = self.of(trace);
            let names: BTreeSet<_> = spans.iter().map(|s| (s.service.clone(), s.name.clone())).collect();
            let missing: Vec<_> = wanted.iter().filter(|wanted| !names.contains(*wanted)).collect();
            if missing.is_empty() { Ok(spans) } else { Err(format!("{missing:?} are not among {names:?}")) }
        })
        .await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_leads_from_the_request_to_every_consumer_of_its_event() {
    let (sink, url) = Sink::start();
    let stage = tokio::task::block_in_place(|| Stage::start_with(&[("GLOBCRM_FLEET_OTLP_ENDPOINT", &url)]));
    let tenant = stage.tenant("trace").await;
    let trace = ids::Clock::system().new_uuid().simple().to_string();
    let parent = "b7ad6b7169203331";
    let body = json!({"name": "Traced", "scopes": ["contact.read"]});
    let call = tenant.admin.call(Method::POST, "/api/v1/api-keys");
    call.header("traceparent", &format!("00-{trace}-{parent}-01")).json(&body).send().await.expect(201);

    const RPC: &str = "globcrm.identity.v1.IdentityService/CreateApiKey";
    let asked = [
        ("globcrm-gateway", "POST /api/v1/api-keys"),
        ("globcrm-gateway", RPC),
        ("globcrm-identity", RPC),
        ("globcrm-identity", "identity.api_keys.create"),
    ]
    .map(|(service, name)| (service.to_owned(), name.to_owned()));
    let published = ("globcrm-identity".to_owned(), "identity.permissions.changed.v1 publish".to_owned());
    let consumers = Role::ALL.into_iter().filter(|role| *role != Role::Identity && role.member().has_schema);
    let consumed = consumers
        .map(|role| (format!("globcrm-{}", role.name()), format!("{} consume", role.names().permissions)));
    let event: Vec<_> = std::iter::once(published).chain(consumed).collect();
    let spans = sink.complete(&trace, &[&asked[..], &event[..]].concat()).await;
    // Every span hangs below the client's, through spans of this trace.
    let parents: BTreeMap<&str, &str> = spans.iter().map(|s| (s.id.as_str(), s.parent.as_str())).collect();
    for span in &spans {
        let mut at = span.id.as_str();
        for _ in 0..spans.len() {
            at = parents.get(at).copied().unwrap_or(at);
        }
        assert_eq!(at, parent, "{span:?} hangs in the air");
    }
    let id = |service: &str, name: &str| {
        spans.iter().find(|s| s.service == service && s.name == name).map(|s| s.id.clone())
    };
    let parent_of = |service: &str, name: &str| {
        spans.iter().find(|s| s.service == service && s.name == name).map(|s| s.parent.clone())
    };
    // The event is the work of the operation, not of the client's call from outside.
    let operation = id("globcrm-identity", "identity.api_keys.create");
    for (service, name) in &event {
        assert_eq!(parent_of(service, name), operation, "{service} {name}");
    }

    // Without a client's trace each request has one of its own.
    for path in ["/api/v1/me", "/api/v1/me/sessions"] {
        tenant.admin.get(path).await.expect(200);
    }
    let (one, other) = waiting::outcome(EXPORTED, "traces of their own", async || {
        let seen = sink.0.lock().expect("the spans").clone();
        let of = |name: &str| {
            let span = seen.iter().find(|s| s.name == name).ok_or_else(|| format!("no {name}"))?;
            Ok::<_, String>((span.trace.clone(), span.parent.clone()))
        };
        Ok::<_, String>((of("GET /api/v1/me")?, of("GET /api/v1/me/sessions")?))
    })
    .await;
    assert_ne!(one.0, other.0);
    assert!(one.1.trim_start_matches('0').is_empty() && one.0 != trace, "{one:?}");
}
