//! Who may do what: keys, buckets, certificates.

use std::path::Path;

use blobs::{BlobError, Blobs, S3Config};
use config::ExposeSecret;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use testkit::s3::S3Server;
use uuid::Uuid;

use super::store::{BUCKET, Store, config, keys, pieces, program, read, scratch, tenant};

/// What a log would have of it.
fn told(error: &BlobError) -> String {
    format!("{} {error:?}", error::chain(error))
}

/// All that goes over the wire is refused, and nothing is taken for missing.
async fn is_refused(blobs: &Blobs, sha256: &str, says: &str, config: &S3Config) {
    let stage = blobs.stage(tenant(1), Uuid::from_u128(7), 100, pieces(&["x"])).await.map(drop);
    let read = blobs.read(tenant(1), sha256, 0).await.map(drop);
    let delete = blobs.delete(tenant(1), sha256).await;
    let sweep = blobs.sweep(std::time::UNIX_EPOCH, 10).await.map(drop);
    for ended in [blobs.check().await, stage, read, delete, sweep] {
        let error = ended.unwrap_err();
        assert!(error.is_refusal() && !error.is_missing(), "{error:?}");
        let told = told(&error);
        assert!(told.contains(says), "{told}");
        let keys = config.keys.get();
        for secret in [&keys.id, &keys.secret].into_iter().flatten() {
            assert!(!told.contains(secret.expose_secret()), "a key is told: {told}");
        }
    }
}

#[tokio::test]
async fn wrong_keys_are_refused_until_they_are_exchanged() {
    let store = Store::bucket("keys");
    let server = store.server.as_ref().unwrap();
    let (id, secret) = server.keys();
    let blob = store.blobs.put(tenant(1), Uuid::from_u128(1), 100, pieces(&["there"])).await.unwrap();
    let config = config(server);
    let blobs = Blobs::in_bucket(&config).unwrap();
    for wrong in [keys(id, "not-the-secret-of-this-key"), keys("NOT-A-KEY-ID-OF-THIS-SERVER", secret)] {
        config.keys.set(wrong);
        is_refused(&blobs, &blob.sha256, "S3_ACCESS_KEY_ID", &config).await;
    }
    config.keys.set(keys(id, secret));
    assert_eq!(read(&blobs, tenant(1), &blob, 0).await, b"there");
    assert_eq!(store.files().len(), 1);
}

#[tokio::test]
async fn where_there_is_no_bucket_nothing_is_missing_or_deleted() {
    let store = Store::bucket("no-bucket");
    let mut config = config(store.server.as_ref().unwrap());
    config.bucket = "another".to_owned();
    let blobs = Blobs::in_bucket(&config).unwrap();
    is_refused(&blobs, "b94d27", "S3_BUCKET", &config).await;
}

/// An authority and a certificate for localhost by it: files with the authority's certificate, the certificate and its key.
fn certificates(directory: &Path) -> [std::path::PathBuf; 3] {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.signed_by(&key, &authority).unwrap();
    let files = [("ca", authority.pem()), ("certificate", certificate.pem()), ("key", key.serialize_pem())];
    files.map(|(name, text)| {
        let file = directory.join(format!("{name}.pem"));
        std::fs::write(&file, text).unwrap();
        file
    })
}

#[tokio::test]
async fn a_server_is_trusted_by_its_authority_and_by_no_other() {
    let directory = scratch("tls");
    let [ca, certificate, key] = certificates(&directory);
    let server = S3Server::start(&program(), &directory.join("server"), Some((&certificate, &key))).unwrap();
    server.make_bucket(BUCKET).unwrap();
    let mut config = config(&server);
    assert!(Blobs::in_bucket(&config).is_err(), "there are no certificates");
    config.ca_file = ca;
    let blobs = Blobs::in_bucket(&config).unwrap();
    let blob = blobs.put(tenant(1), Uuid::from_u128(1), 100, pieces(&["secret"])).await.unwrap();
    assert_eq!(read(&blobs, tenant(1), &blob, 0).await, b"secret");
    let other = scratch("tls-other");
    [config.ca_file, ..] = certificates(&other);
    let error = Blobs::in_bucket(&config).unwrap().check().await.unwrap_err();
    assert!(told(&error).contains("certificate"), "{}", told(&error));
    drop(server);
    for directory in [directory, other] {
        std::fs::remove_dir_all(directory).unwrap();
    }
}
