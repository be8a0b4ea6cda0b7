//! Uploads, which the service `records` keeps, and reads for the operations of this one. Rows come piece by piece; while that service does not
//! answer an import waits, and goes on where it was.

use std::collections::VecDeque;
use std::sync::Arc;

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason};
use futures_util::stream;
use imports::{BATCH, Batches, Beginning, Examined, Fault, File, Files, Header, Row};
use operations::{Acting, Claim, Detail, Failure, Stop};
use proto::common::v1::FileForm;
use proto::records::v1 as pb;
use rpc::records::Records;
use uuid::Uuid;

/// Reads uploads of a caller.
#[tonic::async_trait]
pub trait UploadReader: Send + Sync {
    /// How an upload reads.
    async fn examine(
        &self,
        cx: &Context,
        asked: pb::ExamineUploadRequest,
    ) -> Result<pb::ExamineUploadResponse, Error>;

    /// Its rows, or how many it has.
    async fn read(&self, cx: &Context, asked: pb::ReadUploadRequest)
    -> Result<pb::ReadUploadResponse, Error>;
}

#[tonic::async_trait]
impl UploadReader for Records {
    async fn examine(
        &self,
        cx: &Context,
        asked: pb::ExamineUploadRequest,
    ) -> Result<pb::ExamineUploadResponse, Error> {
        self.examine_upload(cx, asked).await
    }

    async fn read(
        &self,
        cx: &Context,
        asked: pb::ReadUploadRequest,
    ) -> Result<pb::ReadUploadResponse, Error> {
        self.read_upload(cx, asked).await
    }
}

/// Uploads of the service `records`.
pub(super) struct Uploads {
    pub(super) uploads: Arc<dyn UploadReader>,
    pub(super) acting: Acting,
}

#[tonic::async_trait]
impl Files for Uploads {
    async fn examine(
        &self,
        cx: &Context,
        request: &pb::CreateImportRequest,
        asks_form: bool,
    ) -> Result<Examined, Error> {
        let upload = Some(upload(request));
        let asked = pb::ExamineUploadRequest { upload, rows: 0, only_request: !asks_form };
        match self.uploads.examine(cx, asked).await {
            Ok(examined) => Ok(Examined { form: examined.detected, ..Examined::default() }),
            Err(error) if error.code() == Code::Unprocessable && !error.violations().is_empty() => {
                let mut examined = Examined::default();
                for violation in error.violations() {
                    examined.violations.push(violation.clone());
                }
                Ok(examined)
            }
            Err(error) => Err(error),
        }
    }

    /// That it is there was asked for just before, and by that it is kept for longer than the transaction takes.
    async fn hold(&self, _tx: &mut TenantTx, _cx: &Context, _upload: Uuid) -> Result<bool, Error> {
        Ok(true)
    }

    /// Who reads an upload says so by reading it.
    async fn note(&self, _tx: &mut TenantTx, _operation: Uuid, _upload: Uuid) -> Result<(), Error> {
        Ok(())
    }

    async fn beginning(
        &self,
        cx: &Context,
        request: &pb::PreviewImportRequest,
        rows: usize,
    ) -> Result<Beginning, Error> {
        let request = pb::CreateImportRequest {
            upload_id: request.upload_id.clone(),
            encoding: request.encoding.clone(),
            delimiter: request.delimiter.clone(),
            quote: request.quote.clone(),
            date_format: request.date_format.clone(),
            decimal_separator: request.decimal_separator.clone(),
            region: request.region.clone(),
            ..Default::default()
        };
        let rows = i32::try_from(rows).map_err(Error::internal)?;
        let asked = pb::ExamineUploadRequest { upload: Some(upload(&request)), rows, only_request: false };
        let pb::ExamineUploadResponse { detected, header, rows } = self.uploads.examine(cx, asked).await?;
        let rows = rows.into_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Beginning { form: detected.unwrap_or_default(), header, rows })
    }

    async fn open(&self, claim: &Claim, request: &pb::CreateImportRequest) -> Result<Box<dyn File>, Stop> {
        let source = Source {
            uploads: self.uploads.clone(),
            acting: self.acting.clone(),
            claim: claim.clone(),
            upload: upload(request),
        };
        let found = source.read(0, true).await?;
        let failure = found.failure.map(failure).transpose()?;
        let form = match (found.detected, &failure) {
            (Some(form), _) => form,
            (None, Some(failure)) => return Err(Stop::Failed(failure.clone())),
            (None, None) => return Err(unreadable().into()),
        };
        let header = Header { line: found.header_line.unsigned_abs(), names: found.header };
        Ok(Box::new(Upload { source, form, header, total: found.total.unsigned_abs(), failure }))
    }
}

