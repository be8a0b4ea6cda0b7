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

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{TryStreamExt, stream};

    fn pieces(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, std::io::Error>> + Unpin {
        stream::iter(parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect::<Vec<_>>())
    }

    fn scratch(name: &str) -> std::path::PathBuf {
        std::env::temp_dir().join(format!("globcrm-blobs-{name}-{}", std::process::id()))
    }

    async fn read(blobs: &Blobs, tenant: TenantId, blob: &Blob, from: u64) -> Vec<u8> {
        let parts: Vec<Bytes> =
            blobs.read(tenant, &blob.sha256, from).await.unwrap().try_collect().await.unwrap();
        parts.concat()
    }

    #[tokio::test]
    async fn what_goes_in_comes_out_and_only_for_its_tenant() {
        let dir = scratch("whole");
        let blobs = Blobs::in_directory(&dir).unwrap();
        let (a, b) = (TenantId::from(Uuid::from_u128(1)), TenantId::from(Uuid::from_u128(2)));
        let blob = blobs.put(a, Uuid::from_u128(9), 100, pieces(&["hello ", "world"])).await.unwrap();
        assert_eq!(blob.size, 11);
        assert_eq!(blob.sha256, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
        assert_eq!(read(&blobs, a, &blob, 0).await, b"hello world");
        assert_eq!(read(&blobs, a, &blob, 6).await, b"world");
        assert!(blobs.read(b, &blob.sha256, 0).await.is_err());
        blobs.delete(a, &blob.sha256).await.unwrap();
        assert!(blobs.read(a, &blob.sha256, 0).await.is_err());
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn an_upload_that_is_too_large_or_breaks_off_leaves_nothing() {
        let dir = scratch("broken");
        let blobs = Blobs::in_directory(&dir).unwrap();
        let tenant = TenantId::from(Uuid::from_u128(1));
        let large = blobs.put(tenant, Uuid::from_u128(1), 5, pieces(&["hello ", "world"])).await;
        assert!(matches!(large, Err(BlobError::TooLarge { limit: 5 })));
        let broken = stream::iter(vec![Ok(Bytes::from_static(b"abc")), Err(std::io::Error::other("gone"))]);
        let broken = blobs.put(tenant, Uuid::from_u128(2), 100, broken).await;
        assert!(matches!(broken, Err(BlobError::Source(_))));
        assert_eq!(files_below(&dir), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }

    fn files_below(dir: &FsPath) -> usize {
        std::fs::read_dir(dir)
            .unwrap()
            .map(|e| e.unwrap().path())
            .map(|p| if p.is_dir() { files_below(&p) } else { 1 })
            .sum()
    }
}
