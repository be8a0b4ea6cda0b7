//! The errors of rows that a batch keeps: of an operation only so many, and so many bytes. The rest is counted.

use crate::{RowError, Tally};

/// Row errors kept for an operation, and their bytes. Far fewer are enough to show what is wrong.
pub const MAX_ERRORS: i64 = 10_000;
const MAX_BYTES: i64 = 2 << 20;

/// The errors of a batch, as many as may still be kept.
#[derive(Debug)]
pub struct KeptErrors {
    errors: Vec<RowError>,
    /// Those of the whole operation, and their bytes.
    count: i64,
    bytes: i64,
    omitted: i64,
}

impl KeptErrors {
    /// None yet; `held` are those of the batches before, and their bytes.
    pub fn new(held: (i64, i64)) -> Self {
        Self { errors: Vec::new(), count: held.0, bytes: held.1, omitted: 0 }
    }

    /// Keeps an error. The first that does not fit ends the list: it has no holes.
    pub fn push(&mut self, error: RowError) {
        let bytes = error.bytes() as i64;
        if self.omitted > 0 || self.count >= MAX_ERRORS || self.bytes + bytes > MAX_BYTES {
            self.omitted += 1;
            return;
        }
        self.count += 1;
        self.bytes += bytes;
        self.errors.push(error);
    }

    /// The errors, which `tally` has counted then.
    pub fn counted(self, tally: &mut Tally) -> Vec<RowError> {
        tally.errors_kept = self.errors.len() as i64;
        tally.error_bytes = self.errors.iter().map(|error| error.bytes() as i64).sum();
        tally.errors_omitted = self.omitted;
        self.errors
    }
}
