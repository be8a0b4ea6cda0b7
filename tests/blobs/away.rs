//! A server that is killed, or answers nothing.

use std::time::Duration;

use blobs::{BlobError, Blobs};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use tokio::time::timeout;
use uuid::Uuid;

use super::store::{Store, config, large, pieces, read, tenant};
use crate::waiting;

const MIB: u64 = 1 << 20;
/// Far above the deadline of the store, which is a second: without that, calls would wait for ever.
const BOUND: Duration = Duration::from_secs(30);

fn is_for_now(error: &BlobError) -> bool {
    matches!(error, BlobError::Store(_)) && !error.is_missing() && !error.is_refusal()
}

#[tokio::test]
async fn a_server_that_ends_in_the_middle_of_an_upload_ends_it_and_takes_the_next_when_it_is_back() {
    let mut store = Store::bucket("killed");
    let server = store.server.take().unwrap();
    let before = store.blobs.put(tenant(1), Uuid::from_u128(1), 100, pieces(&["before"])).await.unwrap();
    // The first parts are stored, and then the server is gone.
    let mut pieces_sent = 0;
    let kills = large(20).map(|piece| {
        pieces_sent += 1;
        if pieces_sent == 11 * 16 {
            server.kill().unwrap();
        }
        piece
    });
    let staged = timeout(BOUND, store.blobs.stage(tenant(1), Uuid::from_u128(2), 100 * MIB, kills)).await;
    let error = staged.expect("it ends by itself").err().unwrap();
    assert!(is_for_now(&error), "{error:?}");
    let error = store.blobs.read(tenant(1), &before.sha256, 0).await.err().unwrap();
    assert!(is_for_now(&error), "{error:?}");
    assert!(is_for_now(&store.blobs.check().await.unwrap_err()));
    store.server = Some(server);
    store.server.as_mut().unwrap().restart().unwrap();
    assert_eq!(store.files().len(), 1, "there is no half of an object");
    assert_eq!(read(&store.blobs, tenant(1), &before, 0).await, b"before");
    store.blobs.put(tenant(1), Uuid::from_u128(3), 100 * MIB, large(6)).await.unwrap();
    assert_eq!(store.files().len(), 2);
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_given_up_in_time() {
    let store = Store::bucket("paused");
    let server = store.server.as_ref().unwrap();
    let blob = store.blobs.put(tenant(1), Uuid::from_u128(1), 100, pieces(&["before"])).await.unwrap();
    let staged = store.blobs.stage(tenant(1), Uuid::from_u128(2), 100, pieces(&["staged"])).await.unwrap();
    server.pause();
    let blobs = &store.blobs;
    let stage = async { blobs.stage(tenant(1), Uuid::from_u128(3), 100, pieces(&["x"])).await.map(drop) };
    let read_one = async { blobs.read(tenant(1), &blob.sha256, 0).await.map(drop) };
    let publish = async { staged.publish().await.map(drop) };
    let delete = async { blobs.delete(tenant(1), &blob.sha256).await };
    let sweep = async { blobs.sweep(std::time::UNIX_EPOCH, 10).await.map(drop) };
    let all = async { tokio::join!(stage, read_one, publish, delete, sweep) };
    let (stage, read_one, publish, delete, sweep) = timeout(BOUND, all).await.expect("all end by themselves");
    for ended in [stage, read_one, publish, delete, sweep] {
        let error = ended.unwrap_err();
        assert!(is_for_now(&error), "{error:?}");
    }
    server.resume();
    let again = async || blobs.put(tenant(1), Uuid::from_u128(4), 100, pieces(&["after"])).await;
    waiting::outcome(BOUND, "it takes files again", again).await;
}

#[tokio::test]
async fn a_server_that_stops_in_the_middle_of_an_answer_is_given_up_in_time() {
    let store = Store::bucket("stalls");
    let server = store.server.as_ref().unwrap();
    // More than the buffers of the connection have room for.
    let blob = store.blobs.put(tenant(1), Uuid::from_u128(1), 100 * MIB, large(40)).await.unwrap();
    let mut bytes = store.blobs.read(tenant(1), &blob.sha256, 0).await.unwrap();
    let first: Bytes = bytes.try_next().await.unwrap().unwrap();
    server.pause();
    let rest =
        timeout(BOUND, bytes.map_ok(|piece| piece.len() as u64).try_fold(0, async |sum, n| Ok(sum + n)))
            .await;
    let error = rest.expect("it ends by itself").unwrap_err();
    assert!(is_for_now(&error), "{error:?} after {} bytes", first.len());
    server.resume();
}

#[tokio::test]
async fn a_store_that_was_never_there_is_away_and_no_refusal() {
    let store = Store::bucket("nowhere");
    let mut config = config(store.server.as_ref().unwrap());
    // Nobody listens on the port of "discard".
    config.endpoint = Some("http://127.0.0.1:9".to_owned());
    let blobs = Blobs::in_bucket(&config).unwrap();
    let error = blobs.check().await.unwrap_err();
    assert!(is_for_now(&error), "{error:?}");
    let sent = stream::iter([Ok::<_, std::io::Error>(Bytes::from_static(b"x"))]);
    assert!(is_for_now(&blobs.put(tenant(1), Uuid::from_u128(1), 100, sent).await.unwrap_err()));
}
