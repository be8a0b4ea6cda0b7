//! The way in: token -> tenant and principal -> permission snapshot under a live lease -> context.

use std::collections::HashMap;
use std::future::Future as StdFuture;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use error::{Code, Error, Reason};
use proto::identity::v1::{GetSnapshotResponse, Jwk};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tonic::Request;
use uuid::Uuid;

use crate::context::{Call, Context, Principal, PrincipalKind};
use crate::{Claims, ServiceName, Snapshot, TokenError, VerifiedTenant, Verifier};

/// How long a snapshot decides before its version must be confirmed. A revoke waits this long at most.
pub const LEASE: Duration = Duration::from_secs(2);
/// A late commit wants this much of the lease to be left: a commit takes its time too, and a revoke answers 200 ms after the lease.
/// So a commit that takes up to 700 ms is seen before the revoke's answer.
const COMMIT_REST: Duration = Duration::from_millis(500);
/// How often a late commit asks for a lease that lasts long enough.
const CONFIRMATIONS: usize = 2;
/// Snapshots held at once; beyond it those with an ended lease go first.
const MAX_SNAPSHOTS: usize = 20_000;
/// Unknown key ids cause at most one key fetch in this time.
const KEY_FETCH_PAUSE: Duration = Duration::from_secs(2);
/// Key fetch and snapshot fetch end after this long.
const FETCH_DEADLINE: Duration = Duration::from_secs(2);

/// A boxed future: the boundary at which generic types end.
pub type Future<T> = Pin<Box<dyn StdFuture<Output = T> + Send>>;
/// Asks identity for the caller's snapshot: the caller's token and the version held.
pub type FetchSnapshot =
    Arc<dyn Fn(SecretString, i64) -> Future<Result<GetSnapshotResponse, Error>> + Send + Sync>;
/// Asks identity for its public keys.
pub type FetchKeys = Arc<dyn Fn() -> Future<Result<Vec<Jwk>, Error>> + Send + Sync>;

/// Admits calls. Cheap to clone.
#[derive(Clone)]
pub struct Gate(Arc<Inner>);

struct Inner {
    verifier: Verifier,
    fetch_keys: FetchKeys,
    keys_fetched: tokio::sync::Mutex<Fetched>,
    fetch_snapshot: FetchSnapshot,
    snapshots: Mutex<HashMap<Key, Slot>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    tenant: Uuid,
    principal: Uuid,
    kind: PrincipalKind,
    /// Each session has its own entry: one that has ended must not live on another's lease.
    session: Option<Uuid>,
    /// A service acting for somebody has that principal's permissions under its own entry.
    service: bool,
}

/// When keys were fetched last, and when that failed last.
#[derive(Default)]
struct Fetched {
    at: Option<Instant>,
    failed: Option<Instant>,
}

/// One principal's snapshot; the lock lets one fetch serve all who wait.
pub(crate) type Slot = Arc<tokio::sync::Mutex<Place>>;

/// What stands in a slot.
#[derive(Debug, Default)]
pub(crate) struct Place {
    pub(crate) held: Option<Held>,
    /// The last fetch that failed, and when: it answers all who waited for it. Else each of them would wait in turn for a
    /// fetch of its own, the last one for the deadlines of all.
    failure: Option<(Instant, Error)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) snapshot: Arc<Snapshot>,
    lease_until: Instant,
}

