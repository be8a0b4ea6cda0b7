//! Uploads as imports of this service read them.

use std::sync::Arc;
use std::time::Duration;

use auth::Context;
use blobs::Blobs;
use db::{Db, NoPlace, Shares, TenantTx};
use error::{Code, Error, Reason, Violation};
use imports::{Batches, Beginning, Examined, File, Files, Header};
use input::Violations;
use operations::{Claim, Stop};
use proto::common::v1::FileForm;
use proto::records::v1::{CreateImportRequest, PreviewImportRequest};
use uuid::Uuid;

use super::options::Said;
use super::source::{IMPORT_WAITS, Source};
use super::table::{Form, TableError};
use super::upload::file;
use crate::uploads;

/// How long an answer waits for the form of the file; a large one is left to the operation.
const FORM_WITHIN: Duration = Duration::from_secs(2);
/// After so long another call may find a place to read its file.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// The uploads of this service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LocalFiles {
    pub(crate) db: Db,
    pub(crate) blobs: Blobs,
    /// Places of those who examine a file.
    pub(crate) readers: Arc<Shares>,
}

#[tonic::async_trait]
impl Files for LocalFiles {
    async fn examine(
        &self,
        cx: &Context,
        request: &CreateImportRequest,
        asks_form: bool,
    ) -> Result<Examined, Error> {
        let said = Said::from(request);
        let (_, _, mut violations) = said.read();
        let form = match file(self, cx, &request.upload_id, said).await? {
            Ok(Some(source)) if asks_form && violations.is_empty() => {
                let mapped: Vec<&str> = request.mapping.iter().map(|entry| entry.column.trim()).collect();
                form_soon(&source, said, &mapped).await
            }
            // That there is no such upload is found when it is held.
            Ok(_) => None,
            Err(refused) => {
                violations.push(refused);
                None
            }
        };
        Ok(Examined { violations, form })
    }

    async fn hold(&self, tx: &mut TenantTx, cx: &Context, upload: Uuid) -> Result<bool, Error> {
        Ok(uploads::store::hold(tx, upload, cx.principal.id).await?)
    }

    async fn note(&self, tx: &mut TenantTx, operation: Uuid, upload: Uuid) -> Result<(), Error> {
        Ok(uploads::store::note_reader(tx, operation, upload).await?)
    }

    async fn beginning(
        &self,
        cx: &Context,
        request: &PreviewImportRequest,
        rows: usize,
    ) -> Result<Beginning, Error> {
        let said = Said::from(request);
        let source = source(self, cx, &request.upload_id, said).await?;
        let form = source.form(said, &[]).await.map_err(refused)?;
        let (header, rows) = source.beginning(form, rows).await.map_err(refused)?;
        Ok(Beginning { form: said.taken(&form), header, rows })
    }

    async fn open(&self, claim: &Claim, request: &CreateImportRequest) -> Result<Box<dyn File>, Stop> {
        let tenant = claim.tenant();
        let mut tx = TenantTx::begin_job(&self.db, tenant).await?;
        let upload = Uuid::try_parse(&request.upload_id).unwrap_or_default();
        let content = uploads::store::content(&mut tx, upload, claim.principal_id).await?;
        tx.commit().await?;
        let (sha256, content_type) = content.ok_or_else(|| Stop::failed(Reason::UPLOAD_GONE))?;
        let (blobs, readers) = (self.blobs.clone(), self.readers.clone());
        let source =
            Source { blobs, tenant: tenant.id(), sha256, content_type, readers, patience: IMPORT_WAITS };
        let mapped: Vec<&str> = request.mapping.iter().map(|entry| entry.column.trim()).collect();
        let said = Said::from(request);
        let form = source.form(said, &mapped).await?;
        Ok(Box::new(LocalFile { taken: said.taken(&form), source, form }))
    }
}

/// An upload that is being imported.
struct LocalFile {
    source: Source,
    form: Form,
    taken: FileForm,
}

#[tonic::async_trait]
impl File for LocalFile {
    fn form(&self) -> FileForm {
        self.taken.clone()
    }

    async fn survey(&self) -> Result<(Header, u64), Stop> {
        let (names, rows) = self.source.survey(self.form).await?;
        Ok((Header { line: self.form.header_line, names }, rows))
    }

    fn rows(&self, done: u64) -> Batches {
        self.source.rows(self.form, done)
    }
}

/// How the file will be read, if that is known soon; what is wrong with a file is its operation's failure.
pub(super) async fn form_soon(source: &Source, said: Said<'_>, mapped: &[&str]) -> Option<FileForm> {
    match tokio::time::timeout(FORM_WITHIN, source.form(said, mapped)).await {
        Ok(Ok(form)) => Some(said.taken(&form)),
        Ok(Err(error)) => {
            tracing::info!(error = %error::chain(&error), "an import of a file that cannot be read is queued");
            None
        }
        Err(_) => None,
    }
}

/// The upload of the caller, or everything that is wrong with what is said of it.
pub(super) async fn source(
    files: &LocalFiles,
    cx: &Context,
    upload: &str,
    said: Said<'_>,
) -> Result<Source, Error> {
    let (_, _, mut violations): (_, _, Violations) = said.read();
    match file(files, cx, upload, said).await? {
        Ok(Some(source)) if violations.is_empty() => return Ok(source),
        Ok(Some(_)) => {}
        Ok(None) => violations.push(Violation::reference_not_found("/upload_id")),
        Err(refused) => violations.push(refused),
    }
    Err(violations.into_error())
}

/// What is wrong with the file is wrong with the upload that the request names.
pub(super) fn refused(error: TableError) -> Error {
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
