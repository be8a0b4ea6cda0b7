//! The whole of a record's custom values.

use serde_json::{Map, Value};

use crate::FieldError;

/// Largest JSON of all custom values of one record, in bytes.
pub const CUSTOM_BYTES: usize = 16 * 1024;

/// Refuses an object of canonical values whose JSON is longer than [`CUSTOM_BYTES`].
pub fn check_size(values: &Map<String, Value>) -> Result<(), FieldError> {
    let mut counter = Counter(0);
    let counted = serde_json::to_writer(&mut counter, values);
    if counted.is_ok() && counter.0 <= CUSTOM_BYTES {
        return Ok(());
    }
    Err(FieldError::new(
        "CUSTOM_TOO_LARGE",
        format!("all custom values together have at most {CUSTOM_BYTES} bytes"),
    ))
}

/// Counts bytes instead of keeping them, and stops at the limit.
struct Counter(usize);

impl std::io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0 += bytes.len();
        if self.0 > CUSTOM_BYTES {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
