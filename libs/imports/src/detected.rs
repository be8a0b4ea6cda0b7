//! Says with imports how their files are read.

use auth::Context;
use db::TenantTx;
use error::Error;
use prost::Message;
use proto::common::v1::{FileForm, Operation};
use uuid::Uuid;

use super::{Imports, KIND, store};

impl Imports {
    /// Adds to operations of the caller how their files are read.
    pub async fn add_detected(&self, cx: &Context, operations: &mut [Operation]) -> Result<(), Error> {
        let imports = operations.iter().filter(|operation| operation.kind == KIND);
        let ids: Vec<Uuid> = imports.filter_map(|operation| row_id(&operation.id)).collect();
        if ids.is_empty() {
            return Ok(());
        }
        let mut tx = TenantTx::begin(&self.env.db, cx.tenant).await?;
        let known = store::detected(&mut tx, &ids).await?;
        tx.commit().await?;
        for (id, detected) in known {
            let form = FileForm::decode(detected.as_slice()).map_err(Error::internal)?;
            if let Some(operation) = operations.iter_mut().find(|operation| row_id(&operation.id) == Some(id))
            {
                operation.detected = Some(form);
            }
        }
        Ok(())
    }
}

/// The id of the row of an operation, behind the name of the service.
fn row_id(public: &str) -> Option<Uuid> {
    public.rsplit_once('.').and_then(|(_, id)| Uuid::try_parse(id).ok())
}
