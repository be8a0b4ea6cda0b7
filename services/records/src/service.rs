//! The running service: its parts, and how they are put together.

use std::convert::Infallible;
use std::sync::Arc;

use auth::{Future, Gate, Verifier};
use blobs::Blobs;
use db::{Db, WorkerDb};
use error::Error;
use events::{Relay, Wake, broadcast, metrics, permissions};
use field_types::phone::Region;
use futures_util::FutureExt;
use host::{HostConfig, Process, ServeError};
use ids::{Clock, TenantId};
use proto::records::v1::records_service_server::RecordsServiceServer;
use query::CursorKey;
use rpc::fields::Fields;
use rpc::identity::Identity;
use secrecy::SecretString;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use uuid::Uuid;

use crate::config::Config;
use crate::consumers::fields_changed;
use crate::imports;
use crate::jobs::derived::DerivedCheck;
use crate::jobs::operations::OperationPurge;
use crate::jobs::purge::Purge;
use crate::jobs::uploads::UploadPurge;
use crate::quota::Quotas;
use crate::record::definitions::Definitions;
use crate::record::reference::People;

pub use crate::record::definitions::Fetch as FetchDefinitions;
pub use crate::record::reference::Ask as AskPeople;

/// Asks identity for a token that acts in a tenant for a principal.
pub type ServiceToken = Arc<dyn Fn(TenantId, Uuid) -> Future<Result<SecretString, Error>> + Send + Sync>;

/// Connections of the worker role: relay, retries, purge, claims of imports, metrics.
const WORKER_CONNECTIONS: u32 = 5;

/// What the service is made of; tests bring their own gate and peers.
pub struct Parts {
    /// Admits calls.
    pub gate: Gate,
    /// The app role's pool.
    pub db: Db,
    /// Time and ids.
    pub clock: Clock,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// Asks for the definitions of an object.
    pub definitions: FetchDefinitions,
    /// Asks which users and teams do not exist.
    pub people: AskPeople,
    /// Wakes the relay.
    pub wake: Wake,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Uploaded bytes.
    pub blobs: Blobs,
    /// What one tenant may have.
    pub quotas: Quotas,
    /// Tokens with which the service acts for a principal after its own token has ended.
    pub service_token: ServiceToken,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// What operations work with.
pub(crate) struct App {
    pub(crate) gate: Gate,
    pub(crate) db: Db,
    pub(crate) clock: Clock,
    pub(crate) cursor_key: CursorKey,
    pub(crate) region: Option<Region>,
    pub(crate) definitions: Definitions,
    pub(crate) people: People,
    pub(crate) wake: Wake,
    pub(crate) worker: WorkerDb,
    pub(crate) blobs: Blobs,
    pub(crate) quotas: Quotas,
    pub(crate) service_token: ServiceToken,
    /// Wakes the import job.
    pub(crate) imports: Notify,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

/// The RPCs. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Service(pub(crate) Arc<App>);

impl Service {
    /// A service of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(App {
            gate: parts.gate,
            db: parts.db,
            clock: parts.clock,
            cursor_key: parts.cursor_key,
            region: parts.region,
            definitions: Definitions::new(parts.definitions),
            people: People::new(parts.people),
            wake: parts.wake,
            worker: parts.worker,
            blobs: parts.blobs,
            quotas: parts.quotas,
            service_token: parts.service_token,
            imports: Notify::new(),
        }))
    }
}

impl Service {
    /// Works imports until `shutdown`; [`serve`] does it beside the calls.
    pub async fn work_imports(self, shutdown: CancellationToken) {
        imports::job::run(self.0, shutdown).await;
    }
}

