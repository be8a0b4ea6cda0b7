//! Shows when the address of the caller's calendar was made and used.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::store;
use crate::app::App;
use crate::refusals::refuse_key;

/// Shows it, without the address. Errors: 404 `CALENDAR_FEED_NOT_FOUND`; 403 `SESSION_REQUIRED`.
#[tracing::instrument(name = "identity.calendar_feeds.get", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::GetCalendarFeedResponse, Error> {
    refuse_key(cx)?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let feed = store::get(&mut tx, cx.user().uuid()).await?;
    tx.commit().await?;
    let feed = feed.ok_or_else(|| Error::not_found(Reason::CALENDAR_FEED_NOT_FOUND))?;
    Ok(pb::GetCalendarFeedResponse { calendar_feed: Some(feed.to_proto()) })
}
