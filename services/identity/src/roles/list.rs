//! Lists roles.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use query::page::Newest;

use super::{convert, store};
use crate::app::App;
use crate::page;
use crate::reach::Reach;

/// One page of the roles that the caller may see, the newest first.
#[tracing::instrument(name = "identity.roles.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListRolesRequest,
) -> Result<pb::ListRolesResponse, Error> {
    let reach = Reach::of(cx.reached());
    let page = page::read(&app.pages, "roles", cx, request.page_size, &request.page_token)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut roles = store::list(&mut tx, &reach, &page).await?;
    tx.commit().await?;
    let next_page_token =
        page.cut(&mut roles, usize::MAX, |r| Newest { created_at: r.created_at, id: r.id })?;
    Ok(pb::ListRolesResponse { roles: roles.iter().map(convert::to_proto).collect(), next_page_token })
}
