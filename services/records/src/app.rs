//! What operations work with.

use record::Env;
use record::definitions::{Definitions, Fetch};
use record::reference::{Ask, AskNames, References};
use std::sync::Arc;

use auth::Gate;
use blobs::Blobs;
use bulk::{Bulk, Target};
use db::{Db, WorkerDb};
use events::Wake;
use field_types::phone::Region;
use fleet::Role;
use ids::Clock;
use imports::{FindUsers, Imports};
use operations::{Acting, ServiceToken};
use query::CursorKey;
use tokio::sync::Notify;

use crate::files::{LocalFiles, readers};
use crate::naming::Companies;
use crate::peers::AskSlot;
use crate::quota::Quotas;
use crate::{companies, contacts, indexing};

/// The kinds of operations of this service.
const KINDS: &[&str] = &[imports::KIND, indexing::KIND, bulk::KINDS[0], bulk::KINDS[1]];

/// The objects whose records can be changed in bulk.
const TARGETS: &[Target] = &[
    Target { object: &contacts::CONTACT, open: contacts::wire::open, moves: false },
    Target { object: &companies::COMPANY, open: companies::wire::open, moves: false },
];

/// The objects whose records come out of files.
pub(crate) const IMPORTABLES: &[&imports::importable::Importable] =
    &[&contacts::import::CONTACTS, &companies::import::COMPANIES];

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
    pub(crate) files: LocalFiles,
    pub(crate) imports: Imports,
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
        let files = LocalFiles { db: env.db.clone(), blobs: parts.blobs.clone(), readers: readers() };
        let imports = Imports::new(imports::Parts {
            env: env.clone(),
            operations: operations.clone(),
            acting: acting.clone(),
            quota,
            users: parts.users,
            files: Arc::new(files.clone()),
            lookups: Arc::new(Companies),
            objects: IMPORTABLES,
        });
        Self {
            bulk: Bulk::new(env.clone(), operations.clone(), TARGETS, quota, acting.clone()),
            gate: parts.gate,
            env,
            operations,
            blobs: parts.blobs,
            quotas: parts.quotas,
            acting,
            slots: parts.slots,
            files,
            imports,
            indexing: Notify::new(),
        }
    }
}
