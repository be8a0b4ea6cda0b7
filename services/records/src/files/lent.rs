//! `ExamineUpload`, `ReadUpload`: uploads as imports of other services read them. Nothing is held between calls: each reads the file from its
//! beginning, and gives as much of it as an answer holds. What was read keeps the upload as if it had just been made.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use field_types::text::cut;
use imports::{Fault, Row};
use proto::records::v1 as pb;
use uuid::Uuid;

use super::local::{form_soon, refused, source};
use super::options::Said;
use super::table::TableError;
use super::upload::file;
use crate::App;
use crate::uploads;

/// Rows of a beginning, at most.
const ROWS: usize = 10;
/// Bytes of rows in an answer, beside one row more, which has 1 MiB at most: together less than a message may have.
const PIECE: usize = 3 << 19;

/// Says how an upload of the caller reads. Errors: 422 for what is wrong with the request, or with the file where its rows are asked for.
pub(crate) async fn examine(
    app: &App,
    cx: &Context,
    request: pb::ExamineUploadRequest,
) -> Result<pb::ExamineUploadResponse, Error> {
    let asked = request.upload.unwrap_or_default();
    let said = Said::from(&asked);
    let source = source(&app.files, cx, &asked.upload_id, said).await?;
    keep(app, cx, &asked.upload_id).await?;
    let mapped: Vec<&str> = asked.mapped.iter().map(String::as_str).collect();
    let rows = usize::try_from(request.rows).unwrap_or_default().min(ROWS);
    if request.only_request {
        return Ok(pb::ExamineUploadResponse::default());
    }
    if rows == 0 {
        let detected = form_soon(&source, said, &mapped).await;
        return Ok(pb::ExamineUploadResponse { detected, ..Default::default() });
    }
    let form = source.form(said, &mapped).await.map_err(refused)?;
    let (header, rows) = source.beginning(form, rows).await.map_err(refused)?;
    let rows = rows.into_iter().map(shortened).map(to_wire).collect();
    Ok(pb::ExamineUploadResponse { detected: Some(said.taken(&form)), header, rows })
}

/// Gives rows of an upload of the caller. What is wrong with the file is part of the answer. Errors: 429, 503.
pub(crate) async fn read(
    app: &App,
    cx: &Context,
    request: pb::ReadUploadRequest,
) -> Result<pb::ReadUploadResponse, Error> {
    let asked = request.upload.unwrap_or_default();
    let said = Said::from(&asked);
    let failed = |reason: Reason, details: Vec<String>| pb::ReadUploadResponse {
        failure: Some(pb::UploadFailure {
            reason: reason.as_str().to_owned(),
            details,
            ..Default::default()
        }),
        ..Default::default()
    };
    let source = match file(&app.files, cx, &asked.upload_id, said).await? {
        Ok(Some(source)) => source,
        Ok(None) => return Ok(failed(Reason::UPLOAD_GONE, Vec::new())),
        Err(unknown) => return Ok(failed(Reason::ENCODING_UNKNOWN, vec![unknown.detail.into()])),
    };
    keep(app, cx, &asked.upload_id).await?;
    let mapped: Vec<&str> = asked.mapped.iter().map(String::as_str).collect();
    let mut answer = pb::ReadUploadResponse::default();
    let form = match source.form(said, &mapped).await {
        Ok(form) => form,
        Err(error) => {
            answer.failure = Some(failure(error)?);
            return Ok(answer);
        }
    };
    answer.detected = Some(said.taken(&form));
    if request.survey {
        match source.survey(form).await {
            Ok((header, total)) => {
                answer.header_line = form.header_line as i64;
                (answer.header, answer.total) = (header, total as i64);
            }
            Err(error) => answer.failure = Some(failure(error)?),
        }
        return Ok(answer);
    }
    match source.piece(form, u64::try_from(request.done).unwrap_or_default(), PIECE).await {
        Ok(rows) => answer.rows = rows.into_iter().map(to_wire).collect(),
        Err(error) => answer.failure = Some(failure(error)?),
    }
    Ok(answer)
}

/// The upload is kept from now on as one that was just made: an operation of another service reads it.
async fn keep(app: &App, cx: &Context, upload: &str) -> Result<(), Error> {
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    let upload = Uuid::try_parse(upload).unwrap_or_default();
    uploads::store::keep(&mut tx, upload, app.env.clock.now_micros()).await?;
    Ok(tx.commit().await?)
}

/// Why the file cannot be imported, unless another try may read it.
fn failure(error: TableError) -> Result<pb::UploadFailure, Error> {
    let Some(reason) = error.reason() else { return Err(refused(error)) };
    let (line, details) = match error {
        TableError::Header(fault) => (Some(fault.line as i64), vec![fault.detail]),
        _ => (None, Vec::new()),
    };
    Ok(pb::UploadFailure { reason: reason.as_str().to_owned(), line, details })
}

/// A row of a beginning. Ten whole ones could be more than a message may have, and no preview shows more of a cell.
fn shortened(row: Row) -> Row {
    let cells = row.cells.into_iter().map(|cell| cut(&cell, imports::CELL).to_owned());
    Row { cells: cells.collect(), ..row }
}

fn to_wire(row: Row) -> pb::UploadRow {
    let fault = |Fault { line, cell, reason, detail }| pb::UploadFault {
        line: line as i64,
        cell: cell.and_then(|cell| i32::try_from(cell).ok()),
        reason: reason.as_str().to_owned(),
        detail,
    };
    pb::UploadRow {
        line: row.line as i64,
        cells: row.cells,
        faults: row.faults.into_iter().map(fault).collect(),
    }
}