/// The time for which the permissions of a call were confirmed. A change that takes something away answers when all leases
/// from before it have ended, so whoever commits under a live one is before that answer.
#[derive(Clone)]
pub struct Lease {
    gate: Gate,
    claims: Claims,
    token: SecretString,
    version: i64,
    until: Instant,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("principal", &self.claims.sub)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Lease {
    /// Returns when the permissions that the call began on are those of now: at once while the lease lives for long enough, else
    /// they are confirmed anew, where other calls of the same principal may have done so already.
    ///
    /// Errors: 409 `PERMISSIONS_CHANGED`, 401 for a session that has ended, 503 `PERMISSIONS_UNAVAILABLE`.
    pub async fn confirm(&self) -> Result<(), Error> {
        let lives = |until| Instant::now() + COMMIT_REST < until;
        let mut until = self.until;
        for _ in 0..CONFIRMATIONS {
            if lives(until) {
                return Ok(());
            }
            let (held, _) = self.gate.snapshot(&self.claims, &self.token, COMMIT_REST).await?;
            if held.snapshot.version() != self.version {
                return Err(permissions_changed());
            }
            // A slow answer has used up much of it.
            until = held.lease_until;
        }
        if lives(until) { Ok(()) } else { Err(permissions_unavailable()) }
    }
}

/// A call decided by permissions that are no longer those of its caller: 409 `PERMISSIONS_CHANGED`.
pub fn permissions_changed() -> Error {
    Error::new(
        Code::Aborted,
        Reason::PERMISSIONS_CHANGED,
        "your permissions changed while this ran; try again",
    )
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate that gets keys and snapshots by these calls.
    pub fn new(verifier: Verifier, fetch_keys: FetchKeys, fetch_snapshot: FetchSnapshot) -> Self {
        Self(Arc::new(Inner {
            verifier,
            fetch_keys,
            keys_fetched: tokio::sync::Mutex::default(),
            fetch_snapshot,
            snapshots: Mutex::default(),
        }))
    }

    /// Admits an authenticated call: its context and its body.
    pub async fn admit<T>(&self, request: Request<T>) -> Result<(Context, T), Error> {
        let (metadata, _, body) = request.into_parts();
        let call = Call::read(&metadata)?;
        let token = bearer(&metadata)?;
        let context = self.open(call, token).await?;
        tracing::Span::current().record("tenant_id", tracing::field::display(context.tenant.id()));
        Ok((context, body))
    }

    /// The context of a token, for callers that are not a request (jobs).
    pub async fn open(&self, call: Call, token: SecretString) -> Result<Context, Error> {
        let claims = self.verify(&token).await?;
        let tenant = VerifiedTenant::from_token(claims.tid);
        let principal = Principal { kind: claims.knd, id: claims.sub };
        let (held, slot) = self.snapshot(&claims, &token, Duration::ZERO).await?;
        let lease = Lease {
            gate: self.clone(),
            token: token.clone(),
            version: held.snapshot.version(),
            until: held.lease_until,
            claims,
        };
        Ok(Context {
            call,
            tenant,
            principal,
            session_id: lease.claims.sid,
            snapshot: held.snapshot,
            token,
            slot: Some(slot),
            lease: Some(lease),
        })
    }

    /// Drops the held snapshot of a principal, or of every principal of the tenant.
    pub fn forget(&self, tenant: Uuid, principal: Option<Uuid>) {
        let mut held = self.0.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|key, _| key.tenant != tenant || principal.is_some_and(|p| p != key.principal));
    }

    /// Verifies a token, fetching keys once when its key is unknown.
    pub async fn verify(&self, token: &SecretString) -> Result<Claims, Error> {
        self.with_keys(|verifier| verifier.verify(token.expose_secret())).await?.map_err(refused)
    }

    /// The service that shows this token. Whatever is wrong with it answers one 401 `SERVICE_TOKEN_INVALID`; 503 when it cannot
    /// be judged, as its key may be one that was not fetched yet.
    pub async fn verify_service(&self, token: &SecretString) -> Result<ServiceName, Error> {
        let found = self.with_keys(|verifier| verifier.verify_service(token.expose_secret())).await?;
        found.map_err(|_| {
            Error::unauthenticated(Reason::SERVICE_TOKEN_INVALID, "the service's token is not valid")
        })
    }

    async fn with_keys<T>(
        &self,
        verify: impl Fn(&Verifier) -> Result<T, TokenError>,
    ) -> Result<Result<T, TokenError>, Error> {
        match verify(&self.0.verifier) {
            Err(TokenError::UnknownKey) => {
                self.fetch_keys().await?;
                Ok(verify(&self.0.verifier))
            }
            other => Ok(other),
        }
    }

    async fn fetch_keys(&self) -> Result<(), Error> {
        let arrived = Instant::now();
        let mut fetched = self.0.keys_fetched.lock().await;
        if fetched.at.is_some_and(|at| at.elapsed() < KEY_FETCH_PAUSE) {
            return Ok(());
        }
        if fetched.failed.is_some_and(|at| at >= arrived) {
            return Err(permissions_unavailable());
        }
        let keys = match tokio::time::timeout(FETCH_DEADLINE, (self.0.fetch_keys)()).await {
            Ok(Ok(keys)) => keys,
            failed => {
                fetched.failed = Some(Instant::now());
                let unavailable = permissions_unavailable();
                return Err(match failed {
                    Ok(Err(cause)) => unavailable.with_source(cause),
                    _ => unavailable,
                });
            }
        };
        self.0.verifier.set_keys(&keys);
        fetched.at = Some(Instant::now());
        Ok(())
    }

