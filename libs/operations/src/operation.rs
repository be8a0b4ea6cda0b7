//! An operation: queued, stored and on the wire.

use db::{DbError, TenantTx};
use fleet::Role;
use proto::common::v1 as pb;
use proto::timestamp;
use sqlx::postgres::PgRow;
use sqlx::{FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use crate::{Env, id, store};

/// Errors shown with an operation; all of them are at `/operations/{id}/errors`.
pub(crate) const SHOWN_ERRORS: usize = 100;

/// Work that is asked for.
#[derive(Debug)]
pub struct New<'a> {
    /// Its id.
    pub id: Uuid,
    /// One of the kinds of the service.
    pub kind: &'static str,
    /// Whose it is, and on whose permissions it runs.
    pub principal: Uuid,
    /// What the worker reads it from: the request in wire form.
    pub request: &'a [u8],
    /// Its rows, where they are counted already; else 0.
    pub total: i64,
    /// When it was asked for.
    pub now: OffsetDateTime,
}

/// Queues an operation, in the same transaction that checked permissions and quotas.
pub async fn queue(env: &Env, tx: &mut TenantTx, new: New<'_>) -> Result<pb::Operation, DbError> {
    let stored = store::insert(tx, &new).await?;
    Ok(stored.into_wire(env.role, Vec::new()))
}

/// An operation as stored.
#[derive(Debug)]
pub(crate) struct Operation {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) state: String,
    pub(crate) total: i64,
    pub(crate) done: i64,
    pub(crate) created: i64,
    pub(crate) updated: i64,
    pub(crate) skipped: i64,
    pub(crate) failed: i64,
    pub(crate) failure: Option<String>,
    pub(crate) errors_kept: i64,
    pub(crate) errors_omitted: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) finished_at: Option<OffsetDateTime>,
}

impl Operation {
    /// In a list: its errors are shown with the operation alone.
    pub(crate) fn into_listed(self, role: Role) -> pb::Operation {
        let has_errors = self.errors_kept > 0 || self.errors_omitted > 0;
        pb::Operation { errors_truncated: has_errors, ..self.into_wire(role, Vec::new()) }
    }

    /// `errors` may hold one more than is shown, which says that there are more.
    pub(crate) fn into_wire(self, role: Role, mut errors: Vec<RowError>) -> pb::Operation {
        let errors_truncated = errors.len() > SHOWN_ERRORS || self.errors_omitted > 0;
        errors.truncate(SHOWN_ERRORS);
        let state = match self.state.as_str() {
            "queued" => pb::OperationState::Queued,
            "running" => pb::OperationState::Running,
            "succeeded" => pb::OperationState::Succeeded,
            "cancelled" => pb::OperationState::Cancelled,
            _ => pb::OperationState::Failed,
        };
        let is_over = self.finished_at.is_some();
        pb::Operation {
            id: id::public(role, self.id),
            kind: self.kind,
            state: state as i32,
            progress: Some(pb::OperationProgress { done: self.done, total: self.total, failed: self.failed }),
            result: is_over.then_some(pb::OperationResult {
                created: self.created,
                updated: self.updated,
                skipped: self.skipped,
                failed: self.failed,
            }),
            errors: errors.into_iter().map(RowError::into_wire).collect(),
            errors_truncated,
            created_at: Some(timestamp(self.created_at)),
            finished_at: self.finished_at.map(timestamp),
            failure: self.failure,
            errors_omitted: self.errors_omitted,
            // What an import knows of its file is added by the service that imports; what a bulk operation does, by `globcrm-bulk`.
            detected: None,
            bulk: None,
        }
    }
}

impl FromRow<'_, PgRow> for Operation {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            kind: row.try_get("kind")?,
            state: row.try_get("state")?,
            total: row.try_get("total")?,
            done: row.try_get("done")?,
            created: row.try_get("created")?,
            updated: row.try_get("updated")?,
            skipped: row.try_get("skipped")?,
            failed: row.try_get("failed")?,
            failure: row.try_get("failure")?,
            errors_kept: row.try_get("errors_kept")?,
            errors_omitted: row.try_get("errors_omitted")?,
            created_at: row.try_get("created_at")?,
            finished_at: row.try_get("finished_at")?,
        })
    }
}

/// Why a row was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RowError {
    /// Of the file, whose header is line 1; of a bulk operation, the number of the record.
    pub line: i64,
    /// The record, where rows are records.
    pub record_id: Option<Uuid>,
    /// Place among the errors of the line.
    pub number: i32,
    /// Header of the column; empty where none is concerned.
    pub column_name: String,
    /// The field; empty where none is concerned.
    pub field: String,
    /// A reason in capitals.
    pub reason: String,
    /// The same in words.
    pub detail: String,
}

impl RowError {
    /// Bytes of its texts.
    pub fn bytes(&self) -> usize {
        self.column_name.len() + self.field.len() + self.reason.len() + self.detail.len()
    }

    fn into_wire(self) -> pb::RowError {
        let Self { line, column_name: column, field, reason, detail, record_id, .. } = self;
        pb::RowError { line, column, reason, detail, field, record_id: record_id.map(|id| id.to_string()) }
    }
}

impl FromRow<'_, PgRow> for RowError {
    fn from_row(row: &PgRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            line: row.try_get("line")?,
            record_id: row.try_get("record_id")?,
            number: row.try_get("number")?,
            column_name: row.try_get("column_name")?,
            field: row.try_get("field")?,
            reason: row.try_get("reason")?,
            detail: row.try_get("detail")?,
        })
    }
}
