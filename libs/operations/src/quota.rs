//! How many operations one tenant may have: the rest of the tenants need room as well.

use ::config::{Reader, Section};
use db::TenantTx;
use error::{Code, Error, Reason};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::store;

/// The most of each.
#[derive(Deserialize, JsonSchema, Clone, Copy, Debug)]
#[serde(default)]
pub struct Quota {
    /// Most operations of a tenant that wait or run.
    #[serde(rename = "open_operations_per_tenant")]
    pub open: u32,
    /// Most operations of a tenant that are kept with the errors of their rows.
    #[serde(rename = "operations_per_tenant")]
    pub kept: u32,
}

impl Default for Quota {
    fn default() -> Self {
        Self { open: 20, kept: 1_000 }
    }
}

impl Section for Quota {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.group()
    }
}

impl Quota {
    /// Refuses an operation more: 429 `OPERATIONS_TOO_MANY`. Until the transaction ends, the tenant's wants are judged one after the other.
    pub async fn check(&self, tx: &mut TenantTx) -> Result<(), Error> {
        store::lock_quota(tx).await?;
        let (open, kept) = store::count(tx, self.kept.into()).await?;
        if open >= i64::from(self.open) {
            return Err(exceeded("operations_open", self.open));
        }
        if kept >= i64::from(self.kept) {
            return Err(exceeded("operations", self.kept));
        }
        Ok(())
    }
}

fn exceeded(quota: &'static str, most: u32) -> Error {
    let text = format!("your organization has reached its quota of {most} {quota}");
    Error::new(Code::ResourceExhausted, Reason::OPERATIONS_TOO_MANY, text)
        .with_metadata("quota", quota)
        .with_metadata("limit", most.to_string())
}
