//! `PreviewImport`: how an upload reads, before anything is imported.

use std::time::Duration;

use auth::Context;
use db::NoPlace;
use error::{Code, Error, Reason, Violation};
use field_types::text::cut;
use proto::common::v1::RowError;
use proto::records::v1::{PreviewImportRequest, PreviewImportResponse, PreviewRow};

use super::importable;
use super::options::Said;
use super::suggest::suggest;
use super::table::{Fault, Row, TableError};
use super::upload::file;
use crate::App;
use crate::contacts::import::CONTACTS;

/// After so long another call may find a place to read its file.
const RETRY_AFTER: Duration = Duration::from_secs(2);
/// Rows that are shown.
const ROWS: usize = 10;
/// Characters of a cell that are shown.
const CELL: usize = 1_000;

/// Reads the beginning of an upload of the caller.
#[tracing::instrument(name = "records.imports.preview", skip_all)]
pub(crate) async fn preview(
    app: &App,
    cx: &Context,
    request: &PreviewImportRequest,
) -> Result<PreviewImportResponse, Error> {
    let said = Said::from(request);
    let importable = match request.object.as_str() {
        "" => &CONTACTS,
        object => importable::named(object)?,
    };
    cx.authorize(importable.object.name, "import")?;
    let (_, _, mut violations) = said.read();
    let source = match file(app, cx, &request.upload_id, said).await? {
        Ok(Some(source)) if violations.is_empty() => source,
        Ok(Some(_)) => return Err(violations.into_error()),
        Ok(None) => {
            violations.push(Violation::reference_not_found("/upload_id"));
            return Err(violations.into_error());
        }
        Err(refused) => {
            violations.push(refused);
            return Err(violations.into_error());
        }
    };
    let form = source.form(said, &[]).await.map_err(refused)?;
    let (header, rows) = source.beginning(form, ROWS).await.map_err(refused)?;
    let mapping = suggest(app, cx, importable, &header).await?;
    let rows = rows.into_iter().map(|row| shown(row, &header)).collect();
    let header = header.iter().map(|name| cut(name, CELL).to_owned()).collect();
    Ok(PreviewImportResponse { detected: Some(said.taken(&form)), header, rows, mapping })
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

/// What is wrong with the file is wrong with the upload that the request names.
fn refused(error: TableError) -> Error {
    let Some(reason) = error.reason() else {
        if let TableError::Busy(why) = error {
            return busy(why);
        }
        let text = "the upload cannot be read at the moment";
        return Error::unavailable(Reason::BLOBS_UNAVAILABLE, text).with_source(error);
    };
    Error::validation(vec![Violation::new("/upload_id", reason, error.to_string())])
}

/// There was no place to read the file, for reasons of the caller's organization or of all of them.
fn busy(why: NoPlace) -> Error {
    let (code, reason, text) = match why {
        NoPlace::OwnShare => {
            let text = "your organization has as many files read at once as it may have; try again";
            (Code::ResourceExhausted, Reason::TENANT_SHARE_USED, text)
        }
        NoPlace::AllTaken => {
            (Code::Unavailable, Reason::OVERLOADED, "too many files are read at once; try again")
        }
    };
    Error::new(code, reason, text).with_retry_after(RETRY_AFTER).with_source(why)
}
