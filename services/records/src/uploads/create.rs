//! `CreateUpload`: streams bytes into the blob store.

use auth::Context;
use blobs::{BlobError, Staged};
use bytes::Bytes;
use db::TenantTx;
use error::{Code, Error, Reason, Violation};
use futures_util::{Stream, StreamExt, future};
use proto::records::v1::{CreateUploadRequest, CreateUploadResponse};
use tonic::Status;

use super::store::{self, Upload};
use crate::{App, quota};

/// An upload may have this many bytes.
const MAX_BYTES: u64 = 100 << 20;
/// What is not told gets this type.
const UNKNOWN_TYPE: &str = "application/octet-stream";

/// Stores what comes. Nothing stays of an upload that is too large or breaks off.
pub(crate) async fn create(
    app: &App,
    cx: &Context,
    messages: impl Stream<Item = Result<CreateUploadRequest, Status>> + Unpin + Send,
) -> Result<CreateUploadResponse, Error> {
    // Before a byte is taken; and again with what they are when they have come.
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    app.quotas.check_upload(&mut tx, 1).await?;
    tx.commit().await?;
    let mut messages = messages.peekable();
    let content_type = match std::pin::Pin::new(&mut messages).peek().await {
        Some(Ok(first)) if !first.content_type.is_empty() => first.content_type.chars().take(200).collect(),
        _ => UNKNOWN_TYPE.to_owned(),
    };
    let pieces = messages.map(|message| message.map(|m| m.data)).filter(|piece: &Result<Bytes, Status>| {
        // An empty piece carries nothing; a store may take it for the end.
        future::ready(piece.as_ref().map_or(true, |bytes| !bytes.is_empty()))
    });
    let id = app.env.clock.new_uuid();
    let staged = app.blobs.stage(cx.tenant.id(), id, MAX_BYTES, pieces).await.map_err(refused)?;
    let blob = staged.blob().clone();
    let upload = Upload {
        id,
        principal: cx.principal.id,
        content_type,
        size: i64::try_from(blob.size).map_err(Error::internal)?,
        sha256: blob.sha256,
        created_at: app.env.clock.now_micros(),
    };
    // The row first: an object that has its name has a row too, whenever the process ends, and goes when the row does. A row
    // whose object never got its name is unknown to everybody, and goes by its age.
    if let Err(error) = note(app, cx, &upload).await {
        discard(staged).await;
        return Err(error);
    }
    staged.publish().await.map_err(refused)?;
    Ok(CreateUploadResponse { id: upload.id.to_string(), size: upload.size, sha256: upload.sha256 })
}

async fn note(app: &App, cx: &Context, upload: &Upload) -> Result<(), Error> {
    if upload.size == 0 {
        return Err(Error::validation(vec![Violation::new(
            "",
            Reason::UPLOAD_EMPTY,
            "the upload has no bytes",
        )]));
    }
    let mut tx = TenantTx::begin(&app.env.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    quota::lock_uploads(&mut tx).await?;
    app.quotas.check_upload(&mut tx, upload.size).await?;
    store::lock_content(&mut tx, &upload.sha256).await?;
    store::insert(&mut tx, upload).await?;
    Ok(tx.commit().await?)
}

/// What is not discarded now is swept a day later.
async fn discard(staged: Staged) {
    if let Err(error) = staged.discard().await {
        tracing::warn!(error = %error::chain(&error), "a refused upload could not be removed at once");
    }
}

fn refused(cause: BlobError) -> Error {
    match cause {
        BlobError::TooLarge { .. } => {
            Error::new(Code::InvalidArgument, Reason::BODY_TOO_LARGE, "an upload may have at most 100 MiB")
        }
        BlobError::Source(_) => {
            Error::new(Code::Cancelled, Reason::BODY_BROKEN, "the upload broke off").with_source(cause)
        }
        BlobError::Store(_) => {
            Error::unavailable(Reason::BLOBS_UNAVAILABLE, "the upload cannot be stored at the moment")
                .with_source(cause)
        }
    }
}
