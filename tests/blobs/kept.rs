//! What holds wherever files are: whose they are, and what is left behind.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use blobs::BlobError;
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::store::{Store, age, large, pieces, read, tenant, written};
use crate::waiting;

const DAY: Duration = Duration::from_secs(86_400);
const MIB: u64 = 1 << 20;
const NOTHING: Vec<PathBuf> = Vec::new();

/// Each of these for both stores.
macro_rules! both {
    ($($test:ident),* $(,)?) => {
        mod directory {
            $(#[tokio::test] async fn $test() { super::$test(&super::Store::directory(stringify!($test))).await; })*
        }
        mod bucket {
            $(#[tokio::test] async fn $test() { super::$test(&super::Store::bucket(stringify!($test))).await; })*
        }
    };
}

both!(
    what_goes_in_comes_out_and_only_for_its_tenant,
    a_large_object_comes_in_parts_and_out_from_any_byte,
    an_upload_that_is_too_large_or_breaks_off_leaves_nothing,
    an_upload_whose_caller_is_gone_leaves_nothing,
    equal_content_is_one_object_and_what_is_not_there_need_not_be_deleted,
    nothing_is_an_object_too,
    what_was_left_for_a_day_goes_and_what_is_coming_in_or_has_its_name_stays,
    a_store_without_leftovers_has_nothing_to_sweep,
);

async fn what_goes_in_comes_out_and_only_for_its_tenant(store: &Store) {
    let (blobs, a, b) = (&store.blobs, tenant(1), tenant(2));
    blobs.check().await.unwrap();
    let blob = blobs.put(a, Uuid::from_u128(9), 100, pieces(&["hello ", "world"])).await.unwrap();
    assert_eq!(blob.size, 11);
    assert_eq!(blob.sha256, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");
    assert_eq!(store.files(), [store.root.join(a.to_string()).join("b9").join(&blob.sha256)]);
    assert_eq!(read(blobs, a, &blob, 0).await, b"hello world");
    assert_eq!(read(blobs, a, &blob, 6).await, b"world");
    let error = blobs.read(b, &blob.sha256, 0).await.err().unwrap();
    assert!(error.is_missing() && !error.is_refusal(), "{error:?}");
    blobs.delete(b, &blob.sha256).await.unwrap();
    assert_eq!(read(blobs, a, &blob, 0).await, b"hello world");
    blobs.delete(a, &blob.sha256).await.unwrap();
    assert!(blobs.read(a, &blob.sha256, 0).await.err().unwrap().is_missing());
    assert_eq!(store.files(), NOTHING);
}

async fn a_large_object_comes_in_parts_and_out_from_any_byte(store: &Store) {
    let (blobs, tenant) = (&store.blobs, tenant(1));
    let blob = blobs.put(tenant, Uuid::from_u128(9), 20 * MIB, large(20)).await.unwrap();
    let whole: Vec<u8> = large(20).map(Result::unwrap).collect::<Vec<_>>().await.concat();
    assert_eq!((blob.size, whole.len() as u64), (20 * MIB, 20 * MIB));
    let digest = Sha256::digest(&whole).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    assert_eq!(blob.sha256, digest);
    assert!(read(blobs, tenant, &blob, 0).await == whole);
    let from = 5 * MIB - 1;
    assert!(read(blobs, tenant, &blob, from).await == whole[usize::try_from(from).unwrap()..]);
    assert_eq!((store.files().len(), store.parts()), (1, NOTHING));
}

async fn an_upload_that_is_too_large_or_breaks_off_leaves_nothing(store: &Store) {
    let (blobs, tenant) = (&store.blobs, tenant(1));
    let small = blobs.put(tenant, Uuid::from_u128(1), 5, pieces(&["hello ", "world"])).await;
    assert!(matches!(small, Err(BlobError::TooLarge { limit: 5 })), "{small:?}");
    // Some parts of these have been stored.
    let limit = 11 * MIB;
    let large_one = blobs.put(tenant, Uuid::from_u128(2), limit, large(12)).await;
    assert!(matches!(large_one, Err(BlobError::TooLarge { .. })), "{large_one:?}");
    let broken = large(11).chain(stream::iter([Err(io::Error::other("gone"))]));
    let broken = blobs.put(tenant, Uuid::from_u128(3), 100 * MIB, broken).await;
    assert!(matches!(broken, Err(BlobError::Source(_))), "{broken:?}");
    assert_eq!((store.files(), store.parts()), (NOTHING, NOTHING));
}

async fn an_upload_whose_caller_is_gone_leaves_nothing(store: &Store) {
    let blobs = &store.blobs;
    let (told, hears) = tokio::sync::oneshot::channel();
    let mut told = Some(told);
    // After eleven MiB nothing comes any more: two parts are stored then, or on their way.
    let stops = large(11).chain(stream::poll_fn(move |_| {
        if let Some(told) = told.take() {
            told.send(()).unwrap();
        }
        std::task::Poll::<Option<io::Result<Bytes>>>::Pending
    }));
    {
        let staging = blobs.stage(tenant(1), Uuid::from_u128(1), 100 * MIB, stops);
        tokio::select! {
            _ = staging => panic!("it has come whole"),
            stopped = hears => stopped.unwrap(),
        }
    }
    let bound = Duration::from_secs(30);
    waiting::until(bound, "nothing is left", async || store.files().is_empty() && store.parts().is_empty())
        .await;
}

async fn equal_content_is_one_object_and_what_is_not_there_need_not_be_deleted(store: &Store) {
    let (blobs, tenant) = (&store.blobs, tenant(1));
    let first = blobs.stage(tenant, Uuid::from_u128(1), 100, pieces(&["same"])).await.unwrap();
    let second = blobs.stage(tenant, Uuid::from_u128(2), 100, pieces(&["sa", "me"])).await.unwrap();
    let (first, second) = (first.publish().await.unwrap(), second.publish().await.unwrap());
    assert_eq!(first, second);
    assert_eq!(store.files().len(), 1);
    assert_eq!(read(blobs, tenant, &first, 0).await, b"same");
    for _ in 0..2 {
        blobs.delete(tenant, &first.sha256).await.unwrap();
    }
    assert_eq!(store.files(), NOTHING);
}

async fn nothing_is_an_object_too(store: &Store) {
    let staged = store.blobs.stage(tenant(1), Uuid::from_u128(1), 100, pieces(&[])).await.unwrap();
    assert_eq!(staged.blob().size, 0);
    assert_eq!(store.files(), [store.incoming(tenant(1), Uuid::from_u128(1))]);
    staged.discard().await.unwrap();
    assert_eq!((store.files(), store.parts()), (NOTHING, NOTHING));
}

async fn what_was_left_for_a_day_goes_and_what_is_coming_in_or_has_its_name_stays(store: &Store) {
    let (blobs, tenant) = (&store.blobs, tenant(1));
    let named = blobs.put(tenant, Uuid::from_u128(1), 100, pieces(&["named"])).await.unwrap();
    let [kept] = store.files().try_into().unwrap();
    age(&kept, 10 * DAY);
    // Processes that ended before the object had its name, and one that goes on.
    let whole = blobs.stage(tenant, Uuid::from_u128(2), 100, pieces(&["whole"])).await.unwrap();
    let other =
        blobs.stage(super::store::tenant(2), Uuid::from_u128(3), 100, pieces(&["other"])).await.unwrap();
    let young = blobs.stage(tenant, Uuid::from_u128(5), 100, pieces(&["young"])).await.unwrap();
    for old in [
        store.incoming(tenant, Uuid::from_u128(2)),
        store.incoming(super::store::tenant(2), Uuid::from_u128(3)),
    ] {
        age(&old, 2 * DAY);
    }
    let before = written(&store.incoming(tenant, Uuid::from_u128(5))) - DAY;
    assert_eq!(blobs.sweep(before, 1).await.unwrap(), 1, "no more than is asked for");
    assert_eq!(blobs.sweep(before, 10).await.unwrap(), 1);
    assert_eq!(blobs.sweep(before, 10).await.unwrap(), 0);
    assert!(whole.publish().await.is_err() && other.publish().await.is_err(), "they are gone");
    young.publish().await.unwrap();
    assert!(blobs.read(tenant, &named.sha256, 0).await.is_ok());
    assert_eq!(store.files().len(), 2);
}

async fn a_store_without_leftovers_has_nothing_to_sweep(store: &Store) {
    let before = written(&store.root) + DAY;
    assert_eq!(store.blobs.sweep(before, 10).await.unwrap(), 0);
}

/// A directory shows what is half written, so that is swept, too.
#[tokio::test]
async fn files_that_are_half_written_in_a_directory_go_by_their_age() {
    let store = Store::directory("half");
    let (blobs, tenant) = (&store.blobs, tenant(1));
    let whole = blobs.stage(tenant, Uuid::from_u128(2), 100, pieces(&["whole"])).await.unwrap();
    let part = |n: u128| {
        store.incoming(tenant, Uuid::from_u128(n)).with_file_name(format!("{}#1", Uuid::from_u128(n)))
    };
    for n in [3, 4] {
        std::fs::write(part(n), "half").unwrap();
    }
    age(&part(3), 2 * DAY);
    let before = written(&part(4)) - DAY;
    assert_eq!(blobs.sweep(before, 10).await.unwrap(), 1);
    assert_eq!((part(3).exists(), part(4).exists()), (false, true));
    whole.publish().await.unwrap();
}
