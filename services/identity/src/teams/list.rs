//! Lists teams.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use query::page::Newest;

use super::{convert, store};
use crate::app::App;
use crate::page;
use crate::reach::Reach;

/// One page of the teams that the caller may see, the newest first.
#[tracing::instrument(name = "identity.teams.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListTeamsRequest,
) -> Result<pb::ListTeamsResponse, Error> {
    let reach = Reach::of(cx.reached());
    let page = page::read(&app.pages, "teams", cx, request.page_size, &request.page_token)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut teams = store::list(&mut tx, &reach, &page).await?;
    tx.commit().await?;
    let next_page_token =
        page.cut(&mut teams, usize::MAX, |t| Newest { created_at: t.created_at, id: t.id })?;
    Ok(pb::ListTeamsResponse { teams: teams.iter().map(convert::to_proto).collect(), next_page_token })
}
