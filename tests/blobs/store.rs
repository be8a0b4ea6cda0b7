//! Stores for tests. Both keep objects as files below a directory by their names: the S3 server does the same with a bucket.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use blobs::{Blob, Blobs, Keys, S3Config};
use bytes::Bytes;
use config::{Hot, SecretString};
use futures_util::{Stream, TryStreamExt, stream};
use ids::TenantId;
use testkit::s3::S3Server;
use uuid::Uuid;

/// The bucket of every test.
pub(super) const BUCKET: &str = "files";
/// Where the S3 server keeps parts of unfinished objects.
const PARTS: &str = ".sgwtmp";

/// A store of a test's own; gone with the value.
pub(super) struct Store {
    pub(super) blobs: Blobs,
    /// Below it are its objects.
    pub(super) root: PathBuf,
    pub(super) server: Option<S3Server>,
    scratch: PathBuf,
}

impl Store {
    pub(super) fn directory(name: &str) -> Self {
        let scratch = scratch(&format!("directory-{name}"));
        let blobs = Blobs::in_directory(&scratch).unwrap();
        Self { blobs, root: scratch.clone(), server: None, scratch }
    }

    pub(super) fn bucket(name: &str) -> Self {
        let scratch = scratch(&format!("bucket-{name}"));
        let server = S3Server::start(&program(), &scratch, None).unwrap();
        let root = server.make_bucket(BUCKET).unwrap();
        let blobs = Blobs::in_bucket(&config(&server)).unwrap();
        Self { blobs, root, server: Some(server), scratch }
    }

    /// The files of whole objects.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = files_below(&self.root);
        files.retain(|file| !file.starts_with(self.root.join(PARTS)));
        files
    }

    /// The files of parts that no object is made of yet.
    pub(super) fn parts(&self) -> Vec<PathBuf> {
        files_below(&self.root.join(PARTS))
    }

    /// Where an object is until it has its name.
    pub(super) fn incoming(&self, tenant: TenantId, temporary: Uuid) -> PathBuf {
        self.root.join("incoming").join(tenant.to_string()).join(temporary.to_string())
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.server = None;
        if let Err(error) = std::fs::remove_dir_all(&self.scratch) {
            eprintln!("{}: {error}", self.scratch.display());
        }
    }
}

/// An empty directory's name, in the target directory.
pub(super) fn scratch(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("blobs-{name}-{}", std::process::id()));
    if dir.exists() {
        std::fs::remove_dir_all(&dir).unwrap();
    }
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

/// The S3 server that `cargo xtask test blobs` has built.
pub(super) fn program() -> PathBuf {
    std::env::var_os("GLOBCRM_TEST_S3_SERVER").expect("run it by `cargo xtask test blobs`").into()
}

/// The bucket of a server, with the shortest deadline that settings take.
pub(super) fn config(server: &S3Server) -> S3Config {
    let (id, secret) = server.keys();
    S3Config {
        bucket: BUCKET.to_owned(),
        endpoint: Some(server.url()),
        region: "us-east-1".to_owned(),
        virtual_hosted: false,
        allow_http: server.url().starts_with("http:"),
        ca_file: PathBuf::new(),
        timeout: Duration::from_secs(1),
        keys: Hot::new(keys(id, secret)),
    }
}

pub(super) fn keys(id: &str, secret: &str) -> Keys {
    Keys { id: Some(SecretString::from(id)), secret: Some(SecretString::from(secret)) }
}

pub(super) fn tenant(n: u128) -> TenantId {
    TenantId::from(Uuid::from_u128(n))
}

pub(super) fn pieces(parts: &[&'static str]) -> impl Stream<Item = io::Result<Bytes>> + Unpin + use<> {
    stream::iter(parts.iter().map(|p| Ok(Bytes::from_static(p.as_bytes()))).collect::<Vec<_>>())
}

/// So many MiB, no two of which are equal, in pieces as a client sends them.
pub(super) fn large(mebibytes: u32) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
    stream::iter((0..mebibytes * 16).map(|n| Ok(Bytes::from(n.to_be_bytes().repeat(1 << 14)))))
}

pub(super) async fn read(blobs: &Blobs, tenant: TenantId, blob: &Blob, from: u64) -> Vec<u8> {
    let parts: Vec<Bytes> =
        blobs.read(tenant, &blob.sha256, from).await.unwrap().try_collect().await.unwrap();
    parts.concat()
}

pub(super) fn written(file: &Path) -> SystemTime {
    std::fs::metadata(file).unwrap().modified().unwrap()
}

pub(super) fn age(file: &Path, by: Duration) {
    std::fs::File::options().write(true).open(file).unwrap().set_modified(written(file) - by).unwrap();
}

/// Directories may go while we look.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(found) = std::fs::read_dir(dir) else { return Vec::new() };
    let found = found.filter_map(|entry| Some(entry.ok()?.path()));
    found.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}
