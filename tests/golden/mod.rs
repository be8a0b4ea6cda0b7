//! Answers and plans that must not change unseen: each compares with a file beside it.

mod document;
mod lists;
mod permissions;
mod statements;

/// Compares with the committed text; a difference shows the new one. With `GLOBCRM_GOLDEN=write` the file is written instead, and
/// `git diff` shows what changed.
#[track_caller]
fn same(file: &str, committed: &str, found: &str) {
    if std::env::var("GLOBCRM_GOLDEN").is_ok_and(|value| value == "write") {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
        return std::fs::write(path, found).expect("a golden file can be written");
    }
    let line =
        committed.lines().zip(found.lines()).position(|(a, b)| a != b).unwrap_or(committed.lines().count());
    assert!(committed == found, "tests/golden/{file} differs from line {} on; it is now:\n{found}", line + 1);
}
