//! Shows the caller's organization.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;

use super::{convert, store};
use crate::app::App;

/// The organization. Errors: 403 `PERMISSION_DENIED`.
#[tracing::instrument(name = "identity.organization.get", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::GetOrganizationResponse, Error> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let organization = store::get(&mut tx).await?;
    tx.commit().await?;
    Ok(pb::GetOrganizationResponse { organization: Some(convert::to_proto(cx, &organization)) })
}