/// How the upload of an import is to be read.
fn upload(request: &pb::CreateImportRequest) -> pb::UploadToRead {
    let mapped = request.mapping.iter().map(|entry| entry.column.trim().to_owned()).collect();
    pb::UploadToRead {
        upload_id: request.upload_id.clone(),
        encoding: request.encoding.clone(),
        delimiter: request.delimiter.clone(),
        quote: request.quote.clone(),
        date_format: request.date_format.clone(),
        decimal_separator: request.decimal_separator.clone(),
        region: request.region.clone(),
        mapped,
    }
}

/// Where the rows of an import come from.
#[derive(Clone)]
struct Source {
    uploads: Arc<dyn UploadReader>,
    acting: Acting,
    claim: Claim,
    upload: pb::UploadToRead,
}

impl Source {
    /// Asks as whoever asked for the import, by a token of now.
    async fn read(&self, done: u64, survey: bool) -> Result<pb::ReadUploadResponse, Stop> {
        let cx = self.acting.context(&self.claim).await?;
        let done = i64::try_from(done).map_err(Error::internal)?;
        let asked = pb::ReadUploadRequest { upload: Some(self.upload.clone()), done, survey };
        Ok(self.uploads.read(&cx, asked).await?)
    }

    /// The rows after the first `done`; none behind the last one.
    async fn piece(&self, done: u64) -> Result<VecDeque<Row>, Stop> {
        let found = self.read(done, false).await?;
        if let Some(failed) = found.failure {
            return Err(Stop::Failed(failure(failed)?));
        }
        Ok(found.rows.into_iter().map(row).collect::<Result<_, Error>>()?)
    }
}

/// An upload that is being imported.
struct Upload {
    source: Source,
    form: FileForm,
    header: Header,
    total: u64,
    /// Why it cannot be, though its form is known.
    failure: Option<Failure>,
}

#[tonic::async_trait]
impl File for Upload {
    fn form(&self) -> FileForm {
        self.form.clone()
    }

    async fn survey(&self) -> Result<(Header, u64), Stop> {
        match &self.failure {
            Some(failure) => Err(Stop::Failed(failure.clone())),
            None => Ok((self.header.clone(), self.total)),
        }
    }

    fn rows(&self, done: u64) -> Batches {
        let state = Some((self.source.clone(), done, VecDeque::new()));
        Box::pin(stream::unfold(state, |state| async {
            let (source, mut done, mut read) = state?;
            if read.is_empty() {
                match source.piece(done).await {
                    Ok(rows) if rows.is_empty() => return None,
                    Ok(rows) => read = rows,
                    Err(stop) => return Some((Err(stop), None)),
                }
                done += read.len() as u64;
            }
            let batch: Vec<Row> = read.drain(..read.len().min(BATCH)).collect();
            Some((Ok(batch), Some((source, done, read))))
        }))
    }
}

fn failure(failed: pb::UploadFailure) -> Result<Failure, Error> {
    let reason = reason(&failed.reason)?;
    let detail = |text: String| Detail { text, ..Detail::default() };
    let details = failed.details.into_iter().map(detail).collect();
    Ok(Failure { reason, line: failed.line.map(i64::unsigned_abs), details })
}

fn row(row: pb::UploadRow) -> Result<Row, Error> {
    let fault = |fault: pb::UploadFault| {
        let cell = fault.cell.and_then(|cell| usize::try_from(cell).ok());
        let reason = reason(&fault.reason)?;
        Ok(Fault { line: fault.line.unsigned_abs(), cell, reason, detail: fault.detail })
    };
    let faults = row.faults.into_iter().map(fault).collect::<Result<_, Error>>()?;
    Ok(Row { line: row.line.unsigned_abs(), cells: row.cells, faults })
}

/// A reason of the other service's list; one that is newer than ours is as if the file could not be read.
fn reason(word: &str) -> Result<Reason, Error> {
    Reason::find(word).ok_or_else(unreadable)
}

fn unreadable() -> Error {
    Error::internal("the records service said of an upload what is not understood here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_file_or_a_row_is_said_as_it_came() {
        let (word, details) = ("QUOTE_OPEN".to_owned(), vec!["x".to_owned()]);
        let failed = failure(pb::UploadFailure { reason: word, line: Some(2), details }).unwrap();
        assert_eq!((failed.reason, failed.line), (Reason::QUOTE_OPEN, Some(2)));
        assert_eq!(failed.details[0].text, "x");
        let (word, detail) = ("ENCODING_INVALID".to_owned(), "y".to_owned());
        let faults = vec![pb::UploadFault { line: 4, cell: Some(1), reason: word, detail }];
        let read = row(pb::UploadRow { line: 3, cells: vec!["a".to_owned()], faults }).unwrap();
        assert_eq!((read.line, read.faults[0].line, read.faults[0].cell), (3, 4, Some(1)));
        assert_eq!(read.faults[0].reason, Reason::ENCODING_INVALID);
        assert!(reason("A_NEWER_REASON").is_err());
    }
}