/// Runs the role until the process stops.
pub async fn serve(config: Config, host: HostConfig, process: Process) -> Result<(), ServeError> {
    let database = |error| ServeError::start("database", error);
    let db = Db::new(&config.database, "records").map_err(database)?;
    let worker = WorkerDb::new(&config.database, "records", WORKER_CONNECTIONS).map_err(database)?;
    let channel = config.identity.connect().map_err(|e| ServeError::start("identity", e))?;
    let own = Some(("records", config.service_secret.clone()));
    let token = rpc::ServiceToken::keep(&process, channel.clone(), "records", config.service_secret.clone());
    let identity = Identity::new(channel.showing(&token), own, process.clock.clone());
    let blobs = Blobs::in_directory(&config.blob_dir).map_err(|e| ServeError::start("blobs", e))?;
    let channel = config.fields.connect().map_err(|e| ServeError::start("fields", e))?;
    let fields = Fields::new(channel.showing(&token));
    let gate =
        Gate::new(Verifier::new(process.clock.clone()), identity.fetch_keys(), identity.fetch_snapshot());

    let schema = db.clone();
    process.readiness.watch("database", move || {
        let db = schema.clone();
        async move { db.check_schema(&crate::MIGRATIONS).await }
    });
    let relay = Relay::new(worker.clone(), config.broker.clone(), "records", process.clock.clone());
    let (wake, relay_status) = (relay.wake(), relay.status());
    process.readiness.watch_beside("relay", move || std::future::ready(relay_status.check()));
    process.tasks.spawn("records.relay", relay.run(process.shutdown.clone()));
    let measure = metrics::watch("records", worker.clone(), metrics::EVERY, process.shutdown.clone());
    process.tasks.spawn("records.event_metrics", measure);

    let service = Service::new(Parts {
        gate: gate.clone(),
        db: db.clone(),
        clock: process.clock.clone(),
        cursor_key: config.cursor_key.clone(),
        region: config.region,
        definitions: fetch_definitions(fields),
        people: ask_people(identity.clone()),
        wake,
        worker: worker.clone(),
        blobs: blobs.clone(),
        quotas: config.quotas,
        service_token: service_token(identity),
    });
    process.tasks.spawn("records.imports", service.clone().work_imports(process.shutdown.clone()));
    listen(&config, &process, &service, &db, &worker);
    let uploads = UploadPurge {
        db: db.clone(),
        worker: worker.clone(),
        clock: process.clock.clone(),
        blobs,
        retention: config.upload_retention,
    };
    let operations = OperationPurge {
        db: db.clone(),
        worker: worker.clone(),
        clock: process.clock.clone(),
        retention: config.operation_retention,
    };
    let purge =
        Purge { db: db.clone(), worker, clock: process.clock.clone(), retention: config.trash_retention };
    let derived = DerivedCheck {
        db: db.clone(),
        worker: purge.worker.clone(),
        clock: process.clock.clone(),
        every: config.derived_check_every,
    };
    process.tasks.spawn("records.derived", derived.run(process.shutdown.clone()));
    process.tasks.spawn("records.purge", purge.run(process.shutdown.clone()));
    process.tasks.spawn("records.uploads", uploads.run(process.shutdown.clone()));
    process.tasks.spawn("records.operations", operations.run(process.shutdown.clone()));

    let routes = Routes::new(RecordsServiceServer::new(service));
    let served = host::grpc::serve(process, &host, gate, routes).await;
    db.close().await;
    served
}

/// Starts what hears events.
fn listen(config: &Config, process: &Process, service: &Service, db: &Db, worker: &WorkerDb) {
    let heard = (service.0.gate.clone(), db.clone(), process.clock.clone(), process.shutdown.clone());
    let (worker, broker) = (worker.clone(), config.broker.clone());
    process.tasks.supervise("records.permissions", move || {
        let (gate, db, clock, shutdown) = heard.clone();
        let (worker, broker) = (worker.clone(), broker.clone());
        let follow = permissions::follow("records.permissions", gate, db, worker, broker, clock, shutdown);
        follow.map(Ok::<(), Infallible>)
    });
    let definitions = service.0.definitions.clone();
    let forget = broadcast::subscribe(
        config.broker.clone(),
        "records.definitions",
        fields_changed::PATTERNS,
        move |notice| fields_changed::forget(&definitions, notice),
        process.shutdown.clone(),
    );
    process.tasks.spawn("records.definitions", forget);
}

fn fetch_definitions(fields: Fields) -> FetchDefinitions {
    Arc::new(move |cx, object, version| {
        let fields = fields.clone();
        Box::pin(async move { fields.field_set(&cx, object, version).await })
    })
}

fn service_token(identity: Identity) -> ServiceToken {
    Arc::new(move |tenant, act_for| {
        let identity = identity.clone();
        Box::pin(async move { identity.service_token(tenant, act_for).await })
    })
}

fn ask_people(identity: Identity) -> AskPeople {
    Arc::new(move |cx, users, teams| {
        let identity = identity.clone();
        Box::pin(async move {
            let users: Vec<ids::UserId> = users.into_iter().map(Into::into).collect();
            let teams: Vec<ids::TeamId> = teams.into_iter().map(Into::into).collect();
            let unknown = identity.check_references(&cx, &users, &teams).await?;
            let users = unknown.users.into_iter().map(Into::into).collect();
            Ok((users, unknown.teams.into_iter().map(Into::into).collect()))
        })
    })
}
