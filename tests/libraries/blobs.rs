//! Objects in a directory: whose they are, and what is left behind.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blobs::{Blob, BlobError, Blobs};
use bytes::Bytes;
use futures_util::{Stream, TryStreamExt, stream};
use ids::TenantId;
use uuid::Uuid;

const DAY: Duration = Duration::from_secs(86_400);

fn pieces(parts: &[&'static str]) -> impl Stream<Item = Result<Bytes, io::Error>> + Unpin + use<> {
    stream::iter(parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect::<Vec<_>>())
}

fn scratch(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("globcrm-blobs-{name}-{}", std::process::id()))
}

async fn read(blobs: &Blobs, tenant: TenantId, blob: &Blob, from: u64) -> Vec<u8> {
    let parts: Vec<Bytes> =
        blobs.read(tenant, &blob.sha256, from).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let found = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    found.flat_map(|p| if p.is_dir() { files_below(&p) } else { vec![p] }).collect()
}

fn written(file: &Path) -> SystemTime {
    std::fs::metadata(file).unwrap().modified().unwrap()
}

fn age(file: &Path, by: Duration) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(written(file) - by).unwrap();
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
    let broken = stream::iter(vec![Ok(Bytes::from_static(b"abc")), Err(io::Error::other("gone"))]);
    let broken = blobs.put(tenant, Uuid::from_u128(2), 100, broken).await;
    assert!(matches!(broken, Err(BlobError::Source(_))));
    assert_eq!(files_below(&dir), Vec::<PathBuf>::new());
    std::fs::remove_dir_all(dir).unwrap();
}

#[tokio::test]
async fn what_was_left_for_a_day_goes_and_what_is_coming_in_or_has_its_name_stays() {
    let dir = scratch("sweep");
    let blobs = Blobs::in_directory(&dir).unwrap();
    let tenant = TenantId::from(Uuid::from_u128(1));
    let named = blobs.put(tenant, Uuid::from_u128(1), 100, pieces(&["named"])).await.unwrap();
    let [kept] = files_below(&dir).try_into().unwrap();
    age(&kept, 10 * DAY);
    // A process that ended before the object had its name, one that ended while it came, and one that goes on.
    let whole = blobs.stage(tenant, Uuid::from_u128(2), 100, pieces(&["whole"])).await.unwrap();
    let incoming = files_below(&dir).into_iter().find(|file| *file != kept).unwrap();
    let part = |n: u128| incoming.with_file_name(format!("{}#1", Uuid::from_u128(n)));
    std::fs::write(part(3), "half").unwrap();
    std::fs::write(part(4), "half").unwrap();
    let young = blobs.stage(tenant, Uuid::from_u128(5), 100, pieces(&["young"])).await.unwrap();
    for old in [incoming.clone(), part(3)] {
        age(&old, 2 * DAY);
    }
    let before = written(&part(4)) - DAY;
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
    let dir = scratch("empty");
    let blobs = Blobs::in_directory(&dir).unwrap();
    let before = written(&dir) + DAY;
    assert_eq!(blobs.sweep(before, 10).await.unwrap(), 0);
    std::fs::remove_dir_all(dir).unwrap();
}
