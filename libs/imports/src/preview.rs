//! `PreviewImport`: how an upload reads, before anything is imported.

use auth::Context;
use error::Error;
use field_types::text::cut;
use proto::common::v1::RowError;
use proto::records::v1::{PreviewImportRequest, PreviewImportResponse, PreviewRow};

use super::Imports;
use super::file::{Beginning, Fault, Row};
use super::suggest::suggest;

/// Rows that are shown.
const ROWS: usize = 10;
/// Characters of a cell that a preview shows.
pub const CELL: usize = 1_000;

impl Imports {
    /// Reads the beginning of an upload of the caller. Errors: 403; 422; 429 `TENANT_SHARE_USED`; 503.
    #[tracing::instrument(name = "imports.preview", skip_all)]
    pub async fn preview(
        &self,
        cx: &Context,
        request: &PreviewImportRequest,
    ) -> Result<PreviewImportResponse, Error> {
        let importable = match (request.object.as_str(), self.objects.first()) {
            ("", Some(first)) => first,
            (object, _) => self.named(object)?,
        };
        cx.authorize(importable.object.name, "import")?;
        let Beginning { form, header, rows } = self.files.beginning(cx, request, ROWS).await?;
        let mapping = suggest(self, cx, importable, &header).await?;
        let rows = rows.into_iter().map(|row| shown(row, &header)).collect();
        let header = header.iter().map(|name| cut(name, CELL).to_owned()).collect();
        Ok(PreviewImportResponse { detected: Some(form), header, rows, mapping })
    }
}

fn shown(row: Row, header: &[String]) -> PreviewRow {
    let error = |fault: &Fault| RowError {
        line: fault.line as i64,
        column: cut(fault.column(header), CELL).to_owned(),
        reason: fault.reason.as_str().to_owned(),
        detail: fault.detail.clone(),
        field: String::new(),
        record_id: None,
    };
    PreviewRow {
        line: row.line as i64,
        errors: row.faults.iter().map(error).collect(),
        cells: row.cells.iter().map(|cell| cut(cell, CELL).to_owned()).collect(),
    }
}
