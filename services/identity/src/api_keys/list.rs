//! Lists the caller's API keys.

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::identity::v1 as pb;
use query::page::Newest;

use super::{convert, store};
use crate::app::App;
use crate::page;

/// One page of the caller's own keys, the newest first, whatever scope the permission has.
#[tracing::instrument(name = "identity.api_keys.list", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::ListApiKeysRequest,
) -> Result<pb::ListApiKeysResponse, Error> {
    let page = page::read(&app.pages, "api_keys", cx, request.page_size, &request.page_token)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let mut keys = store::list(&mut tx, cx.user().uuid(), &page).await?;
    tx.commit().await?;
    let next_page_token =
        page.cut(&mut keys, usize::MAX, |k| Newest { created_at: k.created_at, id: k.id })?;
    Ok(pb::ListApiKeysResponse { api_keys: keys.iter().map(convert::to_proto).collect(), next_page_token })
}
