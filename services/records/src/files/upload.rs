//! The upload that a request names, as a file to be read.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason, Violation};
use uuid::Uuid;

use super::local::LocalFiles;
use super::options::{self, Said};
use super::source::{CALL_WAITS, Source};
use super::table::TableError;
use crate::uploads;

/// The file of an upload of the caller; none when there is no such upload, and a refusal when its sender has named an unknown charset
/// and the request no encoding.
pub(crate) async fn file(
    files: &LocalFiles,
    cx: &Context,
    upload: &str,
    said: Said<'_>,
) -> Result<Result<Option<Source>, Violation>, Error> {
    let id = Uuid::try_parse(upload).unwrap_or_default();
    let mut tx = TenantTx::begin(&files.db, cx.tenant).await?;
    let content = uploads::store::content(&mut tx, id, cx.principal.id).await?;
    tx.commit().await?;
    let Some((sha256, content_type)) = content else { return Ok(Ok(None)) };
    if let Err(TableError::CharsetUnknown(charset)) = options::of_file(said, &content_type) {
        let detail = format!(
            "the upload was sent with the charset `{charset}`, which is not known: name its encoding in `encoding`"
        );
        return Ok(Err(Violation::new("/upload_id", Reason::ENCODING_UNKNOWN, detail)));
    }
    let (blobs, tenant, readers) = (files.blobs.clone(), cx.tenant.id(), files.readers.clone());
    Ok(Ok(Some(Source { blobs, tenant, sha256, content_type, readers, patience: CALL_WAITS })))
}
