//! Shows the caller.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use crate::app::App;
use crate::{tenants, users};

/// The caller's organisation, user (for an API key: its owner), roles and teams.
#[tracing::instrument(name = "identity.sessions.get_me", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::GetMeResponse, Error> {
    let gone = || Error::unauthenticated(Reason::SESSION_REVOKED, "the session has ended; log in again");
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let tenant = tenants::store::get(&mut tx).await?.ok_or_else(gone)?;
    let user = users::store::get(&mut tx, cx.user().uuid()).await?.ok_or_else(gone)?;
    tx.commit().await?;
    let texts = |ids: &[uuid::Uuid]| ids.iter().map(uuid::Uuid::to_string).collect();
    Ok(pb::GetMeResponse {
        tenant: Some(pb::Tenant {
            id: cx.tenant.id().to_string(),
            slug: tenant.slug,
            organization: tenant.organization,
        }),
        user: Some(users::convert::to_session_user(&user)),
        principal_kind: cx.principal.kind.name().to_owned(),
        role_ids: texts(&user.role_ids),
        team_ids: texts(&user.team_ids),
        permission_version: cx.snapshot.version(),
    })
}
