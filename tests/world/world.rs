//! A service that serves, and callers whose permissions the test decides.

use std::ops::Deref;

use anyhow::Result;
use ids::TenantId;
use uuid::Uuid;

use super::caller::Caller;
use super::gate::TestGate;
use super::ground::Ground;
use super::may::{ALL, May};

/// One service; each test has its own, those of a suite on one database.
pub struct World<S> {
    pub service: S,
    pub gates: TestGate,
    ground: Ground,
}

impl<S> Deref for World<S> {
    type Target = Ground;

    fn deref(&self) -> &Ground {
        &self.ground
    }
}

impl<S: Clone> World<S> {
    /// A service on this ground, with these gates in front of it.
    pub fn on(ground: Ground, gates: TestGate, service: S) -> Self {
        Self { service, gates, ground }
    }

    /// Somebody who may do everything in a tenant of their own.
    pub fn admin(&self) -> Result<Caller<S>> {
        self.caller(self.tenant(), &ALL)
    }

    /// Somebody in `tenant`.
    pub fn caller(&self, tenant: TenantId, may: &May<'_>) -> Result<Caller<S>> {
        self.ground.watch(tenant);
        let who = self.gates.somebody(&self.clock, tenant, may)?;
        Ok(Caller { service: self.service.clone(), who })
    }

    /// Decides what a caller may do from the next snapshot on.
    pub fn allow(&self, id: Uuid, version: i64, may: &May<'_>) {
        self.gates.allow(id, version, may);
    }
}
