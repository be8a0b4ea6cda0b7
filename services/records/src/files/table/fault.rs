//! What is wrong with a row of a file before any field has looked at it: how it is said.

use error::Reason;
use imports::Fault;

/// A place in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// From 1.
    pub(super) line: u64,
    /// The character of the line, from 1.
    pub(super) character: u64,
    /// The cell of the row, from 0.
    pub(super) cell: usize,
}

/// A fault at a place, which its text names.
pub(super) fn at(place: Place, reason: Reason, detail: &str) -> Fault {
    let detail = format!("character {}: {detail}", place.character);
    Fault { line: place.line, cell: Some(place.cell), reason, detail }
}

/// Whether the cells of its row may begin and end elsewhere.
pub(super) fn is_of_quotes(fault: &Fault) -> bool {
    [Reason::QUOTE_OPEN, Reason::QUOTE_IN_CELL, Reason::TEXT_AFTER_QUOTE].contains(&fault.reason)
}