    /// The caller's permissions, under a lease with more than `rest` left.
    async fn snapshot(
        &self,
        claims: &Claims,
        token: &SecretString,
        rest: Duration,
    ) -> Result<(Held, Slot), Error> {
        let key = Key {
            tenant: claims.tid.uuid(),
            principal: claims.sub,
            kind: claims.knd,
            session: claims.sid.map(ids::SessionId::uuid),
            service: claims.act.is_some(),
        };
        let slot = self.slot(key);
        let arrived = Instant::now();
        let mut place = slot.lock().await;
        let asked_at = Instant::now();
        let version = match &place.held {
            Some(h) if h.lease_until > asked_at + rest => return Ok((h.clone(), slot.clone())),
            Some(h) => h.snapshot.version(),
            None => 0,
        };
        if let Some((at, error)) = &place.failure
            && *at >= arrived
        {
            return Err(error.again());
        }
        match self.ask(token, version, place.held.as_ref()).await {
            Ok(snapshot) => {
                // Counted from before the question, so that a slow answer cannot lengthen the lease.
                let lease_until = asked_at + LEASE;
                let held = Held { snapshot, lease_until };
                *place = Place { held: Some(held.clone()), failure: None };
                drop(place);
                Ok((held, slot))
            }
            Err(error) => {
                place.failure = Some((Instant::now(), error.again()));
                Err(error)
            }
        }
    }

    async fn ask(
        &self,
        token: &SecretString,
        version: i64,
        held: Option<&Held>,
    ) -> Result<Arc<Snapshot>, Error> {
        let answer = tokio::time::timeout(FETCH_DEADLINE, (self.0.fetch_snapshot)(token.clone(), version))
            .await
            .map_err(|_| permissions_unavailable())?
            .map_err(|e| match e.code() {
                Code::Unauthenticated => e,
                _ => permissions_unavailable().with_source(e),
            })?;
        match (&answer.snapshot, held) {
            (Some(wire), _) => Ok(Arc::new(Snapshot::from_wire(wire))),
            (None, Some(h)) if h.snapshot.version() == answer.version => Ok(h.snapshot.clone()),
            (None, _) => Err(permissions_unavailable()),
        }
    }

    fn slot(&self, key: Key) -> Slot {
        let mut all = self.0.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= MAX_SNAPSHOTS && !all.contains_key(&key) {
            let now = Instant::now();
            all.retain(|_, slot| {
                slot.try_lock().map_or(true, |p| p.held.as_ref().is_some_and(|h| h.lease_until > now))
            });
            if all.len() >= MAX_SNAPSHOTS {
                all.clear();
            }
        }
        all.entry(key).or_default().clone()
    }
}

fn bearer(metadata: &tonic::metadata::MetadataMap) -> Result<SecretString, Error> {
    let missing = || Error::unauthenticated(Reason::CREDENTIALS_MISSING, "an access token is needed");
    let value = metadata.get("authorization").and_then(|v| v.to_str().ok()).ok_or_else(missing)?;
    let (scheme, token) = value.split_once(' ').ok_or_else(missing)?;
    if !scheme.eq_ignore_ascii_case("bearer") || token.is_empty() {
        return Err(missing());
    }
    Ok(SecretString::from(token))
}

fn refused(error: TokenError) -> Error {
    match error {
        TokenError::Expired => Error::unauthenticated(Reason::TOKEN_EXPIRED, "the access token has expired"),
        TokenError::Malformed | TokenError::UnknownKey | TokenError::BadSignature => {
            Error::unauthenticated(Reason::TOKEN_INVALID, "the access token is not valid")
        }
    }
}

fn permissions_unavailable() -> Error {
    Error::unavailable(Reason::PERMISSIONS_UNAVAILABLE, "permissions cannot be confirmed at the moment")
}

#[cfg(test)]
mod tests;
