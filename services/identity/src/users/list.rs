//! Lists users.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use query::page::Newest;

use super::{convert, store};
use crate::app::App;
use crate::page;
use crate::reach::Reach;

/// One page of the users that the caller may see, the newest first.
#[tracing::instrument(name = "identity.users.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListUsersRequest,
) -> Result<pb::ListUsersResponse, Error> {
    let reach = Reach::of(cx.reached());
    let page = page::read(&app.pages, "users", cx, request.page_size, &request.page_token)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut users = store::list(&mut tx, reach.only_owners(), reach.teams(), &page).await?;
    tx.commit().await?;
    let next_page_token =
        page.cut(&mut users, usize::MAX, |u| Newest { created_at: u.created_at, id: u.id })?;
    Ok(pb::ListUsersResponse { users: users.iter().map(convert::to_proto).collect(), next_page_token })
}
