//! `UndoOperation`: queues the work that takes a bulk operation back.

use auth::{Answer, Context};
use db::TenantTx;
use db::idempotency;
use error::{Code, Error, Reason};
use operations::{New, undo};
use prost::Message;
use proto::Rpc;
use proto::common::v1::{BulkDetail, Operation};

use crate::asked::Asked;
use crate::create::unreadable;
use crate::{Bulk, KIND, UNDO, detail, store};

impl Bulk {
    /// Queues the work that gives the records of an operation of the caller back what they had before it. `message` is the request as it
    /// came, and `id` its operation. Errors: 403; 404; 409 `OPERATION_NOT_OVER`, `OPERATION_NOT_UNDOABLE`, `OPERATION_UNDONE`; 429.
    #[tracing::instrument(name = "bulk.undo", skip_all)]
    pub async fn undo<R: Rpc + Message>(
        &self,
        cx: &Context,
        message: &R,
        id: &str,
    ) -> Result<Answer<Operation>, Error> {
        let mut tx = TenantTx::begin(&self.env.db, cx.tenant).await?;
        let result = self.queue_undo(&mut tx, cx, message, id).await;
        let answer = tx.settle(result).await?;
        self.queued.notify_one();
        Ok(answer)
    }

    async fn queue_undo<R: Rpc + Message>(
        &self,
        tx: &mut TenantTx,
        cx: &Context,
        message: &R,
        id: &str,
    ) -> Result<Answer<Operation>, Error> {
        db::fence::check(tx, cx).await?;
        let now = self.env.clock.now_micros();
        let claim = idempotency::claim(tx, cx, R::NAME, message, now).await?;
        if let Some(operation) = claim.replayed::<Operation>()? {
            return Ok(Answer::new(operation).again());
        }
        let undone = undo::lock(&self.operations, tx, cx, id).await?;
        if undone.kind != KIND {
            let text = match undone.kind.as_str() {
                UNDO => "what was taken back is not brought again; ask for the change once more",
                _ => "only changes of many records can be undone",
            };
            return Err(Error::new(Code::FailedPrecondition, Reason::OPERATION_NOT_UNDOABLE, text));
        }
        let request = detail::request(&undone.request).ok_or_else(unreadable)?;
        let asked = Asked::read(self.targets, (&request.object, &request.action, &request.changes))?;
        cx.authorize(asked.target.object.name, asked.action.permission())?;
        self.quota.check(tx).await?;
        let own = self.env.clock.new_uuid();
        let sent = message.encode_to_vec();
        let mut new = New { id: own, kind: UNDO, principal: cx.principal.id, request: &sent, total: 0, now };
        new.total = store::count_changed(tx, undone.id).await?;
        let mut operation = operations::queue(&self.operations, tx, new).await?;
        store::put_changed(tx, undone.id, own).await?;
        undo::mark(tx, &undone, own).await?;
        let detail = detail::read(&undone.request).ok_or_else(unreadable)?;
        operation.bulk = Some(BulkDetail { undo_of: Some(id.to_owned()), ..detail });
        claim.keep(tx, &operation).await?;
        Ok(Answer::new(operation))
    }
}
