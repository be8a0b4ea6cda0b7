#![doc = include_str!("../README.md")]

mod leftovers;

use std::path::{Path as FsPath, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use ids::TenantId;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt, WriteMultipart};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// Parts handed to the store before the writer waits: with 5 MiB parts, at most 10 MiB of one upload is in memory.
const PARTS_IN_FLIGHT: usize = 1;
/// Where objects are until they have come whole, of all tenants, so that one look finds what was left.
const INCOMING: &str = "incoming";

/// A stored object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blob {
    /// SHA-256 of the content, lower-case hex: its name.
    pub sha256: String,
    /// Bytes.
    pub size: u64,
}

/// Why an object could not be stored or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes than allowed.
    #[error("more than {limit} bytes")]
    TooLarge {
        /// The limit.
        limit: u64,
    },
    /// The sender broke off.
    #[error("the upload broke off")]
    Source(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The store failed.
    #[error("the object store failed")]
    Store(#[from] object_store::Error),
}

impl BlobError {
    /// Whether there is no such object: asking again will not help.
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Store(object_store::Error::NotFound { .. }))
    }
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
        self.blobs.store.rename(&self.incoming, &path(self.tenant, &self.blob.sha256)).await?;
        Ok(self.blob)
    }

    /// Removes it.
    pub async fn discard(self) -> Result<(), BlobError> {
        Ok(self.blobs.store.delete(&self.incoming).await?)
    }
}

impl Blobs {
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
    /// behind, and there is no object that nobody knows of.
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
        let incoming = Path::from(format!("{INCOMING}/{tenant}/{temporary}"));
        let mut writer = WriteMultipart::new(self.store.put_multipart(&incoming).await?);
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
                    if let Err(error) = writer.wait_for_capacity(PARTS_IN_FLIGHT).await {
                        break Err(error.into());
                    }
                    writer.put(piece);
                }
            }
        };
        if let Err(error) = fed {
            writer.abort().await?;
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
        match self.store.delete(&path(tenant, sha256)).await {
            Err(object_store::Error::NotFound { .. }) | Ok(()) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// The tenant is part of every name: equal content of two tenants is two objects.
fn path(tenant: TenantId, sha256: &str) -> Path {
    Path::from(format!("{tenant}/{}/{sha256}", sha256.get(..2).unwrap_or("xx")))
}
