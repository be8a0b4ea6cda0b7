//! `CreatePipeline`.

use std::collections::BTreeMap;

use auth::{Answer, Context};
use db::{TenantTx, idempotency};
use error::{Code, Error, Reason};
use input::{Violations, required_line};
use proto::pipeline::v1 as pb;

use super::{
    By, MAX_PIPELINES, Pipeline, State, Unknown, Version, check, convert, event, first, shown, store,
};
use crate::app::App;
use crate::document::{Document, template};

const RPC: &str = <pb::CreatePipelineRequest as proto::Rpc>::NAME;

/// What a new pipeline begins with.
pub(super) struct New {
    pub(super) name: String,
    pub(super) document: Document,
    pub(super) is_default: bool,
}

/// Makes a pipeline and publishes it as version 1, in force at once.
#[tracing::instrument(name = "pipeline.pipelines.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: pb::CreatePipelineRequest,
) -> error::Result<Answer<pb::CreatePipelineResponse>> {
    cx.require_scope_all()?;
    let (new, wrong) = read(app, cx, &request).await?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let result = make(app, cx, &mut tx, &request, new, wrong).await;
    let answer = tx.settle(result).await?;
    if !answer.replayed {
        app.env.wake.notify();
    }
    Ok(answer)
}

/// What was sent, and what is wrong with it.
async fn read(
    app: &App,
    cx: &Context,
    request: &pb::CreatePipelineRequest,
) -> error::Result<(New, Violations)> {
    let mut out = Violations::default();
    let name = out.take("/name", required_line(&request.name, 100)).unwrap_or_default();
    let document = match (&request.template, &request.document) {
        (Some(key), None) => {
            let found = template(key)?.map(|template| template.document);
            if found.is_none() {
                out.note("/template", Reason::TEMPLATE_UNKNOWN, "there is no such template");
            }
            found.unwrap_or_default()
        }
        (None, Some(sent)) => {
            let parts = (&*sent.stages, sent.rules.as_ref(), &*sent.transitions);
            let document = convert::read("/document", parts, &mut out);
            if out.is_empty() {
                let unknown = Unknown::of(app, cx, &document).await?;
                for mut problem in Vec::from(check(&document, &unknown)) {
                    problem.pointer.insert_str(0, "/document");
                    out.push(problem);
                }
            }
            document
        }
        (None, None) => {
            out.note("/document", Reason::REQUIRED, "a document or a template is required");
            Document::default()
        }
        (Some(_), Some(_)) => {
            out.note("/template", Reason::TEMPLATE_AND_DOCUMENT, "send a document or a template, not both");
            Document::default()
        }
    };
    Ok((New { name, document, is_default: false }, out))
}

async fn make(
    app: &App,
    cx: &Context,
    tx: &mut TenantTx,
    request: &pb::CreatePipelineRequest,
    new: New,
    wrong: Violations,
) -> error::Result<Answer<pb::CreatePipelineResponse>> {
    db::fence::check(tx, cx).await?;
    let by = By::caller(app, cx);
    let claim = idempotency::claim(tx, cx, RPC, request, by.now).await?;
    if let Some(kept) = claim.replayed::<pb::CreatePipelineResponse>()? {
        let version = kept.pipeline.as_ref().map(|pipeline| pipeline.version);
        return Ok(Answer::of_version(version, kept).again());
    }
    wrong.into_result()?;
    // There is a default one before there is another.
    first::ensure(tx, by).await?;
    store::lock(tx).await?;
    if store::count(tx).await? >= MAX_PIPELINES {
        let text = format!("there are {MAX_PIPELINES} pipelines, which is the most there may be");
        return Err(Error::new(Code::Unprocessable, Reason::PIPELINE_LIMIT_REACHED, text));
    }
    let pipeline = insert(tx, by, new).await?;
    let answer = pb::CreatePipelineResponse { pipeline: Some(shown(tx, pipeline, by.now).await?) };
    claim.keep(tx, &answer).await?;
    Ok(Answer::of_version(1, answer))
}

/// Writes a new pipeline, its first version and its event.
pub(super) async fn insert(tx: &mut TenantTx, by: By<'_>, new: New) -> error::Result<Pipeline> {
    let By { clock, actor, now } = by;
    let pipeline = Pipeline {
        id: clock.new_uuid(),
        version: 1,
        name: new.name,
        is_default: new.is_default,
        state: State::Active,
        draft: None,
        last_number: 1,
        created_at: now,
        created_by: actor,
        updated_at: now,
        updated_by: actor,
    };
    let version = Version {
        number: 1,
        effective_at: now,
        published_at: now,
        published_by: actor,
        note: None,
        document: new.document,
        stage_mapping: BTreeMap::new(),
    };
    store::insert(tx, &pipeline).await?;
    store::publish(tx, pipeline.id, &version, || clock.new_uuid()).await?;
    events::outbox::append(tx, &event(by, "created", None, &pipeline)).await?;
    Ok(pipeline)
}
