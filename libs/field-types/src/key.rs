//! The keys of custom fields and of their options: immutable, and safe to stand in SQL paths and URLs.

use reasons::Reason;

use crate::FieldError;

/// Longest key, in characters.
pub const KEY_CHARS: usize = 60;

/// Accepts `a-z`, `0-9` and `_`, a letter first, at most [`KEY_CHARS`] characters.
pub fn check(key: &str) -> Result<(), FieldError> {
    let mut bytes = key.bytes();
    let begins_well = bytes.next().is_some_and(|first| first.is_ascii_lowercase());
    let goes_on_well = bytes.all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if begins_well && goes_on_well && key.len() <= KEY_CHARS {
        return Ok(());
    }
    Err(FieldError::new(
        Reason::KEY_INVALID,
        format!("a key is a-z, 0-9 and _, begins with a letter and has at most {KEY_CHARS} characters"),
    ))
}
