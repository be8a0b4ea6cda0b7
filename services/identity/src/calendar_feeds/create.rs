//! Makes the address of the caller's calendar.

use auth::Context;
use error::Error;
use ids::TenantId;
use proto::identity::v1 as pb;
use secrecy::ExposeSecret;

use super::{CalendarFeed, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::refusals::{refuse_idempotency_key, refuse_key};
use crate::secrets::{self, Kind};

/// Makes the address, which is in this answer and nowhere else; one that was made before ends with it. Errors: 403 `SESSION_REQUIRED`.
#[tracing::instrument(name = "identity.calendar_feeds.create", skip_all)]
pub(crate) async fn run(app: &App, cx: &Context) -> Result<pb::CreateCalendarFeedResponse, Error> {
    refuse_idempotency_key(&cx.call)?;
    refuse_key(cx)?;
    let (user_id, now) = (cx.user().uuid(), app.clock.now_micros());
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let before = store::get(change.tx(), user_id).await?;
    let tenant = TenantId::from(change.tx().tenant_id());
    let secret = secrets::make(Kind::CalendarFeed, tenant, user_id, &app.entropy)?;
    let version = store::put(change.tx(), user_id, now, &secret.hash).await?;
    let feed = CalendarFeed { version, created_at: now, last_used_at: None };
    let created = Change {
        object: "calendar_feed",
        action: "create",
        verb: "created",
        record_id: user_id,
        version,
        owner: Some(user_id),
        before: before.map(CalendarFeed::to_json),
        after: Some(feed.to_json()),
        reason: "",
        touches: Touches::Nobody,
        narrows: false,
    };
    change.record(&app.recorder, &Actor::of(cx), created).await?;
    change.commit(&app.gate).await?;
    let path = Some(format!("/calendar/{}.ics", secret.text.expose_secret()));
    let calendar_feed = Some(pb::CalendarFeed { path, ..feed.to_proto() });
    Ok(pb::CreateCalendarFeedResponse { calendar_feed })
}
