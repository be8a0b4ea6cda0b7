//! What a row changes in other tables than that of its record, as the links of contacts to companies. The overlay keeps it until the record is
//! stored, and a dry run between its batches, so it is a value of JSON here.

use db::TenantTx;
use error::Error;
use record::change::Diff;
use serde_json::Value;
use time::OffsetDateTime;
use uuid::Uuid;

use super::row::ReadRow;

/// Something that is attached to a record: as it was, if it was there, and as it will be.
#[derive(Clone, Debug)]
pub struct Change {
    /// Before.
    pub before: Option<Value>,
    /// After.
    pub after: Value,
}

/// What is attached to a record after the rows before.
#[derive(Clone, Copy, Debug)]
pub struct Held<'a> {
    /// The record.
    pub record: Uuid,
    /// What is yet to be stored, or never will be.
    pub all: &'a [Value],
    /// Whether the record itself is yet to be stored.
    pub is_new: bool,
}

/// What an object keeps in other tables for its records.
#[tonic::async_trait]
pub trait Attached: Send + Sync + std::fmt::Debug {
    /// What a new record gets.
    fn of_new(&self, row: &ReadRow, now: OffsetDateTime) -> Result<Option<Value>, Error>;

    /// What a row changes; `None` if nothing. What is wrong with that is noted at the row.
    async fn of_known(
        &self,
        tx: &mut TenantTx,
        held: Held<'_>,
        row: &mut ReadRow,
        now: OffsetDateTime,
    ) -> Result<Option<Change>, Error>;

    /// Whether both are the same thing in two states.
    fn is_same(&self, one: &Value, other: &Value) -> bool;

    /// The change of the record that it is.
    fn diff(&self, before: Option<&Value>, after: Option<&Value>) -> Result<Diff, Error>;

    /// Stores them.
    async fn put(&self, tx: &mut TenantTx, actor: Uuid, all: &[(Uuid, Value)]) -> Result<(), Error>;
}
