//! `PublishPipeline`.

use std::collections::BTreeMap;

use auth::{Answer, Context};
use db::{TenantTx, idempotency};
use error::{Code, Error, Reason};
use field_types::moment::datetime_text;
use input::{Violations, escaped, line};
use proto::pipeline::v1 as pb;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::{
    By, MAX_SCHEDULED, Pipeline, Unknown, Version, changed_kinds, check, check_active, find, no_version,
    save_with, shown, store, to_change, whole,
};
use crate::app::App;
use crate::deals;
use crate::document::Document;

const RPC: &str = <pb::PublishPipelineRequest as proto::Rpc>::NAME;

/// Publishes the draft as the next version, which never changes.
#[tracing::instrument(name = "pipeline.pipelines.publish", skip_all)]
pub(crate) async fn publish(
    app: &App,
    cx: &Context,
    request: pb::PublishPipelineRequest,
) -> error::Result<Answer<pb::PublishPipelineResponse>> {
    cx.require_scope_all()?;
    let asked = Asked::of_draft(app, cx, &request.id).await?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let result = make(app, cx, &mut tx, request, &asked).await;
    let answer = tx.settle(result).await?;
    if !answer.replayed {
        app.published.notify_one();
        app.env.wake.notify();
    }
    Ok(answer)
}

/// What others said of what a draft names, before the transaction.
struct Asked {
    roles: Vec<Uuid>,
    fields: Vec<String>,
    unknown: Unknown,
}

impl Asked {
    /// Whether there is a pipeline, and whether it has a draft, is decided in the transaction: a repeated call finds none.
    async fn of_draft(app: &App, cx: &Context, id: &str) -> error::Result<Self> {
        let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
        let draft = find(&mut tx, id).await?.draft.unwrap_or_default();
        tx.commit().await?;
        let unknown = Unknown::of(app, cx, &draft).await?;
        let fields = draft.custom_fields().map(|(name, _)| name.to_owned()).collect();
        Ok(Self { roles: draft.roles().collect(), fields, unknown })
    }

    /// Errors: 409 `CONCURRENT_CHANGE` if the draft names others by now.
    fn check(&self, document: &Document) -> error::Result<Violations> {
        let is_asked = |(name, _): (&str, &str)| self.fields.iter().any(|asked| asked == name);
        if document.roles().all(|role| self.roles.contains(&role)) && document.custom_fields().all(is_asked) {
            return Ok(check(document, &self.unknown));
        }
        let text = "someone else changed the draft; read it and try again";
        Err(Error::new(Code::Aborted, Reason::CONCURRENT_CHANGE, text))
    }
}

async fn make(
    app: &App,
    cx: &Context,
    tx: &mut TenantTx,
    request: pb::PublishPipelineRequest,
    asked: &Asked,
) -> error::Result<Answer<pb::PublishPipelineResponse>> {
    db::fence::check(tx, cx).await?;
    let by = By::caller(app, cx);
    let claim = idempotency::claim(tx, cx, RPC, &request, by.now).await?;
    if let Some(kept) = claim.replayed::<pb::PublishPipelineResponse>()? {
        let version = kept.pipeline.as_ref().map(|pipeline| pipeline.version);
        return Ok(Answer::of_version(version, kept).again());
    }
    let before = to_change(tx, cx, &request.id).await?;
    check_active(&before)?;
    // Behind the lock: nobody's version is in force earlier than one that was published before it.
    let (document, scheduled_mapping) = to_publish(tx, &before, by.now).await?;
    if before.draft.is_some() {
        let mut found = asked.check(&document)?;
        found.extend(changed_kinds(tx, &before, &document).await?);
        found.into_result()?;
    }
    let mut request = request;
    if request.stage_mapping.is_empty() {
        request.stage_mapping = scheduled_mapping;
    }
    let mut out = Violations::default();
    let effective_at = effective_at(&request, by.now, &mut out);
    if effective_at > by.now && store::scheduled(tx, before.id, by.now).await? >= MAX_SCHEDULED {
        let text = format!("{MAX_SCHEDULED} versions are scheduled already");
        out.note("/effective_at", Reason::TOO_MANY_SCHEDULED, text);
    }
    let known = store::stage_ids(tx, before.id).await?;
    check_mapping(&request.stage_mapping, &known, &document, &mut out);
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
    if !version.stage_mapping.is_empty() {
        deals::schedule_moves(tx, before.id, version.number, effective_at, cx.principal.kind.name()).await?;
    }
    let after = Pipeline { draft: None, last_number: version.number, ..before.clone() };
    let more = vec![
        ("effective_at", json!(datetime_text(version.effective_at))),
        ("note", json!(version.note)),
        ("stage_mapping", json!(version.stage_mapping)),
    ];
    let after = save_with(tx, by, "published", &before, after, more).await?;
    let current = after.version;
    let answer = pb::PublishPipelineResponse { pipeline: Some(shown(tx, after, by.now).await?) };
    claim.keep(tx, &answer).await?;
    Ok(Answer::of_version(current, answer))
}

/// The draft; without one the version published last, if it is yet to come: it can be brought forward, and moves its deals then.
async fn to_publish(
    tx: &mut TenantTx,
    pipeline: &Pipeline,
    now: OffsetDateTime,
) -> error::Result<(Document, BTreeMap<String, String>)> {
    if let Some(draft) = &pipeline.draft {
        return Ok((draft.clone(), BTreeMap::new()));
    }
    let in_force = whole(tx, pipeline.clone(), now).await?.in_force;
    if in_force.number < pipeline.last_number {
        let last = store::versions(tx, pipeline.id, pipeline.last_number + 1, 1).await?;
        let last = last.into_iter().next().ok_or_else(no_version)?;
        return Ok((last.document, last.stage_mapping));
    }
    let text = "the draft does not differ from what was published last";
    Err(Error::new(Code::FailedPrecondition, Reason::NOTHING_TO_PUBLISH, text))
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
            let text = "a version cannot come into force in the past";
            out.note("/effective_at", Reason::EFFECTIVE_IN_PAST, text);
            now
        }
        None => {
            out.note("/effective_at", Reason::TIMESTAMP_INVALID, "an instant is expected");
            now
        }
    }
}

/// A mapping leads from stages that the document lacks to stages that it has.
fn check_mapping(
    mapping: &BTreeMap<String, String>,
    known: &BTreeMap<String, Uuid>,
    document: &Document,
    out: &mut Violations,
) {
    for (from, to) in mapping {
        let at = format!("/stage_mapping/{}", escaped(from));
        if !known.contains_key(from) || document.stage(from).is_some() {
            out.note(at, Reason::STAGE_UNKNOWN, "only a stage that the draft lacks is mapped");
        } else if document.stage(to).is_none() {
            out.note(at, Reason::STAGE_UNKNOWN, "the draft has no stage of the key that it is mapped to");
        }
    }
}
