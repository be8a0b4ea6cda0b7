//! The gRPC server with the layers every call goes through.

mod call;
pub use call::code_name;
mod door;
mod guarded;
mod methods;

use std::time::Duration;

use auth::Gate;
use tls::{Acceptor, FleetTls};
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use crate::connections::{self, Limits};
use crate::{HostConfig, Process, ServeError, State, admin};
use call::Calls;
use door::Door;
pub use door::{CLIENT_ADDRESS, SERVICE_TOKEN};
use methods::Methods;

/// The longest a unary call may take, whatever the caller says.
pub(crate) const CALL_CAP: Duration = Duration::from_secs(30);
/// The longest a streaming call may take to its answer (an upload from a slow client).
pub(crate) const STREAM_CAP: Duration = Duration::from_secs(15 * 60);
/// Calls at once in one process; further ones are refused with UNAVAILABLE and a retry hint, not queued.
pub(crate) const MAX_CALLS: usize = 1_024;

const LIMITS: Limits = Limits {
    connections: 4_096,
    connections_of_one: 4_096,
    streams: 1_024,
    header_timeout: Duration::from_secs(60),
    http2_only: true,
    max_age: None,
    idle: None,
    // As long as its longest call: what runs is never cut off because of the age of its connection.
    age_grace: STREAM_CAP,
    stall: None,
};

/// Serves `routes` until the process stops, with health and the admin pages beside them, and reflection where the settings want it.
///
/// `gate` judges the tokens that services show: calls that only services make want one, and only the gateway says where a call
/// comes from. Health is that of `""` and of the services in package `globcrm.<process name>.v1`, and follows the readiness.
pub async fn serve(
    process: Process,
    config: &HostConfig,
    gate: Gate,
    routes: Routes,
) -> Result<(), ServeError> {
    let listener = connections::listen(config.grpc.listen, "gRPC").await?;
    serve_on(process, config, listener, gate, routes).await
}

/// [`serve`] on a listener that is bound already.
pub async fn serve_on(
    process: Process,
    config: &HostConfig,
    listener: TcpListener,
    gate: Gate,
    routes: Routes,
) -> Result<(), ServeError> {
    let limits = Limits { max_age: Some(config.grpc.connection_age.0), ..LIMITS };
    let methods = Methods::compiled_in()?;
    let services = methods.services_of(process.name());
    let (reporter, health) = tonic_health::server::health_reporter();
    report(&reporter, &services, process.readiness.state()).await;
    let mut routes = routes.add_service(health);
    if config.grpc.reflection {
        let reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTORS)
            .build_v1()
            .map_err(|e| ServeError::Descriptors(e.into()))?;
        routes = routes.add_service(reflection);
    }
    let calls = Calls::new(methods, Door::new(gate)?, MAX_CALLS);
    let router = routes.into_axum_router();
    let router = router.layer(axum::middleware::from_fn_with_state(calls, call::handle));

    let tls = FleetTls::acceptor(&config.life.tls);
    if tls.as_ref().is_some_and(Acceptor::takes_plain) {
        tracing::warn!(
            "gRPC is served plain, too, by TLS_ALSO_PLAIN: take it away when all services call by TLS"
        );
    }
    FleetTls::show_expiry(&config.life.tls, process.name());
    admin::start(&process, &config.life).await?;
    process.tasks.spawn_own("host.health", follow(process.clone(), reporter, services));
    if let Ok(address) = listener.local_addr() {
        tracing::info!(role = process.name(), %address, tls = tls.is_some(), "serving gRPC");
    }
    let grace = config.life.shutdown_grace.0;
    connections::serve(listener, tls, router, limits, &process.shutdown, process.hard(), grace).await
}

/// Keeps gRPC health equal to the readiness.
async fn follow(process: Process, mut reporter: HealthReporter, services: Vec<String>) {
    let mut states = process.readiness.subscribe();
    loop {
        let state = *states.borrow_and_update();
        report(&reporter, &services, state).await;
        if state == State::Stopping {
            // Ends the streams of those who watch; they would hold their connections open through the whole grace.
            for name in std::iter::once("").chain(services.iter().map(String::as_str)) {
                reporter.clear_service_status(name).await;
            }
            return;
        }
        if states.changed().await.is_err() {
            return;
        }
    }
}

async fn report(reporter: &HealthReporter, services: &[String], state: State) {
    let status = if state.takes_calls() { ServingStatus::Serving } else { ServingStatus::NotServing };
    for name in std::iter::once("").chain(services.iter().map(String::as_str)) {
        reporter.set_service_status(name, status).await;
    }
}

#[cfg(test)]
mod tests;
