//! The permission fence: no write commits on permissions older than a revoke that has returned (pitfall 3.3).

use auth::Context;
use error::{Code, Error};
use uuid::Uuid;

use crate::{DbError, TenantTx};

/// The fence row that concerns every principal of a tenant.
const EVERYONE: Uuid = Uuid::nil();

/// Takes the fence rows of the caller for share and refuses a snapshot older than they allow.
///
/// Call it first in every writing transaction: a revoke updates the row and so waits for, or is seen by, every writer.
/// Errors: 409 `PERMISSIONS_CHANGED`.
pub async fn check(tx: &mut TenantTx, cx: &Context) -> Result<(), Error> {
    let min_versions: Vec<i64> = sqlx::query_scalar(
        "SELECT min_version FROM authz_fence
         WHERE tenant_id = $1 AND principal_id = ANY($2) ORDER BY principal_id FOR SHARE",
    )
    .bind(tx.tenant_id())
    .bind([cx.principal.id, cx.user().uuid(), EVERYONE].as_slice())
    .fetch_all(tx.conn())
    .await
    .map_err(DbError::from)?;
    if min_versions.iter().any(|min| *min > cx.snapshot.version()) {
        cx.forget_snapshot().await;
        return Err(Error::new(
            Code::Aborted,
            "PERMISSIONS_CHANGED",
            "your permissions changed while this ran; try again",
        ));
    }
    Ok(())
}

/// Raises the fence of a principal (`None`: of everyone in the tenant).
pub async fn raise(tx: &mut TenantTx, principal: Option<Uuid>, min_version: i64) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO authz_fence AS f (tenant_id, principal_id, min_version) VALUES ($1, $2, $3)
         ON CONFLICT (tenant_id, principal_id) DO UPDATE SET min_version = GREATEST(f.min_version, EXCLUDED.min_version)",
    )
    .bind(tx.tenant_id())
    .bind(principal.unwrap_or(EVERYONE))
    .bind(min_version)
    .execute(tx.conn())
    .await?;
    Ok(())
}
