//! The way in: token -> tenant and principal -> permission snapshot under a live lease -> context.

mod lease;

use std::future::Future as StdFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use cache::{Fresh, Held, Terms};
use error::{Code, Error, Reason};
use proto::Rpc;
use proto::identity::v1::{GetSnapshotResponse, Jwk};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tonic::Request;
use uuid::Uuid;

use crate::context::{Call, Context, Principal, PrincipalKind};
use crate::{Claims, ServiceName, Snapshot, TokenError, VerifiedTenant, Verifier};

pub use lease::Lease;

/// How long a snapshot decides before its version must be confirmed. A revoke waits this long at most.
pub const LEASE: Duration = Duration::from_secs(2);
/// Snapshots held at once.
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
    /// Holds that keys were fetched a moment ago.
    keys_fetched: Held<(), (), Error>,
    fetch_snapshot: FetchSnapshot,
    snapshots: Held<Key, Confirmed, Error>,
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

impl Key {
    fn of(claims: &Claims) -> Self {
        Self {
            tenant: claims.tid.uuid(),
            principal: claims.sub,
            kind: claims.knd,
            session: claims.sid.map(ids::SessionId::uuid),
            service: claims.act.is_some(),
        }
    }
}

/// A snapshot, and until when it decides.
#[derive(Clone)]
struct Confirmed {
    snapshot: Arc<Snapshot>,
    lease_until: Instant,
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
            keys_fetched: Held::new(terms(1)),
            fetch_snapshot,
            snapshots: Held::new(terms(MAX_SNAPSHOTS)),
        }))
    }

    /// Admits an authenticated call whose caller has what the contract asks for its method: the context, which knows the rows that
    /// the permission reaches, and the body. Errors: 401; 403 `PERMISSION_DENIED`.
    pub async fn admit<T: Rpc>(&self, request: Request<T>) -> Result<(Context, T), Error> {
        let (metadata, _, body) = request.into_parts();
        let call = Call::read(&metadata)?;
        let token = bearer(&metadata)?;
        let context = self.open(call, token).await?;
        tracing::Span::current().record("tenant_id", tracing::field::display(context.tenant.id()));
        Ok((context.admit(T::ACCESS)?, body))
    }

    /// The context of a token, for callers that are not a request (jobs).
    pub async fn open(&self, call: Call, token: SecretString) -> Result<Context, Error> {
        let claims = self.verify(&token).await?;
        let tenant = VerifiedTenant::from_token(claims.tid);
        let principal = Principal { kind: claims.knd, id: claims.sub };
        let session_id = claims.sid;
        let confirmed = self.snapshot(&claims, &token, Fresh::Held).await?;
        let lease = Lease::new(self.clone(), claims, token.clone(), &confirmed);
        Ok(Context {
            call,
            tenant,
            principal,
            session_id,
            snapshot: confirmed.snapshot,
            token,
            lease: Some(lease),
            admitted: None,
        })
    }

    /// As [`Self::open`], of a caller who has what the contract asks for the method of `T`. Errors: 401; 403 `PERMISSION_DENIED`.
    pub async fn open_for<T: Rpc>(&self, call: Call, token: SecretString) -> Result<Context, Error> {
        self.open(call, token).await?.admit(T::ACCESS)
    }

    /// Drops the held snapshot of a principal, or of every principal of the tenant.
    pub fn forget(&self, tenant: Uuid, principal: Option<Uuid>) {
        let snapshots = &self.0.snapshots;
        snapshots.forget_where(|key| key.tenant == tenant && principal.is_none_or(|p| p == key.principal));
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
        let fetch = async |_| {
            let began = Instant::now();
            let unavailable = |cause| permissions_unavailable().with_source(cause);
            let keys = (self.0.fetch_keys)().await.map_err(unavailable)?;
            self.0.verifier.set_keys(&keys);
            // The pause begins when the keys are there.
            Ok(((), began.elapsed() + KEY_FETCH_PAUSE))
        };
        self.0.keys_fetched.get((), Fresh::Held, fetch).await
    }

    /// The caller's permissions, under a lease that lives.
    async fn snapshot(
        &self,
        claims: &Claims,
        token: &SecretString,
        fresh: Fresh,
    ) -> Result<Confirmed, Error> {
        let ask = |held| self.ask(token, held);
        self.0.snapshots.get(Key::of(claims), fresh, ask).await
    }

    /// Drops the snapshot of a caller that was found to be too old. A newer one was fetched by another call meanwhile.
    fn forget_snapshot(&self, claims: &Claims, version: i64) {
        let (key, snapshots) = (Key::of(claims), &self.0.snapshots);
        if snapshots.held(&key).is_none_or(|held| held.snapshot.version() <= version) {
            snapshots.forget(&key);
        }
    }

    async fn ask(
        &self,
        token: &SecretString,
        held: Option<Confirmed>,
    ) -> Result<(Confirmed, Duration), Error> {
        // Counted from before the question, so that a slow answer cannot lengthen the lease.
        let lease_until = Instant::now() + LEASE;
        let version = held.as_ref().map_or(0, |held| held.snapshot.version());
        let answer = (self.0.fetch_snapshot)(token.clone(), version).await.map_err(|e| match e.code() {
            Code::Unauthenticated => e,
            _ => permissions_unavailable().with_source(e),
        })?;
        let snapshot = match (&answer.snapshot, held) {
            (Some(wire), _) => Arc::new(Snapshot::from_wire(wire)),
            (None, Some(held)) if held.snapshot.version() == answer.version => held.snapshot,
            (None, _) => return Err(permissions_unavailable()),
        };
        Ok((Confirmed { snapshot, lease_until }, LEASE))
    }
}

/// A failure answers all who waited for it; an old permission never does.
fn terms(limit: usize) -> Terms<Error> {
    Terms {
        limit,
        deadline: FETCH_DEADLINE,
        late: permissions_unavailable,
        again: |error, _| Some(error.again()),
        stale_if_error: None,
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
