//! Ends one session within a change.

use db::DbError;
use serde_json::json;
use uuid::Uuid;

use super::store;
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};

/// Ends a live session of the user; whether there was one.
pub(crate) async fn run(
    app: &App,
    change: &mut ChangeTx,
    actor: &Actor,
    user_id: Uuid,
    session_id: Uuid,
    reason: &'static str,
) -> Result<bool, DbError> {
    let now = app.clock.now_micros();
    if !store::end(change.tx(), user_id, session_id, now).await? {
        return Ok(false);
    }
    change.record(&app.recorder, actor, record_of(user_id, session_id, reason)).await?;
    Ok(true)
}

/// The record of a session that has ended.
pub(crate) fn record_of(user_id: Uuid, session_id: Uuid, reason: &'static str) -> Change {
    Change {
        object: "session",
        action: "delete",
        verb: "deleted",
        record_id: session_id,
        version: 2,
        owner: Some(user_id),
        before: Some(json!({"user_id": user_id})),
        after: None,
        reason,
        // So that services ask again and find the session gone.
        touches: Touches::Principal(user_id),
        narrows: true,
    }
}
