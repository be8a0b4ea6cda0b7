//! Operations on the wire.

use proto::records::v1 as pb;
use proto::timestamp;

use super::store::{Operation, RowError};

/// Errors shown with an operation; all of them are at `/operations/{id}/errors`.
pub(crate) const SHOWN_ERRORS: usize = 100;

/// `errors` may hold one more than is shown, to tell whether there are more.
pub(crate) fn operation(row: Operation, mut errors: Vec<RowError>) -> pb::Operation {
    let errors_truncated = errors.len() > SHOWN_ERRORS || row.errors_omitted > 0;
    errors.truncate(SHOWN_ERRORS);
    let state = match row.state.as_str() {
        "queued" => pb::OperationState::Queued,
        "running" => pb::OperationState::Running,
        "succeeded" => pb::OperationState::Succeeded,
        "cancelled" => pb::OperationState::Cancelled,
        _ => pb::OperationState::Failed,
    };
    let over = row.finished_at.is_some();
    pb::Operation {
        id: format!("records.{}", row.id),
        kind: row.kind,
        state: state as i32,
        progress: Some(pb::OperationProgress { done: row.done, total: row.total, failed: row.failed }),
        result: over.then_some(pb::ImportResult {
            created: row.created,
            updated: row.updated,
            skipped: row.skipped,
            failed: row.failed,
        }),
        errors: errors
            .into_iter()
            .map(|e| pb::RowError { line: e.line, column: e.column_name, reason: e.reason, detail: e.detail })
            .collect(),
        errors_truncated,
        created_at: Some(timestamp(row.created_at)),
        finished_at: row.finished_at.map(timestamp),
        failure: row.failure,
        errors_omitted: row.errors_omitted,
    }
}
