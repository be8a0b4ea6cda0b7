#![doc = include_str!("../README.md")]

mod config;
mod error;
mod incoming;
mod leftovers;
mod s3;

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use ids::TenantId;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use crate::config::{BlobConfig, Keys, S3Config};
pub use crate::error::{BlobError, StoreError};
use crate::incoming::Writer;

/// Where objects are until they have come whole, of all tenants, so that one look finds what was left.
const INCOMING: &str = "incoming";
/// An object gets its name by one copy, and S3 copies so much in one call.
const LARGEST: u64 = 5 << 30;

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the content, lower-case hex: its name.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// Where objects are. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Blobs {
    store: Arc<dyn ObjectStore>,
    /// Where the file system has them, if it has.
    directory: Option<PathBuf>,
}

/// An object that has come whole and has no name yet. Dropped, it is a leftover for [`Blobs::sweep`].
#[derive(Debug)]
#[must_use = "publish it, or discard it"]
pub struct Staged {
    blobs: Blobs,
    tenant: TenantId,
    incoming: Path,
    blob: Blob,
}

impl Staged {
    /// What has come.
    pub fn blob(&self) -> &Blob {
        &self.blob
    }

    /// Gives it its name. An equal object that has the name already is replaced.
    pub async fn publish(self) -> Result<Blob, BlobError> {
        let (store, name) = (&self.blobs.store, path(self.tenant, &self.blob.sha256));
        if self.blobs.directory.is_some() {
            store.rename(&self.incoming, &name).await?;
            return Ok(self.blob);
        }
        store.copy(&self.incoming, &name).await?;
        if let Err(error) = store.delete(&self.incoming).await {
            // It has its name. The copy goes with what else was left.
            let error = StoreError::from(error);
            tracing::warn!(error = %::error::chain(&error), "an upload is stored twice until leftovers are removed");
        }
        Ok(self.blob)
    }

    /// Removes it.
    pub async fn discard(self) -> Result<(), BlobError> {
        Ok(self.blobs.store.delete(&self.incoming).await?)
    }
}

impl Blobs {
    /// Objects where the settings say. Of a bucket nothing is asked yet: see [`Blobs::check`].
    pub fn open(config: &BlobConfig) -> Result<Self, BlobError> {
        match config {
            BlobConfig::Directory(directory) => Self::in_directory(directory),
            BlobConfig::Bucket(config) => Self::in_bucket(config),
        }
    }

    /// Objects in a bucket, which must be there.
    pub fn in_bucket(config: &S3Config) -> Result<Self, BlobError> {
        Ok(Self::on(Arc::new(s3::bucket(config)?)))
    }

    /// Asks the store for something harmless, and so whether it answers and lets us in.
    pub async fn check(&self) -> Result<(), BlobError> {
        let first = self.store.list(Some(&Path::from(INCOMING))).next().await;
        first.transpose()?;
        Ok(())
    }

    /// Objects in a directory, which is made when missing.
    pub fn in_directory(directory: &FsPath) -> Result<Self, BlobError> {
        std::fs::create_dir_all(directory).map_err(|source| object_store::Error::Generic {
            store: "file system",
            source: Box::new(source),
        })?;
        let store = LocalFileSystem::new_with_prefix(directory)?;
        Ok(Self { store: Arc::new(store), directory: Some(directory.to_owned()) })
    }

    /// Objects in any store.
    pub fn on(store: Arc<dyn ObjectStore>) -> Self {
        Self { store, directory: None }
    }

    /// Streams an object in and names it.
    pub async fn put<E>(
        &self,
        tenant: TenantId,
        temporary: Uuid,
        limit: u64,
        source: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Blob, BlobError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        self.stage(tenant, temporary, limit, source).await?.publish().await
    }

    /// Streams an object in. It gets its name when it is whole and its owner has noted it: a broken upload leaves nothing
    /// behind, and there is no object that nobody knows of. More than 5 GiB are always too large.
    pub async fn stage<E>(
        &self,
        tenant: TenantId,
        temporary: Uuid,
        limit: u64,
        mut source: impl Stream<Item = Result<Bytes, E>> + Unpin,
    ) -> Result<Staged, BlobError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        let limit = limit.min(LARGEST);
        let incoming = Path::from(format!("{INCOMING}/{tenant}/{temporary}"));
        let mut writer = Writer::new(self.store.put_multipart(&incoming).await?);
        let (mut hash, mut size) = (Sha256::new(), 0_u64);
        let fed = loop {
            match source.next().await {
                None => break Ok(()),
                Some(Err(error)) => break Err(BlobError::Source(Box::new(error))),
                Some(Ok(piece)) => {
                    size += piece.len() as u64;
                    if size > limit {
                        break Err(BlobError::TooLarge { limit });
                    }
                    hash.update(&piece);
                    if let Err(error) = writer.write(piece).await {
                        break Err(error);
                    }
                }
            }
        };
        if let Err(error) = fed {
            writer.abort().await;
            return Err(error);
        }
        writer.finish().await?;
        let blob = Blob { sha256: hex::encode(hash.finalize()), size };
        Ok(Staged { blobs: self.clone(), tenant, incoming, blob })
    }

    /// Streams an object out from byte `from`.
    pub async fn read(
        &self,
        tenant: TenantId,
        sha256: &str,
        from: u64,
    ) -> Result<BoxStream<'static, Result<Bytes, BlobError>>, BlobError> {
        let options = object_store::GetOptions {
            range: (from > 0).then_some(object_store::GetRange::Offset(from)),
            ..Default::default()
        };
        let found = self.store.get_opts(&path(tenant, sha256), options).await?;
        Ok(found.into_stream().map(|piece| piece.map_err(BlobError::from)).boxed())
    }

    /// Deletes an object; one that is not there is no error.
    pub async fn delete(&self, tenant: TenantId, sha256: &str) -> Result<(), BlobError> {
        gone(self.store.delete(&path(tenant, sha256)).await)
    }
}

/// What is not there need not be deleted. Where the bucket is not there, nobody knows.
fn gone(deleted: object_store::Result<()>) -> Result<(), BlobError> {
    match deleted.map_err(BlobError::from) {
        Err(error) if error.is_missing() => Ok(()),
        other => other,
    }
}

/// The tenant is part of every name: equal content of two tenants is two objects.
fn path(tenant: TenantId, sha256: &str) -> Path {
    Path::from(format!("{tenant}/{}/{sha256}", sha256.get(..2).unwrap_or("xx")))
}
