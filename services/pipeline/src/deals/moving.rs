//! `MoveDeal`.

use auth::{Answer, Context};
use error::{Code, Error, Violation};
use proto::pipeline::v1 as pb;
use record::prepare::Path;

use super::Deal;
use crate::app::App;

/// Moves a deal to another stage, and changes it in the same version.
pub(crate) async fn move_deal(
    app: &App,
    cx: &Context,
    request: pb::MoveDealRequest,
) -> error::Result<Answer<pb::Deal>> {
    let pb::MoveDealRequest { id, stage_id, reason, fields } = request;
    let deal = pb::Deal { stage_id: Some(stage_id), stage_reason: reason, ..fields.unwrap_or_default() };
    let moved = record::update_by::<Deal>(&app.env, cx, (&id, Path::Move), None, Some(&deal)).await;
    moved.map_err(|refusal| placed(refusal, "/fields"))
}

/// A refusal with the places of this call's body.
pub(super) fn placed(refusal: Error, fields: &str) -> Error {
    if refusal.code() != Code::Unprocessable || refusal.violations().is_empty() {
        return refusal;
    }
    let place = |violation: &Violation| {
        let mut placed = violation.clone();
        placed.pointer = match violation.pointer.as_str() {
            "/stage_reason" => "/reason".to_owned(),
            at @ ("/stage_id" | "/pipeline_id") => at.to_owned(),
            at => format!("{fields}{at}"),
        };
        placed
    };
    Error::validation(refusal.violations().iter().map(place).collect())
}
