//! A gate whose callers have the permissions that the test says, instead of identity's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use auth::{Gate, PrincipalKind, Signer, Verifier};
use config::{ExposeSecret, SecretString};
use ids::{Clock, TenantId};
use proto::identity::v1::{GetSnapshotResponse, PermissionSnapshot};
use testkit::fleet::signing_key;
use tonic::Request;
use uuid::Uuid;

use super::caller::request;
use super::may::May;

/// Permissions by principal.
pub type Snapshots = Arc<Mutex<HashMap<Uuid, PermissionSnapshot>>>;

/// A gate with what decides at it.
#[derive(Clone)]
pub struct TestGate {
    pub gate: Gate,
    pub signer: Arc<Signer>,
    pub snapshots: Snapshots,
    /// The version held at each question for a snapshot; 0 where none was.
    pub asked: Arc<Mutex<Vec<i64>>>,
}

impl TestGate {
    pub fn new(clock: &Clock) -> Result<Self> {
        let signer = Arc::new(Signer::from_pem(&signing_key()?, clock.clone())?);
        let verifier = Verifier::new(clock.clone());
        let jwk = signer.jwk();
        verifier.set_keys(std::slice::from_ref(&jwk));
        let (snapshots, asked) = (Snapshots::default(), Arc::<Mutex<Vec<i64>>>::default());
        let (reader, known, versions) = (verifier.clone(), snapshots.clone(), asked.clone());
        let gate = Gate::new(
            verifier,
            Arc::new(move || {
                let keys = vec![jwk.clone()];
                Box::pin(async move { Ok(keys) })
            }),
            Arc::new(move |token: SecretString, held| {
                versions.lock().unwrap().push(held);
                let claims = reader.verify(token.expose_secret()).unwrap();
                let snapshot = known.lock().unwrap().get(&claims.sub).cloned().unwrap();
                let version = snapshot.version;
                let answer = GetSnapshotResponse { snapshot: Some(snapshot), version, ..Default::default() };
                Box::pin(async move { Ok(answer) })
            }),
        );
        Ok(Self { gate, signer, snapshots, asked })
    }

    /// Somebody new in `tenant`.
    pub fn somebody(&self, clock: &Clock, tenant: TenantId, may: &May<'_>) -> Result<Principal> {
        let id = clock.new_uuid();
        self.allow(id, 5, may);
        let token = self.signer.sign(tenant, PrincipalKind::User, id, None, None)?;
        Ok(Principal { tenant, id, token })
    }

    /// Tokens with which a service acts for a principal.
    pub fn acts_for(&self, service: &'static str) -> operations::ServiceToken {
        let signer = self.signer.clone();
        Arc::new(move |tenant, act_for| {
            let token = signer.sign(tenant, PrincipalKind::User, act_for, None, Some(service.to_owned()));
            Box::pin(async move { token.map(SecretString::from).map_err(error::Error::internal) })
        })
    }

    /// Decides what a principal may do from the next snapshot on.
    pub fn allow(&self, id: Uuid, version: i64, may: &May<'_>) {
        let snapshot = may.snapshot(id, version);
        self.snapshots.lock().unwrap().insert(id, snapshot);
    }
}

/// Somebody in a tenant, with a token that the gate accepts.
#[derive(Clone)]
pub struct Principal {
    pub tenant: TenantId,
    pub id: Uuid,
    token: String,
}

impl Principal {
    /// The value of the header `authorization`.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// A request of this principal.
    pub fn request<T>(&self, body: T, headers: &[(&'static str, &str)]) -> Request<T> {
        request(&self.token, body, headers)
    }
}
