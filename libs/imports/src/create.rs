//! `CreateImport`: checks everything that can be known before the file is read, and queues the work.

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Error, Violation};
use input::Violations;
use operations::New;
use prost::Message;
use proto::Rpc;
use proto::common::v1::{FileForm, Operation};
use proto::records::v1::{CreateImportRequest, DuplicatePolicy};
use uuid::Uuid;

use super::file::Examined;
use super::mapping::Masks;
use super::{Imports, KIND, mapping, plan, store};

impl Imports {
    /// Queues an import of an upload of the caller. `message` is the request as it came, of whichever service: all have one shape (a test of
    /// `fleet` holds them to it). Errors: 403; 422; 429 `OPERATIONS_TOO_MANY`.
    #[tracing::instrument(name = "imports.create", skip_all)]
    pub async fn create<R: Rpc + Message>(
        &self,
        cx: &Context,
        message: &R,
        request: &CreateImportRequest,
    ) -> Result<Answer<Operation>, Error> {
        let importable = self.named(&request.object)?;
        let object = importable.object;
        for action in plan::needed(DuplicatePolicy::try_from(request.duplicate_policy).unwrap_or_default()) {
            cx.authorize(object.name, action)?;
        }
        let keys = request.mapping.iter().filter_map(|m| m.field.strip_prefix("custom."));
        let set = self.env.definitions.for_keys(cx, object, keys).await?;
        let mask = set.mask(object, cx.mask(object.name));
        let masks = Masks { object: &mask, cx: Some(cx) };
        let (_, mut violations) = mapping::check(importable, &request.mapping, &set, masks);
        // What was answered before needs nobody who reads files.
        let now = self.env.clock.now_micros();
        if let Some(operation) =
            idempotency::kept::<Operation>(&self.env.db, cx, R::NAME, message, now).await?
        {
            return Ok(Answer::new(operation).again());
        }
        let Examined { violations: of_file, form } =
            self.files.examine(cx, request, violations.is_empty()).await?;
        violations.extend(of_file);
        let mut tx = TenantTx::begin(&self.env.db, cx.tenant).await?;
        let result = self.queue(&mut tx, cx, message, request, (violations, form)).await;
        let answer = tx.settle(result).await?;
        self.queued.notify_one();
        Ok(answer)
    }

    async fn queue<R: Rpc + Message>(
        &self,
        tx: &mut TenantTx,
        cx: &Context,
        message: &R,
        request: &CreateImportRequest,
        (mut violations, form): (Violations, Option<FileForm>),
    ) -> Result<Answer<Operation>, Error> {
        db::fence::check(tx, cx).await?;
        let now = self.env.clock.now_micros();
        let claim = idempotency::claim(tx, cx, R::NAME, message, now).await?;
        if let Some(operation) = claim.replayed::<Operation>()? {
            return Ok(Answer::new(operation).again());
        }
        let upload = Uuid::try_parse(&request.upload_id).unwrap_or_default();
        // Locked until the operation that names it has committed: else it could be removed in between.
        if !self.files.hold(tx, cx, upload).await? {
            violations.push(Violation::reference_not_found("/upload_id"));
        }
        violations.into_result()?;
        self.quota.check(tx).await?;
        let id = self.env.clock.new_uuid();
        let sent = message.encode_to_vec();
        let new = New { id, kind: KIND, principal: cx.principal.id, request: &sent, total: 0, now };
        let mut operation = operations::queue(&self.operations, tx, new).await?;
        self.files.note(tx, id, upload).await?;
        if let Some(form) = &form {
            store::set_detected(tx, id, form.encode_to_vec()).await?;
        }
        operation.detected = form;
        claim.keep(tx, &operation).await?;
        Ok(Answer::new(operation))
    }
}
