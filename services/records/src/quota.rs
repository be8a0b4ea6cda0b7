//! What one tenant may have of uploads and operations.

use ::config::{Reader, Section};
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use operations::Quota;
use schemars::JsonSchema;
use serde::Deserialize;

/// The most of each; the rest of the tenants need room as well.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(default)]
pub struct Quotas {
    /// Most uploads that a tenant has at a time.
    #[serde(rename = "uploads_per_tenant")]
    pub uploads: u32,
    /// Most bytes that the uploads of a tenant have together.
    #[serde(rename = "upload_bytes_per_tenant")]
    pub upload_bytes: u64,
    /// Operations.
    #[serde(skip)]
    pub operations: Quota,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { uploads: 1_000, upload_bytes: 5 << 30, operations: Quota::default() }
    }
}

impl Section for Quotas {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        let (of_uploads, operations): (Option<Self>, _) = (r.group(), Quota::read(r));
        Some(Self { operations: operations?, ..of_uploads? })
    }
}

impl Quotas {
    /// Refuses an upload of `size` more bytes: 429 `UPLOADS_TOO_MANY`.
    pub(crate) async fn check_upload(&self, tx: &mut TenantTx, size: i64) -> Result<(), Error> {
        let (uploads, bytes) = store::uploads(tx).await?;
        if uploads >= i64::from(self.uploads) {
            return Err(exceeded("uploads", self.uploads.into()));
        }
        if u64::try_from(bytes.saturating_add(size)).is_ok_and(|bytes| bytes > self.upload_bytes) {
            return Err(exceeded("upload_bytes", self.upload_bytes));
        }
        Ok(())
    }
}

fn exceeded(quota: &'static str, most: u64) -> Error {
    let text = format!("your organization has reached its quota of {most} {quota}");
    Error::new(Code::ResourceExhausted, Reason::UPLOADS_TOO_MANY, text)
        .with_metadata("quota", quota)
        .with_metadata("limit", most.to_string())
}

/// Lets a tenant's uploads be judged one after the other, until the transaction ends.
pub(crate) async fn lock_uploads(tx: &mut TenantTx) -> Result<(), DbError> {
    store::lock_uploads(tx).await
}

mod store;
