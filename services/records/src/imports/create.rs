//! `CreateImport`: checks everything that can be known before the file is read, and queues the work.

use std::time::Duration;

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Error, Violation};
use input::Violations;
use operations::New;
use prost::Message;
use proto::common::v1::{FileForm, Operation};
use proto::records::v1::{CreateImportRequest, CreateImportResponse, DuplicatePolicy};
use tonic::Response;
use uuid::Uuid;

use super::mapping::Masks;
use super::options::Said;
use super::source::Source;
use super::upload::file;
use super::{KIND, importable, mapping, plan, store};
use crate::App;
use crate::companies::COMPANY;
use crate::uploads;

/// How long the answer waits for the form of the file; a large one is left to the operation.
const FORM_WITHIN: Duration = Duration::from_secs(2);

const RPC: &str = <CreateImportRequest as proto::Rpc>::NAME;

/// Queues an import of an upload of the caller.
#[tracing::instrument(name = "records.imports.create", skip_all)]
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    request: CreateImportRequest,
) -> Result<Response<CreateImportResponse>, Error> {
    let importable = importable::named(&request.object)?;
    let object = importable.object;
    for action in plan::needed(DuplicatePolicy::try_from(request.duplicate_policy).unwrap_or_default()) {
        cx.authorize(object.name, action)?;
    }
    let keys = request.mapping.iter().filter_map(|m| m.field.strip_prefix("custom."));
    let set = app.env.definitions.for_keys(cx, object, keys).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let masks = Masks { object: &mask, company: cx.mask(COMPANY.name) };
    let (_, mut violations) = mapping::check(importable, &request.mapping, &set, masks);
    let said = Said::from(&request);
    violations.extend(said.read().2);
    let form = match file(app, cx, &request.upload_id, said).await? {
        Ok(Some(source)) if violations.is_empty() => form(&source, said, &request).await,
        Ok(_) => None,
        Err(refused) => {
            violations.push(refused);
            None
        }
    };

    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let result = queue(&mut tx, app, cx, &request, (violations, form)).await;
    let response = tx.settle(result).await?;
    app.imports.notify_one();
    Ok(response)
}

/// How the file will be read, if that is known soon; what is wrong with a file is its operation's failure.
async fn form(source: &Source, said: Said<'_>, request: &CreateImportRequest) -> Option<FileForm> {
    let mapped: Vec<&str> = request.mapping.iter().map(|entry| entry.column.trim()).collect();
    match tokio::time::timeout(FORM_WITHIN, source.form(said, &mapped)).await {
        Ok(Ok(form)) => Some(said.taken(&form)),
        Ok(Err(error)) => {
            tracing::info!(error = %error::chain(&error), "an import of a file that cannot be read is queued");
            None
        }
        Err(_) => None,
    }
}

async fn queue(
    tx: &mut TenantTx,
    app: &App,
    cx: &Context,
    request: &CreateImportRequest,
    (mut violations, form): (Violations, Option<FileForm>),
) -> Result<Response<CreateImportResponse>, Error> {
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, RPC, request).await?;
    if let Some(operation) = claim.replayed::<Operation>()? {
        let kept = CreateImportResponse { operation: Some(operation) };
        return Ok(Answer::new(kept).again().respond(cx));
    }
    let upload = Uuid::try_parse(&request.upload_id).unwrap_or_default();
    // Locked until the operation that names it has committed: else it could be removed in between.
    if !uploads::store::hold(tx, upload, cx.principal.id).await? {
        violations.push(Violation::reference_not_found("/upload_id"));
    }
    violations.into_result()?;
    app.quotas.operations.check(tx).await?;
    let now = app.env.clock.now_micros();
    let id = app.env.clock.new_uuid();
    let sent = request.encode_to_vec();
    let new = New { id, kind: KIND, principal: cx.principal.id, request: &sent, total: 0, now };
    let mut operation = operations::queue(&app.operations, tx, new).await?;
    store::reads(tx, id, upload, form.as_ref().map(Message::encode_to_vec)).await?;
    operation.detected = form;
    claim.keep(tx, &operation, now).await?;
    Ok(cx.answer(CreateImportResponse { operation: Some(operation) }))
}
