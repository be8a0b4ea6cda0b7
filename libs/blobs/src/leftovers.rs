//! What uploads have left that were broken off by the end of their process.

use std::io;
use std::path::PathBuf;
use std::time::SystemTime;

use futures_util::{StreamExt, TryStreamExt, future};
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};

use crate::{BlobError, Blobs, INCOMING};

impl Blobs {
    /// Removes objects without a name that nobody has written to since `before`, at most `limit` of them; says how many are
    /// gone. Parts of an object in a bucket are not listed: there a lifecycle rule aborts what is incomplete.
    pub async fn sweep(&self, before: SystemTime, limit: usize) -> Result<usize, BlobError> {
        let listed = self.store.list(Some(&Path::from(INCOMING)));
        let old = listed.try_filter(|object| future::ready(SystemTime::from(object.last_modified) < before));
        let old: Vec<Path> = old.map_ok(|object| object.location).take(limit).try_collect().await?;
        for location in &old {
            match self.store.delete(location).await {
                // Somebody else swept it.
                Err(object_store::Error::NotFound { .. }) | Ok(()) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let mut gone = old.len();
        if let Some(directory) = self.directory.as_ref().filter(|_| gone < limit) {
            gone += sweep_parts(directory.join(INCOMING), before, limit - gone).await?;
        }
        Ok(gone)
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

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use futures_util::stream;
    use ids::TenantId;
    use std::path::Path as FsPath;
    use std::time::Duration;
    use uuid::Uuid;

    const DAY: Duration = Duration::from_secs(86_400);

    fn files_below(dir: &FsPath) -> Vec<PathBuf> {
        let found = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
        found.flat_map(|p| if p.is_dir() { files_below(&p) } else { vec![p] }).collect()
    }

    fn age(file: &FsPath, by: Duration) {
        let written = std::fs::metadata(file).unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(file).unwrap().set_modified(written - by).unwrap();
    }

    fn now(file: &FsPath) -> SystemTime {
        std::fs::metadata(file).unwrap().modified().unwrap()
    }

    #[tokio::test]
    async fn what_was_left_for_a_day_goes_and_what_is_coming_in_or_has_its_name_stays() {
        let dir = std::env::temp_dir().join(format!("globcrm-blobs-sweep-{}", std::process::id()));
        let blobs = Blobs::in_directory(&dir).unwrap();
        let tenant = TenantId::from(Uuid::from_u128(1));
        let piece =
            |text: &'static str| stream::iter([Ok::<_, io::Error>(Bytes::from_static(text.as_bytes()))]);
        let named = blobs.put(tenant, Uuid::from_u128(1), 100, piece("named")).await.unwrap();
        let [kept] = files_below(&dir).try_into().unwrap();
        age(&kept, 10 * DAY);
        // A process that ended before the object had its name, one that ended while it came, and one that goes on.
        let whole = blobs.stage(tenant, Uuid::from_u128(2), 100, piece("whole")).await.unwrap();
        let part = |n: u128| dir.join(format!("{INCOMING}/{tenant}/{}#1", Uuid::from_u128(n)));
        std::fs::write(part(3), "half").unwrap();
        std::fs::write(part(4), "half").unwrap();
        let young = blobs.stage(tenant, Uuid::from_u128(5), 100, piece("young")).await.unwrap();
        for old in [dir.join(whole.incoming.as_ref()), part(3)] {
            age(&old, 2 * DAY);
        }
        let before = now(&part(4)) - DAY;
        assert_eq!(blobs.sweep(before, 1).await.unwrap(), 1, "no more than is asked for");
        assert_eq!(blobs.sweep(before, 10).await.unwrap(), 1);
        assert_eq!(blobs.sweep(before, 10).await.unwrap(), 0);
        assert!(whole.publish().await.is_err(), "it is gone");
        young.publish().await.unwrap();
        assert!(blobs.read(tenant, &named.sha256, 0).await.is_ok());
        assert_eq!(files_below(&dir).len(), 3, "two with their names, and one that is coming in");
        std::fs::remove_dir_all(dir).unwrap();
    }

    #[tokio::test]
    async fn a_store_without_leftovers_has_nothing_to_sweep() {
        let dir = std::env::temp_dir().join(format!("globcrm-blobs-empty-{}", std::process::id()));
        let blobs = Blobs::in_directory(&dir).unwrap();
        let before = now(&dir) + DAY;
        assert_eq!(blobs.sweep(before, 10).await.unwrap(), 0);
        std::fs::remove_dir_all(dir).unwrap();
    }
}
