//! `StartActivity`, `CompleteActivity`, `CancelActivity`, `ReopenActivity`: what happens to an activity. Whether it may is decided by the
//! guard, when the row is locked.

use auth::{Answer, Context};
use error::{Error, Reason};
use field_types::moment::datetime_text;
use input::Input;
use proto::activities::v1 as pb;
use record::prepare::Path;
use record::{Env, Fields};
use serde_json::Value;

use super::Activity;
use super::machine::{Event, field};

/// Most characters of an outcome or a reason.
const MAX_CHARS: usize = 2_000;

/// Starts an activity.
pub(crate) async fn start(
    env: &Env,
    cx: &Context,
    request: pb::StartActivityRequest,
) -> Result<Answer<pb::Activity>, Error> {
    happen(env, cx, &request.id, Event::Start, Input::default()).await
}

/// Completes an activity: what came of it, how long it took, and when it was done.
pub(crate) async fn complete(
    env: &Env,
    cx: &Context,
    request: pb::CompleteActivityRequest,
) -> Result<Answer<pb::Activity>, Error> {
    let pb::CompleteActivityRequest { id, outcome, duration_seconds, completed_at } = request;
    let mut input = Input::default();
    input.lines("outcome", outcome.as_deref(), MAX_CHARS);
    if let Some(seconds) = duration_seconds {
        input.set("duration_seconds", seconds);
    }
    match completed_at.as_ref().map(proto::moment) {
        None => {}
        Some(Some(moment)) => input.set("completed_at", datetime_text(moment)),
        Some(None) => {
            input.violations.note("/completed_at", Reason::TIMESTAMP_INVALID, "a moment is expected");
        }
    }
    happen(env, cx, &id, Event::Complete, input).await
}

/// Cancels an activity.
pub(crate) async fn cancel(
    env: &Env,
    cx: &Context,
    request: pb::CancelActivityRequest,
) -> Result<Answer<pb::Activity>, Error> {
    let mut input = Input::default();
    input.lines("reason", request.reason.as_deref(), MAX_CHARS);
    if let Some(reason) = input.fields.remove("reason") {
        input.set(field("reason"), reason);
    }
    happen(env, cx, &request.id, Event::Cancel, input).await
}

/// Is refused from every state.
pub(crate) async fn reopen(
    env: &Env,
    cx: &Context,
    request: pb::ReopenActivityRequest,
) -> Result<Answer<pb::Activity>, Error> {
    happen(env, cx, &request.id, Event::Reopen, Input::default()).await
}

/// Lets an event happen, with what the call says of it.
async fn happen(
    env: &Env,
    cx: &Context,
    id: &str,
    event: Event,
    input: Input,
) -> Result<Answer<pb::Activity>, Error> {
    let Input { fields, violations, .. } = input;
    violations.into_result()?;
    // What was not sent leaves what is there.
    let said = fields.into_iter().filter(|(_, value)| !value.is_null());
    let inputs: Fields = said.chain([("event".to_owned(), Value::from(event.name()))]).collect();
    record::update_by::<Activity>(env, cx, (id, Path::Move), None, None, inputs).await
}
