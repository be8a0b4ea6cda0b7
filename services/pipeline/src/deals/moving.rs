//! `MoveDeal`.

use auth::{Answer, Context};
use error::{Code, Error, Reason, Violation};
use input::Violations;
use proto::pipeline::v1 as pb;
use record::Fields;
use record::prepare::Path;

use super::Deal;
use crate::app::App;

/// Moves a deal to another stage, and changes it in the same version.
pub(crate) async fn move_deal(
    app: &App,
    cx: &Context,
    mut request: pb::MoveDealRequest,
) -> error::Result<Answer<pb::Deal>> {
    // An `Idempotency-Key` stands for what was meant, not for how it was written.
    if let Some(fields) = &mut request.fields {
        fields.custom = input::canonical(&fields.custom).into();
    }
    let asked = request.clone();
    let pb::MoveDealRequest { id, stage_id, reason, fields, after_id, before_id } = request;
    let fields = fields.unwrap_or_default();
    let elsewhere = [
        ("pipeline_id", fields.pipeline_id.is_some()),
        ("stage_id", fields.stage_id.is_some()),
        ("stage_reason", fields.stage_reason.is_some()),
    ];
    let mut violations = Violations::default();
    for (name, _) in elsewhere.iter().filter(|(_, is_sent)| *is_sent) {
        let text = "is not among the fields of a move: the call itself says it";
        violations.note(format!("/fields/{name}"), Reason::UNKNOWN_FIELD, text);
    }
    violations.into_result()?;
    let deal = pb::Deal { stage_id, stage_reason: reason, ..fields };
    let place = [("after_id", after_id), ("before_id", before_id)];
    let place = place.into_iter().filter_map(|(name, id)| Some((name.to_owned(), id?.into())));
    let inputs: Fields = place.collect();
    let moved = record::update_once::<Deal, _>(&app.env, cx, (&id, Path::Move), &asked, &deal, inputs).await;
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
            at @ ("/stage_id" | "/pipeline_id" | "/after_id" | "/before_id") => at.to_owned(),
            at => format!("{fields}{at}"),
        };
        placed
    };
    Error::validation(refusal.violations().iter().map(place).collect())
}
