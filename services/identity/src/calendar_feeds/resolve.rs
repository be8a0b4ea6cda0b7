//! Says whose calendar a token opens. The service that keeps the calendar then acts for that user, by the permissions of then.

use std::time::Duration;

use auth::VerifiedTenant;
use db::TenantTx;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::store;
use crate::app::App;
use crate::secrets::{self, Kind};

/// Uses are noted at most this often.
const NOTED_EVERY: Duration = Duration::from_secs(300);

/// The user. Whatever is wrong with the token, and when the user is disabled: one 404 `CALENDAR_FEED_NOT_FOUND`.
#[tracing::instrument(name = "identity.calendar_feeds.resolve", skip_all)]
pub(crate) async fn run(
    app: &App,
    request: pb::ResolveCalendarFeedRequest,
) -> Result<pb::ResolveCalendarFeedResponse, Error> {
    let unknown = || Error::not_found(Reason::CALENDAR_FEED_NOT_FOUND);
    let presented = secrets::read(Kind::CalendarFeed, &request.token).ok_or_else(unknown)?;
    let now = app.clock.now_micros();
    let mut tx = TenantTx::begin(&app.db, VerifiedTenant::from_directory(presented.tenant)).await?;
    let hash = store::hash_of_live(&mut tx, presented.id).await?;
    if !hash.is_some_and(|hash| presented.matches(&hash)) {
        return Err(unknown());
    }
    store::touch(&mut tx, presented.id, now, now - NOTED_EVERY).await?;
    tx.commit().await?;
    Ok(pb::ResolveCalendarFeedResponse {
        tenant_id: presented.tenant.to_string(),
        user_id: presented.id.to_string(),
    })
}
