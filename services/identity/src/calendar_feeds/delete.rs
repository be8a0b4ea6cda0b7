//! Ends the address of the caller's calendar.

use auth::Context;
use error::{Error, Reason};
use proto::identity::v1 as pb;

use super::{CalendarFeed, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::refusals::refuse_key;

/// Ends it: whoever reads it from now on gets a 404. Errors: 404 `CALENDAR_FEED_NOT_FOUND`; 403 `SESSION_REQUIRED`.
#[tracing::instrument(name = "identity.calendar_feeds.delete", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::DeleteCalendarFeedResponse, Error> {
    refuse_key(cx)?;
    let user_id = cx.user().uuid();
    let mut change = ChangeTx::begin_own(&app.db, cx).await?;
    let feed = store::get(change.tx(), user_id).await?;
    let feed = feed.ok_or_else(|| Error::not_found(Reason::CALENDAR_FEED_NOT_FOUND))?;
    store::delete(change.tx(), user_id).await?;
    change.record(&app.recorder, &Actor::of(cx), deleted(cx, feed)).await?;
    change.commit(&app.gate).await?;
    Ok(pb::DeleteCalendarFeedResponse {})
}

fn deleted(cx: &Context, feed: CalendarFeed) -> Change {
    let user_id = cx.user().uuid();
    Change {
        object: "calendar_feed",
        action: "delete",
        verb: "deleted",
        record_id: user_id,
        version: feed.version + 1,
        owner: Some(user_id),
        before: Some(feed.to_json()),
        after: None,
        reason: "",
        touches: Touches::Nobody,
        narrows: false,
    }
}
