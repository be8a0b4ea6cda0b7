//! What operations work with.

use record::Env;
use record::definitions::{Definitions, Fetch};
use record::reference::{Ask, AskNames, References};
use std::sync::Arc;

use auth::{Context, Future, Gate};
use blobs::Blobs;
use bulk::{Bulk, Target};
use db::{Db, Shares, WorkerDb};
use error::Error;
use events::Wake;
use field_types::phone::Region;
use fleet::Role;
use ids::Clock;
use operations::{Acting, ServiceToken};
use query::CursorKey;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::peers::AskSlot;
use crate::quota::Quotas;
use crate::{companies, contacts, imports, indexing};

/// The kinds of operations of this service.
const KINDS: &[&str] = &[imports::KIND, indexing::KIND, bulk::KINDS[0], bulk::KINDS[1]];

/// The objects whose records can be changed in bulk.
const TARGETS: &[Target] = &[
    Target { object: &contacts::CONTACT, open: contacts::wire::open, moves: false },
    Target { object: &companies::COMPANY, open: companies::wire::open, moves: false },
];

/// Asks identity for the users of the caller's tenant who have these addresses: address and id.
pub type FindUsers =
    Arc<dyn Fn(Context, Vec<String>) -> Future<Result<Vec<(String, Uuid)>, Error>> + Send + Sync>;

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
    pub definitions: Fetch,
    /// Asks for slots of fields.
    pub slots: AskSlot,
    /// Asks which users and teams do not exist.
    pub people: Ask,
    /// Asks for the names of users.
    pub names: AskNames,
    /// Asks whose e-mail addresses these are.
    pub users: FindUsers,
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
    pub(crate) env: Env,
    pub(crate) operations: operations::Env,
    pub(crate) bulk: Bulk,
    pub(crate) blobs: Blobs,
    pub(crate) quotas: Quotas,
    pub(crate) acting: Acting,
    pub(crate) slots: AskSlot,
    pub(crate) users: FindUsers,
    /// Places of those who examine a file.
    pub(crate) readers: Arc<Shares>,
    /// Wakes the import job.
    pub(crate) imports: Notify,
    /// Wakes the job that fills indexes.
    pub(crate) indexing: Notify,
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").finish_non_exhaustive()
    }
}

impl App {
    /// The service of these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        let operations = operations::Env {
            role: Role::Records,
            kinds: KINDS,
            db: parts.db.clone(),
            worker: parts.worker,
            clock: parts.clock.clone(),
            cursor_key: parts.cursor_key.clone(),
        };
        let env = Env {
            role: Role::Records,
            objects: crate::OBJECTS,
            db: parts.db,
            clock: parts.clock,
            wake: parts.wake,
            cursor_key: parts.cursor_key,
            region: parts.region,
            definitions: Definitions::new(parts.definitions),
            references: References::to_people(parts.people).named_by(parts.names),
        };
        let acting = Acting { gate: parts.gate.clone(), service_token: parts.service_token };
        let quota = parts.quotas.operations;
        Self {
            bulk: Bulk::new(env.clone(), operations.clone(), TARGETS, quota, acting.clone()),
            gate: parts.gate,
            env,
            operations,
            blobs: parts.blobs,
            quotas: parts.quotas,
            acting,
            slots: parts.slots,
            users: parts.users,
            readers: imports::readers(),
            imports: Notify::new(),
            indexing: Notify::new(),
        }
    }
}
