//! One call: bound, deadline, span, panic, metrics.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use error::Error;
use futures_util::FutureExt;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tonic::{Code, Status};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::door::Door;
use super::guarded::Guarded;
use super::methods::{Method, Methods};
use super::{CALL_CAP, STREAM_CAP};
use crate::tasks::panic_text;
use crate::{deadline, telemetry, trace};

/// A call slower than this is logged.
const SLOW: Duration = Duration::from_secs(1);

/// What all calls of one server share.
#[derive(Clone)]
pub(super) struct Calls(Arc<Shared>);

struct Shared {
    methods: Methods,
    door: Door,
    places: Arc<Semaphore>,
    duration: Histogram<f64>,
    shed: Counter<u64>,
}

impl Calls {
    pub(super) fn new(methods: Methods, door: Door, places: usize) -> Self {
        let meter = opentelemetry::global::meter("globcrm.host");
        let duration = meter
            .f64_histogram("rpc.server.call.duration")
            .with_unit("s")
            .with_description("Time from the head of a call to the head of its answer")
            .with_boundaries(telemetry::DURATION_BUCKETS.to_vec())
            .build();
        let shed = meter
            .u64_counter("globcrm.rpc.server.shed")
            .with_description("Calls refused because too many were being served")
            .build();
        // There from the beginning, so that the first one shows as an increase.
        shed.add(0, &[]);
        Self(Arc::new(Shared { methods, door, places: Arc::new(Semaphore::new(places)), duration, shed }))
    }
}

/// The layer.
pub(super) async fn handle(State(calls): State<Calls>, request: Request, next: Next) -> Response {
    // Probes must pass when nothing else does, and are nobody's latency.
    if request.uri().path().starts_with("/grpc.") {
        return next.run(request).await;
    }
    let method = calls.0.methods.get(request.uri().path());
    let Ok(permit) = calls.0.places.clone().try_acquire_owned() else {
        calls.0.shed.add(1, &[]);
        return answer(Error::unavailable(error::Reason::OVERLOADED, "too many calls at once").into());
    };
    let began = Instant::now();
    let deadline = began + time_allowed(&request, method);
    let span = span(&request, method);
    let served = async {
        match calls.0.door.admit(request, method).await {
            Ok(request) => next.run(request).await,
            Err(error) => answer(error.into()),
        }
    };
    let inner = AssertUnwindSafe(served).catch_unwind();
    let mut gone = Gone { calls: &calls.0, method, span: &span, began, answered: false };
    let result =
        deadline::within(deadline, tokio::time::timeout_at(deadline, inner)).instrument(span.clone()).await;
    gone.answered = true;
    let response = match result {
        Ok(Ok(response)) => response,
        Ok(Err(panic)) => {
            span.in_scope(|| tracing::error!(panic = panic_text(panic.as_ref()), "call panicked"));
            answer(Error::internal("the call panicked").into())
        }
        Err(_) => {
            let text = "the call took too long";
            answer(Error::new(error::Code::DeadlineExceeded, error::Reason::DEADLINE_EXCEEDED, text).into())
        }
    };
    // A trailers-only answer carries the status in its head; without one the handler has answered.
    let code = Status::from_header_map(response.headers()).map_or(Code::Ok, |s| s.code());
    note(&calls.0, method, &span, began.elapsed(), code);
    hold(response, permit)
}

/// A call dropped because its caller has gone: it is counted as well, and logged when slow. Otherwise nothing would show what makes
/// callers give up.
struct Gone<'a> {
    calls: &'a Shared,
    method: Option<&'a Method>,
    span: &'a Span,
    began: Instant,
    answered: bool,
}

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        if !self.answered {
            note(self.calls, self.method, self.span, self.began.elapsed(), Code::Cancelled);
        }
    }
}

fn time_allowed(request: &Request, method: Option<&Method>) -> Duration {
    let cap = if method.is_some_and(|m| m.streaming) { STREAM_CAP } else { CALL_CAP };
    deadline::read_grpc_timeout(request.headers()).map_or(cap, |asked| asked.min(cap))
}

fn span(request: &Request, method: Option<&Method>) -> Span {
    let name = name(method);
    let span = tracing::info_span!(
        parent: None,
        "rpc",
        otel.name = name,
        otel.kind = "server",
        otel.status_code = Empty,
        rpc.system.name = "grpc",
        rpc.method = name,
        rpc.status_code = Empty,
        tenant_id = Empty,
        request_id = Empty,
    );
    let id = request.headers().get("x-request-id").and_then(|v| v.to_str().ok());
    if let Some(id) = id.and_then(ids::request_id) {
        span.record("request_id", id);
    }
    trace::continue_from(&span, request.headers());
    span
}

fn note(shared: &Shared, method: Option<&Method>, span: &Span, took: Duration, code: Code) {
    let text = code_name(code);
    let rpc_method = method.map_or_else(|| "_OTHER".into(), |m| opentelemetry::Value::from(m.name.clone()));
    let mut attributes = vec![
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", rpc_method),
        KeyValue::new("rpc.status_code", text),
    ];
    let fault = is_server_fault(code);
    if fault {
        attributes.push(KeyValue::new("error.type", text));
        span.record("otel.status_code", "ERROR");
    }
    span.record("rpc.status_code", text);
    shared.duration.record(took.as_secs_f64(), &attributes);
    span.in_scope(|| {
        let (name, millis) = (name(method), took.as_millis() as u64);
        if fault || took >= SLOW {
            tracing::info!(rpc.method = name, rpc.status_code = text, duration_ms = millis, "call");
        } else {
            tracing::debug!(rpc.method = name, rpc.status_code = text, duration_ms = millis, "call");
        }
    });
}

fn hold(response: Response, permit: OwnedSemaphorePermit) -> Response {
    response.map(|body| Body::new(Guarded { body, _permit: permit }))
}

fn answer(status: Status) -> Response {
    status.into_http()
}

fn name(method: Option<&Method>) -> &str {
    method.map_or("_OTHER", |m| &m.name)
}

/// Semantic conventions: the codes for which the server is to blame.
fn is_server_fault(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}

/// The code as semantic conventions write it.
pub fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
