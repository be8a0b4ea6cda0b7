//! Answers and plans that must not change unseen: each compares with a file beside it.

mod document;
mod lists;
mod permissions;
mod statements;

/// Compares with the committed text; on a difference shows the new one, to be read and then copied.
#[track_caller]
fn same(file: &str, committed: &str, found: &str) {
    let line =
        committed.lines().zip(found.lines()).position(|(a, b)| a != b).unwrap_or(committed.lines().count());
    assert!(committed == found, "tests/golden/{file} differs from line {} on; it is now:\n{found}", line + 1);
}
