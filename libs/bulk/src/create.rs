//! `CreateBulkOperation`: checks everything that can be known before a record is read, chooses the records, and queues the work.

use auth::{Answer, Context, FieldMask};
use db::TenantTx;
use db::idempotency;
use error::{Error, Reason};
use operations::New;
use prost::Message;
use proto::Rpc;
use proto::common::v1::{BulkPreview, Operation};
use record::definitions::{FieldSet, keys_in};
use std::sync::Arc;
use uuid::Uuid;

use crate::asked::Asked;
use crate::choose::Choice;
use crate::{Bulk, KIND, detail, preview, store};

/// What a `CreateBulkOperationRequest` of any service says.
#[derive(Clone, Copy, Debug)]
pub struct Request<'a> {
    /// `object`.
    pub object: &'a str,
    /// `filter`.
    pub filter: &'a str,
    /// `ids`.
    pub ids: &'a [String],
    /// `action`.
    pub action: &'a str,
    /// `changes`, a JSON object.
    pub changes: &'a [u8],
    /// `dry_run`.
    pub dry_run: bool,
    /// `max_affected`.
    pub max_affected: Option<i64>,
}

/// What the call gives: one of the two.
#[derive(Debug)]
pub enum Created {
    /// The operation that was queued.
    Operation(Box<Answer<Operation>>),
    /// What a dry run found out.
    Preview(BulkPreview),
}

/// By what a request is read.
pub(crate) struct Terms {
    pub(crate) set: Arc<FieldSet>,
    pub(crate) mask: FieldMask,
}

impl Bulk {
    /// The definitions and field rules by which the request is read.
    pub(crate) async fn terms(&self, cx: &Context, asked: &Asked, filter: &str) -> Result<Terms, Error> {
        let object = asked.target.object;
        let keys = keys_in(&[filter]);
        let keys = keys.iter().copied().chain(asked.custom_keys());
        let set = self.env.definitions.for_keys(cx, object, keys).await?;
        let mask = set.mask(object, cx.mask(object.name));
        Ok(Terms { set, mask })
    }

    /// Queues the work on many records, or shows what it would do. `message` is the request as it came. Errors: 403; 409
    /// `TOO_MANY_AFFECTED`; 422; 429 `OPERATIONS_TOO_MANY`; those of a list.
    #[tracing::instrument(name = "bulk.create", skip_all)]
    pub async fn create<R: Rpc + Message>(
        &self,
        cx: &Context,
        message: &R,
        request: Request<'_>,
    ) -> Result<Created, Error> {
        let asked = Asked::read(self.targets, (request.object, request.action, request.changes))?;
        cx.authorize(asked.target.object.name, asked.action.permission())?;
        let Terms { set, mask } = self.terms(cx, &asked, request.filter).await?;
        let change = asked.change(self, cx, (&set, &mask)).await;
        let choice = Choice { filter: request.filter, ids: request.ids, max_affected: request.max_affected };
        if request.dry_run {
            let (change, records) = (change?, choice.records(self, cx, &asked, (&set, &mask)).await?);
            return Ok(Created::Preview(preview::preview(self, cx, (&asked, &change), &records).await?));
        }
        let records = match change {
            Ok(_) => choice.records(self, cx, &asked, (&set, &mask)).await,
            Err(refused) => Err(refused),
        };
        let mut tx = TenantTx::begin(&self.env.db, cx.tenant).await?;
        let result = self.queue(&mut tx, cx, message, records).await;
        let answer = tx.settle(result).await?;
        self.queued.notify_one();
        Ok(Created::Operation(Box::new(answer)))
    }

    async fn queue<R: Rpc + Message>(
        &self,
        tx: &mut TenantTx,
        cx: &Context,
        message: &R,
        records: Result<Vec<Uuid>, Error>,
    ) -> Result<Answer<Operation>, Error> {
        db::fence::check(tx, cx).await?;
        let now = self.env.clock.now_micros();
        let claim = idempotency::claim(tx, cx, R::NAME, message, now).await?;
        if let Some(operation) = claim.replayed::<Operation>()? {
            return Ok(Answer::new(operation).again());
        }
        // After the replay: what was asked for once is answered again, whatever has become of it.
        let records = records?;
        self.quota.check(tx).await?;
        let id = self.env.clock.new_uuid();
        let sent = message.encode_to_vec();
        let total = i64::try_from(records.len()).map_err(Error::internal)?;
        let new = New { id, kind: KIND, principal: cx.principal.id, request: &sent, total, now };
        let mut operation = operations::queue(&self.operations, tx, new).await?;
        store::put(tx, id, &records).await?;
        operation.bulk = Some(detail::read(&sent).ok_or_else(unreadable)?);
        claim.keep(tx, &operation).await?;
        Ok(Answer::new(operation))
    }
}

pub(crate) fn unreadable() -> Error {
    Error::internal(Reason::REQUEST_UNREADABLE.as_str())
}
