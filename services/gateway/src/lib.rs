#![doc = include_str!("../README.md")]

mod app;
mod body;
mod call;
mod config;
mod credentials;
mod documents;
mod etag;
mod known_keys;
mod limits;
mod metrics;
mod operations;
mod places;
mod reply;
mod stream;
mod tenants;

use std::sync::Arc;

use ::config::Limit;
use bytes::Bytes;
use fleet::Role;
use transcode::{Api, DocumentInfo};

pub use crate::config::{Config, LimitConfig, MetricsConfig, RateConfig};

/// The place in the fleet.
const ROLE: Role = Role::Gateway;

/// What the gateway takes at most.
pub const LIMITS: &[Limit] = &[
    Limit::new("JSON body", body::MAX_BODY as u64, "bytes"),
    Limit::new("upload", stream::MAX_UPLOAD, "bytes"),
];

/// Why the gateway cannot run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The contract cannot be served: a defect of the build.
    #[error("the contract cannot be served")]
    Contract(#[from] transcode::CompileError),
    /// A URL of another service is none.
    #[error("a service's URL")]
    Peer(#[from] rpc::ConnectError),
    /// The Redis URL is none.
    #[error("GLOBCRM_GATEWAY_REDIS_URL")]
    Redis(#[from] redis::RedisError),
    /// The process could not serve.
    #[error(transparent)]
    Host(#[from] host::ServeError),
}

/// The OpenAPI document as the gateway serves it.
pub fn openapi() -> Result<String, transcode::CompileError> {
    Ok(document(&Api::compile(proto::DESCRIPTORS)?))
}

fn document(api: &Api) -> String {
    api.openapi(&DocumentInfo {
        title: "GlobCRM",
        version: env!("CARGO_PKG_VERSION"),
        description: "The REST API of GlobCRM. Every operation is an RPC of the services, seen over HTTP.",
        server: "/",
    })
}

/// Runs the gateway until the process stops.
pub async fn serve(config: Config, life: host::LifeConfig, process: host::Process) -> Result<(), ServeError> {
    let api = Api::compile(proto::DESCRIPTORS)?;
    let openapi = Bytes::from(document(&api));
    let clock = process.clock.clone();
    let bare = config.identity.connect(&life.tls)?;
    let token = rpc::ServiceToken::keep(&process, bare.clone(), ROLE.name(), config.service_secret.clone());
    let identity_channel = bare.showing(&token);
    let identity = rpc::identity::Identity::new(identity_channel.clone(), None, clock.clone());
    let verifier = auth::Verifier::new(clock.clone());
    let gate = auth::Gate::new(verifier, identity.fetch_keys(), identity.fetch_snapshot());
    let (redis_url, redis_ca_file) =
        (config.limits.redis_url.as_ref(), config.limits.redis_ca_file.as_deref());
    let limits = limits::Limits::new(redis_url, redis_ca_file, clock.clone(), process.tasks.clone())?;
    let (listen, tls, clients) = (config.listen, config.tls.clone(), config.limits.clients());
    let mut peers = vec![(config.identity.role, identity_channel)];
    for peer in &config.services {
        peers.push((peer.role, peer.connect(&life.tls)?.showing(&token)));
    }
    let channels = peers.into_iter().filter_map(|(role, channel)| Some((role.member().service?, channel)));
    let app = Arc::new(app::App {
        api,
        openapi,
        channels: channels.collect(),
        credentials: credentials::Credentials::new(identity, gate),
        limits,
        places: places::Places::new(&config),
        metrics: metrics::Metrics::new(config.metrics),
        clock,
        readiness: process.readiness.clone(),
        config,
    });
    let watched = app.clone();
    process.readiness.watch_beside("rate-limits", move || {
        let shared = watched.config.limits.redis_url.is_none() || watched.limits.is_shared();
        async move {
            if shared {
                Ok(())
            } else {
                Err("Redis does not answer; each gateway counts for itself".to_owned())
            }
        }
    });
    let charged = app.clone();
    let shutdown = process.shutdown.clone();
    process.tasks.spawn("gateway.limits", async move { charged.limits.settle(shutdown).await });
    let router = axum::Router::new().fallback(app::handle).with_state(app);
    Ok(host::http::serve(process, &life, listen, &tls, clients, router).await?)
}
