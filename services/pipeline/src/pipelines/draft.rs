//! `GetDraft`, `PutDraft` and `DeleteDraft`.

use auth::{Answer, Context};
use db::TenantTx;
use input::Violations;
use proto::pipeline::v1 as pb;

use super::{
    By, Pipeline, Unknown, begin_change, changed_kinds, check, check_active, convert, find, save, store,
};
use crate::app::App;
use crate::document::Document;

/// Shows the document that is being edited, or the one published last, with what keeps it from being published.
#[tracing::instrument(name = "pipeline.pipelines.get_draft", skip_all)]
pub(crate) async fn get(
    app: &App,
    cx: &Context,
    request: pb::GetDraftRequest,
) -> error::Result<Answer<pb::GetDraftResponse>> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let pipeline = find(&mut tx, &request.id).await?;
    let document = current(&mut tx, &pipeline).await?;
    let changed = changed_kinds(&mut tx, &pipeline, &document).await?;
    tx.commit().await?;
    let unknown = Unknown::of(app, cx, &document).await?;
    let mut problems = check(&document, &unknown);
    problems.extend(changed);
    let draft = convert::draft(&document, &problems);
    Ok(Answer::of_version(pipeline.version, pb::GetDraftResponse { draft: Some(draft) }))
}

/// The document that is being edited, or the one published last.
pub(super) async fn current(tx: &mut TenantTx, pipeline: &Pipeline) -> error::Result<Document> {
    match &pipeline.draft {
        Some(draft) => Ok(draft.clone()),
        None => Ok(store::last(tx, pipeline).await?),
    }
}

/// Replaces the document that is being edited, also by one that cannot be published yet. What was published last is no draft.
#[tracing::instrument(name = "pipeline.pipelines.put_draft", skip_all)]
pub(crate) async fn put(
    app: &App,
    cx: &Context,
    request: pb::PutDraftRequest,
) -> error::Result<Answer<pb::PutDraftResponse>> {
    cx.require_scope_all()?;
    let mut out = Violations::default();
    let sent = request.draft.unwrap_or_default();
    let document = convert::read("", (&sent.stages, sent.rules.as_ref(), &sent.transitions), &mut out);
    out.into_result()?;
    let mut problems = check(&document, &Unknown::of(app, cx, &document).await?);
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, &request.id).await?;
    check_active(&before)?;
    problems.extend(changed_kinds(&mut tx, &before, &document).await?);
    let is_published = store::last(&mut tx, &before).await? == document;
    let draft = convert::draft(&document, &problems);
    let after = Pipeline { draft: (!is_published).then_some(document), ..before.clone() };
    let version = keep(app, cx, tx, "drafted", before, after).await?;
    Ok(Answer::of_version(version, pb::PutDraftResponse { draft: Some(draft) }))
}

/// Goes back to the document that was published last.
#[tracing::instrument(name = "pipeline.pipelines.delete_draft", skip_all)]
pub(crate) async fn delete(
    app: &App,
    cx: &Context,
    request: pb::DeleteDraftRequest,
) -> error::Result<pb::DeleteDraftResponse> {
    cx.require_scope_all()?;
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let before = begin_change(&mut tx, cx, &request.id).await?;
    check_active(&before)?;
    let after = Pipeline { draft: None, ..before.clone() };
    keep(app, cx, tx, "draft_deleted", before, after).await?;
    Ok(pb::DeleteDraftResponse {})
}

/// Writes a change of the draft, if it is one; gives the version.
async fn keep(
    app: &App,
    cx: &Context,
    mut tx: TenantTx,
    verb: &'static str,
    before: Pipeline,
    after: Pipeline,
) -> error::Result<i64> {
    if after == before {
        tx.rollback().await?;
        return Ok(before.version);
    }
    let after = save(&mut tx, By::caller(app, cx), verb, &before, after).await?;
    tx.commit().await?;
    app.env.wake.notify();
    Ok(after.version)
}
