//! How many operations one tenant may have: the rest of the tenants need room as well.

use ::config::Reader;
use db::TenantTx;
use error::{Code, Error, Reason};

use crate::store;

/// The most of each.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Operations that wait or run.
    pub open: i64,
    /// Operations that are kept, with the errors of their rows.
    pub kept: i64,
}

impl Default for Quota {
    fn default() -> Self {
        Self { open: 20, kept: 1_000 }
    }
}

impl Quota {
    /// Reads the settings of a service.
    pub fn read(r: &mut Reader<'_>) -> Option<Self> {
        let open: Option<u32> = r.with_default(
            "OPEN_OPERATIONS_PER_TENANT",
            "20",
            "Most operations of a tenant that wait or run",
        );
        let kept: Option<u32> = r.with_default(
            "OPERATIONS_PER_TENANT",
            "1000",
            "Most operations of a tenant that are kept with the errors of their rows",
        );
        Some(Self { open: open?.into(), kept: kept?.into() })
    }

    /// Refuses an operation more: 429 `OPERATIONS_TOO_MANY`. Until the transaction ends, the tenant's wants are judged one after the other.
    pub async fn check(&self, tx: &mut TenantTx) -> Result<(), Error> {
        store::lock_quota(tx).await?;
        let (open, kept) = store::count(tx, self.kept).await?;
        if open >= self.open {
            return Err(exceeded("operations_open", self.open));
        }
        if kept >= self.kept {
            return Err(exceeded("operations", self.kept));
        }
        Ok(())
    }
}

fn exceeded(quota: &'static str, most: i64) -> Error {
    let text = format!("your organization has reached its quota of {most} {quota}");
    Error::new(Code::ResourceExhausted, Reason::OPERATIONS_TOO_MANY, text)
        .with_metadata("quota", quota)
        .with_metadata("limit", most.to_string())
}
