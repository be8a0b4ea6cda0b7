//! What every service with a schema starts, watches and closes.

use std::convert::Infallible;

use auth::Gate;
use config::Hot;
use db::{DatabaseConfig, Db, Migrations, WorkerDb};
use events::broadcast::{self, Notice};
use events::{AmqpConfig, Consumer, Handler, Relay, Wake, metrics, permissions};
use fleet::Role;
use futures_util::FutureExt;
use host::{HostConfig, Process, ServeError};
use ids::Clock;
use rpc::{Peer, ServiceSecret};
use tls::FleetTls;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

use crate::Peers;
use crate::rounds::{self, Rounds};

/// What the frame must know of a service.
#[derive(Clone, Copy, Debug)]
pub struct Service {
    /// Its place in the fleet.
    pub role: Role,
    /// Of its schema.
    pub migrations: &'static Migrations,
    /// Connections of the worker role: the relay's, one for metrics, and those of its jobs and consumers.
    pub worker_connections: u32,
}

/// A service that has been started and does not serve yet.
#[derive(Debug)]
pub struct Frame {
    /// The app role's pool.
    pub db: Db,
    /// The worker role's pool.
    pub worker: WorkerDb,
    /// Time and ids.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
    role: Role,
    broker: AmqpConfig,
    tls: Hot<FleetTls>,
    process: Process,
}

impl Frame {
    /// Makes the pools and starts what needs nothing else: the relay and the metrics of events.
    pub fn start(
        service: Service,
        database: &Hot<DatabaseConfig>,
        broker: AmqpConfig,
        tls: &Hot<FleetTls>,
        process: Process,
    ) -> Result<Self, ServeError> {
        let Service { role, migrations, worker_connections } = service;
        let (name, names) = (role.name(), role.names());
        let now = database.get();
        let db = Db::new(&now, name).map_err(|e| ServeError::start("the database pool", e))?;
        let worker = WorkerDb::new(&now, name, worker_connections)
            .map_err(|e| ServeError::start("the worker's pool", e))?;
        db.follow(database);
        worker.follow(database);

        let schema = db.clone();
        process.readiness.watch("database", move || {
            let db = schema.clone();
            async move { db.check_schema(migrations).await }
        });
        let relay = Relay::new(worker.clone(), broker.clone(), name, process.clock.clone());
        let (wake, status) = (relay.wake(), relay.status());
        process.readiness.watch_beside("relay", move || std::future::ready(status.check()));
        let (closing, shutdown) = (worker.clone(), process.shutdown.clone());
        process.tasks.spawn(names.relay, async move {
            relay.run(shutdown).await;
            // Not earlier: the relay gives its lease back over this pool.
            closing.close().await;
        });
        let measure = metrics::watch(name, worker.clone(), metrics::EVERY, process.shutdown.clone());
        process.tasks.spawn(names.event_metrics, measure);
        Ok(Self { db, worker, clock: process.clock.clone(), wake, role, broker, tls: tls.clone(), process })
    }

    /// The way to other services, for one that is not identity.
    pub fn peers(&self, identity: &Peer, secret: ServiceSecret) -> Result<Peers, ServeError> {
        Peers::new(&self.process, self.role.member(), identity, secret, self.tls.clone())
    }

    /// Raises the fence of the schema and drops what `gate` holds, as permissions change.
    pub fn follow_permissions(&self, gate: &Gate) {
        let name = self.role.names().permissions;
        let (gate, db, worker) = (gate.clone(), self.db.clone(), self.worker.clone());
        let (broker, clock) = (self.broker.clone(), self.clock.clone());
        self.supervise(name, move |shutdown| {
            let (gate, db, worker) = (gate.clone(), db.clone(), worker.clone());
            let follow = permissions::follow(name, gate, db, worker, broker.clone(), clock.clone(), shutdown);
            follow.map(Ok::<(), Infallible>)
        });
    }

    /// Calls `callback` in this instance for every event of these patterns; see [`broadcast::subscribe`].
    pub fn broadcast(
        &self,
        name: &'static str,
        patterns: &'static [&'static str],
        callback: impl FnMut(Notice) + Send + 'static,
    ) {
        let broker = self.broker.clone();
        self.spawn(name, |shutdown| broadcast::subscribe(broker, name, patterns, callback, shutdown));
    }

    /// Applies every event of these patterns once in the whole fleet; see [`Consumer::run`]. The name is that of the task, the queues and
    /// the inbox rows.
    pub fn consume<H: Handler + 'static>(
        &self,
        name: &'static str,
        patterns: &'static [&'static str],
        handler: H,
    ) {
        self.consume_as(Consumer::new(name, patterns), handler);
    }

    /// As [`Self::consume`], by a consumer whose queues the service has decided on.
    pub fn consume_as<H: Handler + 'static>(&self, consumer: Consumer, handler: H) {
        let (db, worker, broker) = (self.db.clone(), self.worker.clone(), self.broker.clone());
        let clock = self.clock.clone();
        self.spawn(consumer.name, |shutdown| consumer.run(db, worker, broker, clock, handler, shutdown));
    }

    /// Runs a job round after round until the process stops.
    pub fn rounds<J: Rounds>(&self, job: J) {
        let clock = self.clock.clone();
        self.spawn(job.task(), |shutdown| rounds::run(job, clock, shutdown));
    }

    /// Starts work that ends with the token.
    pub fn spawn<F>(&self, name: &'static str, make: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.process.tasks.spawn(name, make(self.process.shutdown.clone()));
    }

    /// Keeps work running until the token; see [`host::Tasks::supervise`].
    pub fn supervise<F, E>(&self, name: &'static str, make: impl Fn(CancellationToken) -> F + Send + 'static)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: std::error::Error + Send + 'static,
    {
        let shutdown = self.process.shutdown.clone();
        self.process.tasks.supervise(name, move || make(shutdown.clone()));
    }

    /// Builds the service and serves it until the process stops. The pools are closed however that ends.
    pub async fn serve(
        self,
        host: &HostConfig,
        build: impl FnOnce(&Self) -> Result<(Gate, Routes), ServeError>,
    ) -> Result<(), ServeError> {
        let served = match build(&self) {
            Ok((gate, routes)) => host::grpc::serve(self.process, host, gate, routes).await,
            Err(error) => Err(error),
        };
        self.db.close().await;
        served
    }
}

#[cfg(test)]
mod tests;
