//! `PublishPipeline`.

use std::collections::BTreeMap;

use auth::{Answer, Context};
use db::{TenantTx, idempotency};
use error::{Code, Error, Reason};
use input::{Violations, escaped, line};
use proto::pipeline::v1 as pb;
use time::OffsetDateTime;

use super::{By, Pipeline, Version, begin_change, check, check_active, save, shown, store, whole};
use crate::app::App;
use crate::document::Document;

const RPC: &str = <pb::PublishPipelineRequest as proto::Rpc>::NAME;

/// Publishes the draft as the next version, which nobody changes any more.
#[tracing::instrument(name = "pipeline.pipelines.publish", skip_all)]
pub(crate) async fn publish(
    app: &App,
    cx: &Context,
    request: pb::PublishPipelineRequest,
) -> error::Result<Answer<pb::PublishPipelineResponse>> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = make(app, cx, &mut tx, request).await;
    let answer = tx.settle(result).await?;
    if !answer.replayed {
        app.wake.notify();
    }
    Ok(answer)
}

async fn make(
    app: &App,
    cx: &Context,
    tx: &mut TenantTx,
    request: pb::PublishPipelineRequest,
) -> error::Result<Answer<pb::PublishPipelineResponse>> {
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, RPC, &request).await?;
    if let Some(kept) = claim.replayed::<pb::PublishPipelineResponse>()? {
        let version = kept.pipeline.as_ref().map(|pipeline| pipeline.version);
        return Ok(Answer::of_version(version, kept).again());
    }
    let by = By::caller(app, cx);
    let before = begin_change(tx, cx, &request.id).await?;
    check_active(&before)?;
    let Some(document) = before.draft.clone() else {
        let text = "the draft is what was published last";
        return Err(Error::new(Code::FailedPrecondition, Reason::NOTHING_TO_PUBLISH, text));
    };
    let problems = check(app, cx, &document).await?;
    problems.into_result()?;
    let mut out = Violations::default();
    let in_force = whole(tx, before.clone(), by.now).await?.in_force;
    let effective_at = effective_at(&request, by.now, &mut out);
    check_mapping(&request.stage_mapping, &in_force.document, &document, &mut out);
    let sent = request.note.as_deref().unwrap_or_default();
    let note = out.take("/note", line(sent, 1_000)).flatten();
    out.into_result()?;
    let version = Version {
        number: before.last_number + 1,
        effective_at,
        published_at: by.now,
        published_by: by.actor,
        note,
        document,
        stage_mapping: request.stage_mapping,
    };
    store::publish(tx, before.id, &version, || by.clock.new_uuid()).await?;
    let after = Pipeline { draft: None, last_number: version.number, ..before.clone() };
    let after = save(tx, by, "published", &before, after).await?;
    let current = after.version;
    let answer = pb::PublishPipelineResponse { pipeline: Some(shown(tx, after, by.now).await?) };
    claim.keep(tx, &answer, by.now).await?;
    Ok(Answer::of_version(current, answer))
}

fn effective_at(
    request: &pb::PublishPipelineRequest,
    now: OffsetDateTime,
    out: &mut Violations,
) -> OffsetDateTime {
    let Some(sent) = &request.effective_at else { return now };
    match proto::moment(sent) {
        Some(at) if at >= now => at,
        Some(_) => {
            let text = "what happened until now went by another version";
            out.note("/effective_at", Reason::EFFECTIVE_IN_PAST, text);
            now
        }
        None => {
            out.note("/effective_at", Reason::TIMESTAMP_INVALID, "an instant is expected");
            now
        }
    }
}

/// A mapping leads from stages that are in force and go, to stages of the draft.
fn check_mapping(
    mapping: &BTreeMap<String, String>,
    in_force: &Document,
    document: &Document,
    out: &mut Violations,
) {
    for (from, to) in mapping {
        let at = format!("/stage_mapping/{}", escaped(from));
        if in_force.stage(from).is_none() || document.stage(from).is_some() {
            let text = "only a stage that is in force and that the draft lacks is mapped";
            out.note(at, Reason::STAGE_UNKNOWN, text);
        } else if document.stage(to).is_none() {
            out.note(at, Reason::STAGE_UNKNOWN, "the draft has no stage of the key that it is mapped to");
        }
    }
}
