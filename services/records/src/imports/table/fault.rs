//! What is wrong with a row of a file before any field has looked at it.

use error::Reason;

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

/// A row error that the reader found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The line at which it is: of a row over several lines not always the first.
    pub(crate) line: u64,
    /// The cell in which it is; none where the row as a whole is wrong.
    pub(crate) cell: Option<usize>,
    pub(crate) reason: Reason,
    /// What is wrong, and what to do.
    pub(crate) detail: String,
}

impl Fault {
    /// A fault at a place, which its text names.
    pub(super) fn at(place: Place, reason: Reason, detail: &str) -> Self {
        let detail = format!("character {}: {detail}", place.character);
        Self { line: place.line, cell: Some(place.cell), reason, detail }
    }

    /// Whether the cells of its row may begin and end elsewhere.
    pub(super) fn is_of_quotes(&self) -> bool {
        [Reason::QUOTE_OPEN, Reason::QUOTE_IN_CELL, Reason::TEXT_AFTER_QUOTE].contains(&self.reason)
    }

    /// The name of the column in which it is; empty where there is none.
    pub(crate) fn column<'h>(&self, header: &'h [String]) -> &'h str {
        self.cell.and_then(|cell| header.get(cell)).map_or("", String::as_str)
    }
}
