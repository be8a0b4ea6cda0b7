//! Lists the caller's live sessions.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use proto::timestamp;
use query::page::Newest;

use super::store;
use crate::app::App;
use crate::page;

/// One page, the newest first.
#[tracing::instrument(name = "identity.sessions.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListSessionsRequest,
) -> Result<pb::ListSessionsResponse, Error> {
    let page = page::read(&app.pages, "sessions", cx, request.page_size, &request.page_token)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut rows = store::list(&mut tx, cx.user().uuid(), app.clock.now(), &page).await?;
    tx.commit().await?;
    let next_page_token =
        page.cut(&mut rows, usize::MAX, |s| Newest { created_at: s.created_at, id: s.id })?;
    let current = cx.session_id.map(ids::SessionId::uuid);
    let sessions = rows
        .into_iter()
        .map(|session| pb::Session {
            id: session.id.to_string(),
            created_at: Some(timestamp(session.created_at)),
            last_used_at: Some(timestamp(session.last_used_at)),
            expires_at: Some(timestamp(session.expires_at)),
            current: current == Some(session.id),
            user_agent: session.user_agent,
        })
        .collect();
    Ok(pb::ListSessionsResponse { sessions, next_page_token })
}
