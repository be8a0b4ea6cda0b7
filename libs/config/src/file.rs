//! Files of operators, read within a bound: what a variable names may be anything.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// Most bytes of a secret, or of another file that a setting names.
pub(crate) const LONGEST: u64 = 1 << 20;

/// What is in a file of at most so many bytes.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, ErrorKind> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).map_err(|error| error.kind())?.take(most + 1);
    let read = file.read_to_end(&mut bytes).map_err(|error| error.kind())?;
    if read as u64 > most { Err(ErrorKind::FileTooLarge) } else { Ok(bytes) }
}

/// The text of a file of at most so many bytes.
pub(crate) fn text(path: &Path, most: u64) -> Result<String, ErrorKind> {
    String::from_utf8(bytes(path, most)?).map_err(|_| ErrorKind::InvalidData)
}
