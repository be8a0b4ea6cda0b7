//! What one tenant may have of uploads and operations.

use ::config::Reader;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};
use operations::Quota;

/// The most of each; the rest of the tenants need room as well.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Uploads that are kept.
    pub uploads: i64,
    /// Bytes of uploads that are kept.
    pub upload_bytes: i64,
    /// Operations.
    pub operations: Quota,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { uploads: 1_000, upload_bytes: 5 << 30, operations: Quota::default() }
    }
}

impl Quotas {
    pub(crate) fn read(r: &mut Reader<'_>) -> Option<Self> {
        let uploads: Option<u32> =
            r.with_default("UPLOADS_PER_TENANT", "1000", "Most uploads that a tenant has at a time");
        let bytes: Option<u64> = r.with_default(
            "UPLOAD_BYTES_PER_TENANT",
            "5368709120",
            "Most bytes that the uploads of a tenant have together",
        );
        let operations = Quota::read(r);
        Some(Self {
            uploads: uploads?.into(),
            upload_bytes: i64::try_from(bytes?).unwrap_or(i64::MAX),
            operations: operations?,
        })
    }

    /// Refuses an upload of `size` more bytes: 429 `UPLOADS_TOO_MANY`.
    pub(crate) async fn check_upload(&self, tx: &mut TenantTx, size: i64) -> Result<(), Error> {
        let (uploads, bytes) = store::uploads(tx).await?;
        if uploads >= self.uploads {
            return Err(exceeded("uploads", self.uploads));
        }
        if bytes.saturating_add(size) > self.upload_bytes {
            return Err(exceeded("upload_bytes", self.upload_bytes));
        }
        Ok(())
    }
}

fn exceeded(quota: &'static str, most: i64) -> Error {
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
