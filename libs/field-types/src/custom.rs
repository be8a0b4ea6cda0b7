//! The whole of a record's custom values.

use reasons::Reason;
use serde_json::{Map, Value};

use crate::FieldError;

/// Largest JSON of all custom values of one record, in bytes.
pub const CUSTOM_BYTES: usize = 16 * 1024;

/// Refuses an object of canonical values whose JSON is longer than [`CUSTOM_BYTES`].
pub fn check_size(values: &Map<String, Value>) -> Result<(), FieldError> {
    check_size_within(values, 1)
}

/// As [`check_size`], with `times` as many bytes allowed. The error is the same.
pub fn check_size_within(values: &Map<String, Value>, times: usize) -> Result<(), FieldError> {
    let mut counter = Counter { left: CUSTOM_BYTES.saturating_mul(times) };
    if serde_json::to_writer(&mut counter, values).is_ok() {
        return Ok(());
    }
    Err(FieldError::new(
        Reason::CUSTOM_TOO_LARGE,
        format!("all custom values together have at most {CUSTOM_BYTES} bytes"),
    ))
}

/// Counts bytes instead of keeping them, and stops at the limit.
struct Counter {
    left: usize,
}

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(std::io::ErrorKind::FileTooLarge)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
