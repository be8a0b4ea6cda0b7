//! What operators see of requests, by the names of OpenTelemetry's conventions for HTTP servers. Labels are bounded: a route is the template
//! of a method, never a path. Tenants have metrics of their own ([`Tenants`]).

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use axum::http::{Method, StatusCode};
use ids::TenantId;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, UpDownCounter};

use crate::config::MetricsConfig;
use crate::tenants::Tenants;

/// The instruments.
#[derive(Clone, Debug)]
pub(crate) struct Metrics {
    duration: Histogram<f64>,
    active: UpDownCounter<i64>,
    tenants: Arc<Tenants>,
}

impl Metrics {
    pub(crate) fn new(config: MetricsConfig) -> Self {
        let meter = opentelemetry::global::meter("globcrm.gateway");
        Self {
            duration: meter
                .f64_histogram("http.server.request.duration")
                .with_unit("s")
                .with_description("Time from the head of a request to the head of its answer")
                .with_boundaries(host::telemetry::DURATION_BUCKETS.to_vec())
                .build(),
            active: meter
                .i64_up_down_counter("http.server.active_requests")
                .with_unit("{request}")
                .with_description("Requests that have no answer yet")
                .build(),
            tenants: Tenants::show(config.named_tenants),
        }
    }

    /// A request has come, on a route or on none.
    pub(crate) fn begin(&self, method: &Method, route: Option<&str>) -> Active<'_> {
        let method = KeyValue::new("http.request.method", known(method));
        self.active.add(1, std::slice::from_ref(&method));
        Active {
            metrics: self,
            began: Instant::now(),
            method,
            route: route.map(str::to_owned),
            tenant: OnceLock::new(),
            status: None,
        }
    }
}

/// A request on its way. Dropped without an answer, its client has gone.
#[derive(Debug)]
pub(crate) struct Active<'a> {
    metrics: &'a Metrics,
    began: Instant,
    method: KeyValue,
    route: Option<String>,
    tenant: OnceLock<TenantId>,
    status: Option<StatusCode>,
}

impl Active<'_> {
    /// It is known who asks.
    pub(crate) fn is_of(&self, tenant: TenantId) {
        // One request has one caller.
        self.tenant.get_or_init(|| tenant);
    }

    /// It is answered.
    pub(crate) fn answered(mut self, status: StatusCode) {
        self.status = Some(status);
    }
}

impl Drop for Active<'_> {
    fn drop(&mut self) {
        self.metrics.active.add(-1, std::slice::from_ref(&self.method));
        let mut attributes = vec![self.method.clone()];
        // Requests of no route share the series without one.
        attributes.extend(self.route.take().map(|route| KeyValue::new("http.route", route)));
        match self.status {
            Some(status) => {
                attributes.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
                if status.is_server_error() {
                    attributes.push(KeyValue::new("error.type", status.as_str().to_owned()));
                }
            }
            None => attributes.push(KeyValue::new("error.type", "client_gone")),
        }
        let took = self.began.elapsed();
        self.metrics.duration.record(took.as_secs_f64(), &attributes);
        if let Some(tenant) = self.tenant.get() {
            self.metrics.tenants.ended(*tenant, self.status, took);
        }
    }
}

/// A method that the conventions know; all others are one.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "CONNECT" => "CONNECT",
        "DELETE" => "DELETE",
        "GET" => "GET",
        "HEAD" => "HEAD",
        "OPTIONS" => "OPTIONS",
        "PATCH" => "PATCH",
        "POST" => "POST",
        "PUT" => "PUT",
        "TRACE" => "TRACE",
        _ => "_OTHER",
    }
}
