//! Revokes one of the caller's API keys.

use auth::Context;
use error::{Error, Reason};
use ids::ApiKeyId;
use proto::identity::v1 as pb;

use super::{convert, store};
use crate::app::App;
use crate::changes::{Actor, Change, ChangeTx, Touches};
use crate::refusals::refuse_key;

/// Revokes; returns when no service admits the key any more. Foreign, others', revoked and random ids are one 404
/// `API_KEY_NOT_FOUND`; a key revokes none, 403 `SESSION_REQUIRED`.
#[tracing::instrument(name = "identity.api_keys.delete", skip_all)]
pub(crate) async fn run(
    app: &App,
    cx: &Context,
    request: pb::DeleteApiKeyRequest,
) -> Result<pb::DeleteApiKeyResponse, Error> {
    refuse_key(cx)?;
    let not_found = || Error::not_found(Reason::API_KEY_NOT_FOUND);
    let id = ApiKeyId::parse(&request.id).ok_or_else(not_found)?.uuid();
    let user_id = cx.user().uuid();
    let mut change = ChangeTx::begin_for(&app.db, cx).await?;
    let now = app.clock.now_micros();
    let key = store::revoke(change.tx(), user_id, id, now).await?.ok_or_else(not_found)?;
    let deleted = Change {
        object: "api_key",
        action: "delete",
        verb: "deleted",
        record_id: id,
        version: key.version,
        owner: Some(user_id),
        before: Some(convert::to_json(&key)),
        after: None,
        reason: "",
        touches: Touches::Principal(id),
        narrows: true,
    };
    change.record(&app.recorder, &Actor::of(cx), deleted).await?;
    change.commit(&app.gate).await?;
    app.settle.wait().await;
    Ok(pb::DeleteApiKeyResponse {})
}
