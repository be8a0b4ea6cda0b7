//! The whole of a record's custom values.

use reasons::Reason;
use serde_json::{Map, Value};

use crate::FieldError;

/// Largest JSON of all custom values of one record, in bytes: six texts of [`crate::text::LONG_TEXT_CHARS`] characters of any script
/// (four bytes each at most), or 26 of such that are ASCII. It bounds what many fields make together, never what one may hold.
pub const CUSTOM_BYTES: usize = 256 * 1024;

/// Whether an object of canonical values has at most [`CUSTOM_BYTES`] as JSON, `times` as many allowed.
pub fn fits(values: &Map<String, Value>, times: usize) -> bool {
    let mut counter = Counter { left: CUSTOM_BYTES.saturating_mul(times) };
    serde_json::to_writer(&mut counter, values).is_ok()
}

/// The refusal of a value by which all together are too large.
pub fn too_large() -> FieldError {
    FieldError::new(
        Reason::CUSTOM_TOO_LARGE,
        format!(
            "with this value, all custom values of the record together have more than {CUSTOM_BYTES} bytes as JSON"
        ),
    )
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
