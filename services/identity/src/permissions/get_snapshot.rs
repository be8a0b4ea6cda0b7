//! Gives the snapshot of the principal that a token names, or renews its lease.
//!
//! Asked by every instance of every service for every active principal, every two seconds: a version that is still held costs
//! one statement by primary keys.

use auth::{Claims, LEASE, PrincipalKind, VerifiedTenant};
use db::{Db, DbError, TenantTx};
use error::{Error, Reason};
use ids::Clock;
use proto::identity::v1 as pb;
use proto::timestamp;
use uuid::Uuid;

use super::compile::compile;
use super::store::{self, Live};
use crate::api_keys::{self, exchange};
use crate::app::App;
use crate::organization;
use crate::roles;
use crate::roles::body::KeyScope;

/// Why there is no snapshot.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GetSnapshotError {
    /// The session or key has ended, or the user is disabled.
    #[error("the principal has ended")]
    Revoked,
    /// The key has reached its time.
    #[error("the key has expired")]
    KeyExpired,
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<GetSnapshotError> for Error {
    fn from(cause: GetSnapshotError) -> Self {
        match cause {
            GetSnapshotError::Revoked => {
                Self::unauthenticated(Reason::SESSION_REVOKED, "the session or key has ended; log in again")
            }
            GetSnapshotError::KeyExpired => exchange::expired(),
            GetSnapshotError::Database(cause) => cause.into(),
        }
    }
}

/// For the bearer of a verified token. Errors: 401 `SESSION_REVOKED` or `API_KEY_EXPIRED`.
#[tracing::instrument(name = "identity.permissions.get_snapshot", skip_all)]
pub(crate) async fn run(
    app: &App,
    claims: &Claims,
    request: pb::GetSnapshotRequest,
) -> Result<pb::GetSnapshotResponse, Error> {
    Ok(of(&app.db, &app.clock, claims, request.if_version).await?)
}

/// For verified claims.
pub(crate) async fn of(
    db: &Db,
    clock: &Clock,
    claims: &Claims,
    if_version: i64,
) -> Result<pb::GetSnapshotResponse, GetSnapshotError> {
    let now = clock.now();
    // One state for version and content: a version must never stand on content that is older.
    let mut tx = TenantTx::begin_snapshot(db, VerifiedTenant::from_directory(claims.tid)).await?;
    let session = claims.sid.map(ids::SessionId::uuid);
    let live = match claims.knd {
        // A user comes with a session, or a service acts for it.
        PrincipalKind::User if session.is_some() || claims.act.is_some() => {
            store::live_user(&mut tx, claims.sub, session, now).await?
        }
        PrincipalKind::ApiKey => store::live_key(&mut tx, claims.sub, now).await?,
        PrincipalKind::User | PrincipalKind::Service => None,
    };
    let Some(live) = live else {
        let key = match claims.knd {
            PrincipalKind::ApiKey => api_keys::store::standing(&mut tx, claims.sub).await?,
            PrincipalKind::User | PrincipalKind::Service => None,
        };
        let expired = key.is_some_and(|key| key.has_expired(now));
        return Err(if expired { GetSnapshotError::KeyExpired } else { GetSnapshotError::Revoked });
    };
    let lease_until = live.ends_at.map_or(now + LEASE, |end| end.min(now + LEASE));
    let (version, lease_until) = (live.version, Some(timestamp(lease_until)));
    if version == if_version {
        tx.commit().await?;
        return Ok(pb::GetSnapshotResponse { snapshot: None, version, lease_until });
    }
    let snapshot = compiled(&mut tx, &live).await?;
    tx.commit().await?;
    let snapshot = Some(pb::PermissionSnapshot { lease_until, ..snapshot });
    Ok(pb::GetSnapshotResponse { snapshot, version, lease_until })
}

/// What a live principal may do, without a lease.
pub(crate) async fn compiled(tx: &mut TenantTx, live: &Live) -> Result<pb::PermissionSnapshot, DbError> {
    let (role_ids, roles): (Vec<Uuid>, Vec<_>) =
        roles::store::bodies_of_user(tx, live.owner).await?.into_iter().unzip();
    let (team_ids, team_member_ids) = store::teams_and_members(tx, live.owner).await?;
    let allows_duplicates = !organization::store::duplicate_check(tx).await?;
    let (objects, field_rules) = compile(&roles, key_scopes(live).as_deref());
    let texts = |ids: &[Uuid]| ids.iter().map(Uuid::to_string).collect();
    Ok(pb::PermissionSnapshot {
        version: live.version,
        lease_until: None,
        objects,
        field_rules,
        team_ids: texts(&team_ids),
        team_member_ids: texts(&team_member_ids),
        owner_id: live.owner.to_string(),
        allows_duplicates,
        role_ids: texts(&role_ids),
    })
}

/// The scopes that a key was made with; one that is known no longer allows nothing.
fn key_scopes(live: &Live) -> Option<Vec<KeyScope>> {
    live.key_scopes.as_ref().map(|texts| texts.iter().filter_map(|t| KeyScope::parse(t)).collect())
}

/// Whether the user or API key is live now, and which of both it is.
pub(crate) async fn kind_of_live(
    db: &Db,
    tenant: VerifiedTenant,
    id: Uuid,
    now: time::OffsetDateTime,
) -> Result<Option<PrincipalKind>, DbError> {
    let mut tx = TenantTx::begin_snapshot(db, tenant).await?;
    let live = store::live(&mut tx, id, now).await?;
    tx.commit().await?;
    Ok(live.map(|live| if live.key_scopes.is_some() { PrincipalKind::ApiKey } else { PrincipalKind::User }))
}
