//! What becomes of the bytes of an upload that is refused: nothing is left of them.

use std::path::{Path, PathBuf};

use reqwest::Method;
use testkit::fleet::Role;

use super::problem;
use crate::stage::Stage;

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else { return Vec::new() };
    let found = entries.map(|entry| entry.expect("an entry").path());
    found.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn a_refused_upload_leaves_nothing_and_one_that_is_taken_is_stored_once() {
    let stage = Stage::shared().await;
    let tenant = stage.tenant("uploads").await;
    let store = PathBuf::from(&stage.environments.roles[&Role::Records]["GLOBCRM_RECORDS_BLOB_DIR"]);
    let stored = || -> Vec<PathBuf> {
        let all = files_below(&store).into_iter();
        all.filter(|path| path.components().any(|part| part.as_os_str() == tenant.id.as_str())).collect()
    };
    let upload = |bytes: &'static [u8]| {
        tenant.admin.call(Method::POST, "/api/v1/uploads").bytes("text/csv", bytes.to_vec()).send()
    };
    problem(&upload(b"").await, 422, "VALIDATION_FAILED");
    // The lines around the bytes of a form would be rows.
    let form = b"--XX\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nName\nMeyer\n\r\n--XX--\r\n";
    let call = tenant.admin.call(Method::POST, "/api/v1/uploads");
    let refused = call.bytes("Multipart/form-data; boundary=XX", form.to_vec()).send().await;
    problem(&refused, 415, "CONTENT_TYPE_UNSUPPORTED");
    assert_eq!(stored(), Vec::<PathBuf>::new());
    let taken = upload(b"Name\nMeyer\n").await.expect(201);
    let again = upload(b"Name\nMeyer\n").await.expect(201);
    assert_eq!(taken["sha256"], again["sha256"]);
    assert_ne!(taken["id"], again["id"]);
    let files = stored();
    assert_eq!(files.len(), 1, "{files:?}");
    assert!(files[0].ends_with(taken["sha256"].as_str().expect("a name")), "{files:?}");
}
