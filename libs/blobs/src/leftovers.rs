//! What uploads have left that were broken off by the end of their process.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt, future};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{BlobError, Blobs, INCOMING, gone};

impl Blobs {
    /// Removes objects without a name that nobody has written to since `before`, at most `limit` of them; says how many are
    /// gone. Parts of an unfinished object in a bucket are not listed: a rule of the bucket removes them (docs/operate.md).
    pub async fn sweep(&self, before: SystemTime, limit: usize) -> Result<usize, BlobError> {
        let listed = self.store.list(Some(&Path::from(INCOMING)));
        let old = listed.try_filter(|object| future::ready(SystemTime::from(object.last_modified) < before));
        let old: Vec<Path> = old.map_ok(|object| object.location).take(limit).try_collect().await?;
        for location in &old {
            // Somebody else may have swept it.
            gone(self.store.delete(location).await)?;
        }
        let mut count = old.len();
        if let Some(directory) = self.directory.as_ref().filter(|_| count < limit) {
            count += sweep_parts(directory.join(INCOMING), before, limit - count).await?;
        }
        Ok(count)
    }
}

/// Removes files that are still being written by their times: the store keeps an unfinished object in a file that it does
/// not list.
async fn sweep_parts(incoming: PathBuf, before: SystemTime, limit: usize) -> Result<usize, BlobError> {
    let swept = tokio::task::spawn_blocking(move || {
        let mut gone = 0;
        for tenant in entries(&incoming)? {
            for file in entries(&tenant)? {
                if gone == limit {
                    return Ok(gone);
                }
                let is_old = match std::fs::metadata(&file).and_then(|found| found.modified()) {
                    Ok(modified) => modified < before,
                    // Finished or swept since the directory was read.
                    Err(error) if error.kind() == io::ErrorKind::NotFound => false,
                    Err(error) => return Err(error),
                };
                if is_old {
                    gone += usize::from(remove(&file)?);
                }
            }
        }
        Ok(gone)
    });
    let swept = swept.await.map_err(io::Error::other).and_then(|swept| swept);
    swept.map_err(|source| {
        object_store::Error::Generic { store: "file system", source: Box::new(source) }.into()
    })
}

fn entries(directory: &std::path::Path) -> io::Result<Vec<PathBuf>> {
    match std::fs::read_dir(directory) {
        Ok(found) => found.map(|entry| entry.map(|e| e.path())).collect(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

fn remove(file: &std::path::Path) -> io::Result<bool> {
    match std::fs::remove_file(file) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}
