//! `GetCalendar`: the activities of a user for calendar programs, which show a token in the path and nothing else.

use std::sync::Arc;

use auth::{Call, Context, Future};
use db::TenantTx;
use error::{Code, Error, Reason};
use ids::TenantId;
use proto::activities::v1 as pb;
use record::list::Asked;
use rpc::identity::Identity;
use secrecy::SecretString;
use time::Duration;
use uuid::Uuid;

use super::store::{self, Whose};
use super::times::moment;
use super::{Calendar, Form};
use crate::activities::{ACTIVITY, Activity};
use crate::app::App;

/// What a calendar reaches back and ahead.
const BACK: Duration = Duration::days(90);
const AHEAD: Duration = Duration::days(365);
/// Most activities of a calendar; those that are yet to come go first, the next before others.
pub(crate) const MAX_ENTRIES: i64 = 1_000;
/// Activities that are read at once: as many values as a filter may have in a list.
const PAGE: usize = 100;

/// Asks identity whose calendar a token opens.
pub type CalendarOwner = Arc<dyn Fn(SecretString) -> Future<Result<(TenantId, Uuid), Error>> + Send + Sync>;

/// Asks identity.
pub(crate) fn calendar_owner(identity: Identity) -> CalendarOwner {
    Arc::new(move |token| {
        let identity = identity.clone();
        Box::pin(async move { identity.calendar_owner(token).await })
    })
}

/// The calendar that a token opens, as its user may read it now. Errors: 404 `CALENDAR_FEED_NOT_FOUND`, whatever is wrong with the token.
#[tracing::instrument(name = "activities.calendar", skip_all, fields(tenant_id = tracing::field::Empty))]
pub(crate) async fn feed(app: &App, call: Call, token: SecretString) -> Result<Calendar, Error> {
    let (tenant, user) = (app.calendar_owner)(token).await?;
    tracing::Span::current().record("tenant_id", tracing::field::display(tenant));
    let ended = |error: Error| match error.code() {
        Code::Unauthenticated => Error::not_found(Reason::CALENDAR_FEED_NOT_FOUND),
        _ => error,
    };
    let token = (app.service_token)(tenant, user).await.map_err(ended)?;
    let activities = match app.gate.open_for::<pb::ListActivitiesRequest>(call, token).await {
        Ok(cx) => read(app, &cx, user).await?,
        // A calendar that cannot be had is given up by the program, also when the user may read activities again.
        Err(error) if error.code() == Code::PermissionDenied => Vec::new(),
        Err(error) => return Err(ended(error)),
    };
    Ok(Calendar::of(&activities, Form::Feed))
}

/// The activities of a user in their order.
async fn read(app: &App, cx: &Context, user: Uuid) -> Result<Vec<pb::Activity>, Error> {
    let (mask, now) = (cx.mask(ACTIVITY.name), app.env.clock.now());
    // Whose an activity is must not be told by its being here.
    let is_told = |field: &str| !mask.hides(field);
    let whose = Whose {
        user,
        assignee: is_told("assignee_id"),
        owner: is_told("owner_id"),
        participant: is_told("participants"),
        due: is_told("due_at"),
    };
    // Nor must a time: by that it is chosen, and others are left out for it.
    if !is_told("starts_at") {
        return Ok(Vec::new());
    }
    let mut tx = TenantTx::begin_snapshot(&app.env.db, cx.tenant).await?;
    let mut ids = store::ahead(&mut tx, whose, now, now + AHEAD, MAX_ENTRIES).await?;
    let rest = MAX_ENTRIES - i64::try_from(ids.len()).map_err(Error::internal)?;
    ids.extend(store::behind(&mut tx, whose, now - BACK, now, rest).await?);
    tx.commit().await?;
    let mut activities = Vec::with_capacity(ids.len());
    for page in ids.chunks(PAGE) {
        seen(app, cx, page, &mut activities).await?;
    }
    let begins = |activity: &pb::Activity| moment(activity.starts_at.as_ref().or(activity.due_at.as_ref()));
    activities.sort_by_cached_key(|activity| (begins(activity), activity.id.clone()));
    Ok(activities)
}

/// Reads those of some activities that the user may see, as the user sees them.
async fn seen(app: &App, cx: &Context, ids: &[Uuid], to: &mut Vec<pb::Activity>) -> Result<(), Error> {
    let quoted: Vec<String> = ids.iter().map(|id| format!("\"{id}\"")).collect();
    let (filter, mut page_token) = (format!("id = ({})", quoted.join(",")), String::new());
    loop {
        let asked = Asked {
            filter: &filter,
            order_by: "",
            page_size: Some(PAGE as i32),
            page_token: &page_token,
            fields: "",
            include: "",
            show_deleted: 0,
            count: 0,
        };
        let listed = record::list::<Activity>(&app.env, cx, asked).await?;
        to.extend(listed.records);
        page_token = listed.next_page_token;
        if page_token.is_empty() {
            return Ok(());
        }
    }
}
