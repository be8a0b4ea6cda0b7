//! A gate whose callers have the permissions that the test says, instead of identity's.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use anyhow::Result;
use auth::{Gate, PrincipalKind, Signer, Verifier};
use base64::Engine;
use config::{ExposeSecret, SecretString};
use ids::{Clock, TenantId};
use proto::identity::v1::{
    FieldAccess, FieldRule, GetSnapshotResponse, PermissionSnapshot, Scope, SnapshotAction, SnapshotObject,
};
use tonic::Request;
use uuid::Uuid;

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
        let signer = Arc::new(Signer::from_pem(&signing_key(clock), clock.clone())?);
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

    /// Decides what a principal may do from the next snapshot on.
    pub fn allow(&self, id: Uuid, version: i64, may: &May<'_>) {
        let objects = may.actions.iter().map(|(object, action, scope)| SnapshotObject {
            object: (*object).to_owned(),
            actions: vec![SnapshotAction { action: (*action).to_owned(), scopes: vec![(*scope).into()] }],
        });
        let rules = may.fields.iter().map(|(field, access)| FieldRule {
            object: "contact".to_owned(),
            field: (*field).to_owned(),
            access: (*access).into(),
        });
        let snapshot = PermissionSnapshot {
            version,
            owner_id: id.to_string(),
            objects: objects.collect(),
            field_rules: rules.collect(),
            ..Default::default()
        };
        self.snapshots.lock().unwrap().insert(id, snapshot);
    }
}

/// What a principal may do.
pub struct May<'a> {
    /// Object, action, and whose rows.
    pub actions: &'a [(&'a str, &'a str, Scope)],
    /// Fields of contacts with less than the whole access.
    pub fields: &'a [(&'a str, FieldAccess)],
}

/// Everything.
pub const ALL: May<'static> = May { actions: &[("*", "*", Scope::All)], fields: &[] };

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
        let mut request = Request::new(body);
        request.metadata_mut().insert("authorization", self.bearer().parse().unwrap());
        for (name, value) in headers {
            request.metadata_mut().insert(*name, value.parse().unwrap());
        }
        request
    }
}

/// A throw-away Ed25519 key as PKCS#8 (RFC 8410).
pub fn signing_key(clock: &Clock) -> String {
    let mut der =
        vec![0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
    der.extend(clock.new_uuid().as_bytes());
    der.extend(clock.new_uuid().as_bytes());
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let label = "PRIVATE KEY";
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
