//! What operations work with.

use record::Env;
use record::definitions::{Definitions, Fetch};
use record::reference::{Ask, References};
use std::sync::Arc;

use auth::{Future, Gate};
use blobs::Blobs;
use db::{Db, WorkerDb};
use error::Error;
use events::Wake;
use field_types::phone::Region;
use fleet::Role;
use ids::{Clock, TenantId};
use query::CursorKey;
use secrecy::SecretString;
use tokio::sync::Notify;
use uuid::Uuid;

use crate::quota::Quotas;

/// Asks identity for a token that acts in a tenant for a principal.
pub type ServiceToken = Arc<dyn Fn(TenantId, Uuid) -> Future<Result<SecretString, Error>> + Send + Sync>;

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
    /// Asks which users and teams do not exist.
    pub people: Ask,
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

impl App {
    /// The service of these parts.
    pub(crate) fn new(parts: Parts) -> Self {
        let operations = operations::Env {
            role: Role::Records,
            kinds: crate::imports::KINDS,
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
            references: References::to_people(parts.people),
        };
        Self {
            gate: parts.gate,
            env,
            operations,
            blobs: parts.blobs,
            quotas: parts.quotas,
            service_token: parts.service_token,
            imports: Notify::new(),
        }
    }
}
