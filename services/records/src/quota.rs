//! What one tenant may have of uploads and operations.

use ::config::Reader;
use db::{DbError, TenantTx};
use error::{Code, Error, Reason};

/// The most of each; the rest of the tenants need room as well.
#[derive(Clone, Copy, Debug)]
pub struct Quotas {
    /// Uploads that are kept.
    pub uploads: i64,
    /// Bytes of uploads that are kept.
    pub upload_bytes: i64,
    /// Operations that wait or run.
    pub operations_open: i64,
    /// Operations that are kept, with the errors of their rows.
    pub operations: i64,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { uploads: 1_000, upload_bytes: 5 << 30, operations_open: 20, operations: 1_000 }
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
        let open: Option<u32> = r.with_default(
            "OPEN_OPERATIONS_PER_TENANT",
            "20",
            "Most operations of a tenant that wait or run",
        );
        let operations: Option<u32> = r.with_default(
            "OPERATIONS_PER_TENANT",
            "1000",
            "Most operations of a tenant that are kept with the errors of their rows",
        );
        Some(Self {
            uploads: uploads?.into(),
            upload_bytes: i64::try_from(bytes?).unwrap_or(i64::MAX),
            operations_open: open?.into(),
            operations: operations?.into(),
        })
    }

    /// Refuses an upload of `size` more bytes: 429 `UPLOADS_TOO_MANY`.
    pub(crate) async fn check_upload(&self, tx: &mut TenantTx, size: i64) -> Result<(), Error> {
        let (uploads, bytes) = store::uploads(tx).await?;
        if uploads >= self.uploads {
            return Err(exceeded(Reason::UPLOADS_TOO_MANY, "uploads", self.uploads));
        }
        if bytes.saturating_add(size) > self.upload_bytes {
            return Err(exceeded(Reason::UPLOADS_TOO_MANY, "upload_bytes", self.upload_bytes));
        }
        Ok(())
    }

    /// Refuses an operation more: 429 `OPERATIONS_TOO_MANY`.
    pub(crate) async fn check_operation(&self, tx: &mut TenantTx) -> Result<(), Error> {
        let (open, kept) = operations::count(tx, self.operations).await?;
        if open >= self.operations_open {
            return Err(exceeded(Reason::OPERATIONS_TOO_MANY, "operations_open", self.operations_open));
        }
        if kept >= self.operations {
            return Err(exceeded(Reason::OPERATIONS_TOO_MANY, "operations", self.operations));
        }
        Ok(())
    }
}

fn exceeded(reason: Reason, quota: &'static str, most: i64) -> Error {
    let text = format!("your organization has reached its quota of {most} {quota}");
    Error::new(Code::ResourceExhausted, reason, text)
        .with_metadata("quota", quota)
        .with_metadata("limit", most.to_string())
}

/// Lets a tenant's wants be judged one after the other, until the transaction ends.
pub(crate) async fn lock(tx: &mut TenantTx, what: &'static str) -> Result<(), DbError> {
    store::lock(tx, what).await
}

mod store;
