//! What an operation shows of what it was asked for.

use auth::Context;
use db::TenantTx;
use error::Error;
use operations::undo;
use prost::Message;
use proto::common::v1::{BulkDetail, Operation};
use proto::records::v1::{CreateBulkOperationRequest, UndoOperationRequest};

use crate::{Bulk, KIND, UNDO};

/// The stored request of a bulk operation. Services have requests of the same shape (a test of `fleet` holds them to it), so that one of
/// them reads all.
pub(crate) fn request(stored: &[u8]) -> Option<CreateBulkOperationRequest> {
    CreateBulkOperationRequest::decode(stored).ok()
}

pub(crate) fn read(stored: &[u8]) -> Option<BulkDetail> {
    let CreateBulkOperationRequest { object, filter, action, changes, .. } = request(stored)?;
    Some(BulkDetail { object, action, filter, changes, undo_of: None, undone_by: None })
}

impl Bulk {
    /// Adds to the operations that are changes of many records what they were asked for.
    pub async fn add_details(&self, cx: &Context, operations: &mut [Operation]) -> Result<(), Error> {
        let of_bulk = |operation: &&mut Operation| [KIND, UNDO].contains(&operation.kind.as_str());
        let mut shown: Vec<&mut Operation> = operations.iter_mut().filter(of_bulk).collect();
        if shown.is_empty() {
            return Ok(());
        }
        let env = &self.operations;
        let mut ids = Vec::with_capacity(shown.len());
        for operation in &shown {
            ids.push(undo::own_id(env, &operation.id)?);
        }
        let mut tx = TenantTx::begin_snapshot(&env.db, cx.tenant).await?;
        let stored = undo::read(&mut tx, &ids).await?;
        // What an undo takes back says what it was.
        let undone: Vec<uuid::Uuid> = stored
            .iter()
            .filter_map(|(_, request, _)| {
                undo::own_id(env, &UndoOperationRequest::decode(&request[..]).ok()?.id).ok()
            })
            .collect();
        let originals = if undone.is_empty() { Vec::new() } else { undo::read(&mut tx, &undone).await? };
        tx.commit().await?;
        for (operation, id) in shown.iter_mut().zip(ids) {
            let Some((_, request, undone_by)) = stored.iter().find(|(known, ..)| *known == id) else {
                continue;
            };
            if operation.kind == KIND {
                let undone_by = undone_by.map(|by| undo::public_id(env, by));
                operation.bulk = read(request).map(|detail| BulkDetail { undone_by, ..detail });
                continue;
            }
            let Ok(UndoOperationRequest { id: undo_of }) = UndoOperationRequest::decode(&request[..]) else {
                continue;
            };
            let of = undo::own_id(env, &undo_of)?;
            let original = originals.iter().find(|(known, ..)| *known == of);
            let detail = original.and_then(|(_, request, _)| read(request)).unwrap_or_default();
            operation.bulk = Some(BulkDetail { undo_of: Some(undo_of), ..detail });
        }
        Ok(())
    }
}
