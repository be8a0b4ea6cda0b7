//! The rows of a text by the grammar of RFC 4180, and what breaks it.
//!
//! A row with a misplaced quote must not pull in the rows behind it, nor may a line within one of its cells be taken for a row: the
//! reader goes on behind it only at a line end at which its cells are closed *and* its quotes are even. Up to there, at the worst up
//! to the end of the file, all is that one row, of which nothing is made.

use std::io::{self, Read};

use error::Reason;
use imports::Fault;

use super::MAX_ROW;
use super::fault::{self, Place, is_of_quotes};
use super::text::{Piece, Text};

/// How cells are told apart. Both are ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// None: quotes are characters like others.
    pub(crate) quote: Option<u8>,
}

/// A row as it is written.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) line: u64,
    /// The first cells.
    pub(super) cells: Vec<String>,
    /// How many cells it has.
    pub(super) width: usize,
    pub(super) faults: Vec<Fault>,
}

/// The rows of a text.
pub(super) struct Rows<R> {
    text: Text<R>,
    scanner: Scanner,
}

impl<R: Read> Rows<R> {
    /// The rows, with their first `kept` cells.
    pub(super) fn new(text: Text<R>, dialect: Dialect, kept: usize) -> Self {
        Self { text, scanner: Scanner::new(dialect, kept) }
    }

    /// From here on only so many cells of a row are kept.
    pub(super) fn keep(&mut self, cells: usize) {
        self.scanner.kept = cells;
    }

    /// The next row; a blank line is none.
    pub(super) fn next(&mut self) -> io::Result<Option<Raw>> {
        loop {
            match self.text.piece()? {
                Piece::Text(text) => {
                    let (passed, ended) = self.scanner.feed(text);
                    self.text.pass(passed);
                    if ended {
                        return Ok(Some(self.scanner.take_row()));
                    }
                }
                Piece::Malformed => {
                    self.scanner.malformed();
                    self.text.pass_malformed();
                }
                Piece::End => return Ok(self.scanner.end()),
            }
        }
    }
}

/// Where the next character stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a row.
    Row,
    /// At the beginning of a cell.
    Cell,
    /// Behind blanks at the beginning of a cell.
    Blank,
    /// In a cell without quotes.
    Bare,
    /// In a cell within quotes.
    Quoted,
    /// Behind a quote that ends the cell, or is the first of two.
    Closed,
    /// Behind such a quote and blanks, in a row with a misplaced quote.
    ClosedBlank,
}

struct Scanner {
    dialect: Dialect,
    kept: usize,
    line: u64,
    /// Characters of the line so far.
    character: u64,
    after_return: bool,
    state: State,
    row: Parts,
}

/// A row that has not ended.
struct Parts {
    line: u64,
    cells: Vec<String>,
    /// Cells that have ended, kept or not.
    width: usize,
    cell: Vec<u8>,
    /// Bytes of all its cells that were kept.
    bytes: usize,
    /// Where the last quote opened.
    opened: Place,
    /// Where the quote opened that is misplaced or wrongly closed: from there on quotes are counted, not believed.
    torn: Option<Place>,
    /// Whether an odd number of quotes was seen.
    is_odd: bool,
    faults: Vec<Fault>,
}

impl Parts {
    fn new() -> Self {
        let opened = Place { line: 0, character: 0, cell: 0 };
        Self {
            line: 0,
            cells: Vec::new(),
            width: 0,
            cell: Vec::new(),
            bytes: 0,
            opened,
            torn: None,
            is_odd: false,
            faults: Vec::new(),
        }
    }

    /// Notes what is wrong: each reason once in a row, and the first of what quotes can be.
    fn fault(&mut self, place: Place, reason: Reason, detail: &str) {
        let fault = fault::at(place, reason, detail);
        let is_known =
            |known: &Fault| known.reason == fault.reason || (is_of_quotes(known) && is_of_quotes(&fault));
        if !self.faults.iter().any(is_known) {
            self.faults.push(fault);
        }
    }
}

impl Scanner {
    fn new(dialect: Dialect, kept: usize) -> Self {
        let (state, row) = (State::Row, Parts::new());
        Self { dialect, kept, line: 1, character: 0, after_return: false, state, row }
    }

    fn here(&self) -> Place {
        Place { line: self.line, character: self.character + 1, cell: self.row.width }
    }

    /// Reads up to the end of a row or of the text; how far it came, and whether a row has ended.
    fn feed(&mut self, text: &[u8]) -> (usize, bool) {
        let mut at = 0;
        while let Some(byte) = text.get(at).copied() {
            let repeats = byte == b'\n' && self.after_return;
            self.after_return = byte == b'\r';
            if repeats {
                at += 1;
            } else if matches!(byte, b'\n' | b'\r') {
                at += 1;
                if self.line_end() {
                    return (at, true);
                }
            } else {
                let run = self.plain(&text[at..]);
                match text.get(at..at + run) {
                    Some(run) if !run.is_empty() => self.push(run),
                    _ => self.step(byte),
                }
                at += run.max(1);
            }
        }
        (at, false)
    }

    /// How many bytes change nothing: neither the cell ends with them nor is it in doubt.
    fn plain(&self, text: &[u8]) -> usize {
        let Dialect { delimiter, quote } = self.dialect;
        let ends = |byte: u8| Some(byte) == quote || byte == b'\n' || byte == b'\r';
        let found = match self.state {
            State::Bare => text.iter().position(|byte| *byte == delimiter || ends(*byte)),
            State::Quoted => text.iter().position(|byte| ends(*byte)),
            _ => return 0,
        };
        found.unwrap_or(text.len())
    }

    /// Takes one byte that is not of a line end.
    fn step(&mut self, byte: u8) {
        self.begin();
        let is_delimiter = byte == self.dialect.delimiter;
        let is_quote = Some(byte) == self.dialect.quote;
        let is_blank = matches!(byte, b' ' | b'\t');
        let is_torn = self.row.torn.is_some();
        match self.state {
            State::Quoted if is_quote => {
                self.row.is_odd = !self.row.is_odd;
                self.state = State::Closed;
                self.character += 1;
            }
            State::Quoted => self.push(&[byte]),
            _ if is_delimiter => {
                self.end_cell();
                self.state = State::Cell;
                self.character += 1;
            }
            State::Row | State::Cell if is_quote => self.open(),
            State::Blank if is_quote => {
                let text = "a blank before the quote: a quoted cell begins with its quote";
                self.tear(self.here(), Reason::QUOTE_IN_CELL, text);
                self.open();
            }
            State::Row | State::Cell | State::Blank => {
                self.push(&[byte]);
                self.state = if is_blank { State::Blank } else { State::Bare };
            }
            State::Bare if is_quote => {
                let text = "a quote in a cell without quotes: put the cell within quotes, and write its own quotes twice";
                self.row.fault(self.here(), Reason::QUOTE_IN_CELL, text);
                // Where cells begin and end is in doubt, each quote counts.
                self.row.is_odd ^= is_torn;
                self.push(&[byte]);
            }
            State::Bare => self.push(&[byte]),
            State::Closed if is_quote => {
                self.row.is_odd = !self.row.is_odd;
                self.push(&[byte]);
                self.state = State::Quoted;
            }
            State::ClosedBlank if is_quote => {
                self.row.is_odd = !self.row.is_odd;
                self.character += 1;
                self.state = State::Closed;
            }
            State::Closed | State::ClosedBlank => {
                self.after_quote();
                self.push(&[byte]);
                self.state = if is_blank { State::ClosedBlank } else { State::Quoted };
            }
        }
    }

    /// Text follows the quote that should have ended the cell.
    fn after_quote(&mut self) {
        let text = match self.row.opened.line {
            line if line == self.line => {
                format!(
                    "text after the quote that closes the cell, at character {}: write quotes within a cell twice",
                    self.character + 1
                )
            }
            _ => format!(
                "the quote that opens here is closed before text at line {}, character {}: close it, or write quotes within a cell twice",
                self.line,
                self.character + 1
            ),
        };
        self.tear(self.row.opened, Reason::TEXT_AFTER_QUOTE, &text);
    }

    fn tear(&mut self, place: Place, reason: Reason, text: &str) {
        self.row.fault(place, reason, text);
        self.row.torn.get_or_insert(place);
    }

    fn open(&mut self) {
        self.row.opened = self.here();
        self.row.is_odd = !self.row.is_odd;
        self.character += 1;
        self.state = State::Quoted;
    }

    /// Bytes that are no character.
    fn malformed(&mut self) {
        self.after_return = false;
        self.begin();
        let text = "bytes that are not of the file's encoding";
        self.row.fault(self.here(), Reason::ENCODING_INVALID, text);
        if matches!(self.state, State::Closed | State::ClosedBlank) {
            self.after_quote();
        }
        self.push("\u{fffd}".as_bytes());
        self.state = match self.state {
            State::Quoted | State::Closed | State::ClosedBlank => State::Quoted,
            _ => State::Bare,
        };
    }

    fn begin(&mut self) {
        if self.state == State::Row {
            self.row.line = self.line;
        }
    }

    /// Adds to the cell what the row has room for.
    fn push(&mut self, text: &[u8]) {
        let room = MAX_ROW.saturating_sub(self.row.bytes);
        let fits = &text[..text.len().min(room)];
        if fits.len() < text.len() {
            let place = if self.line == self.row.line {
                Place { character: self.character + counted(fits) + 1, ..self.here() }
            } else {
                // Where a row ends that goes over many lines says nothing: it is looked for where it begins.
                Place { line: self.row.line, character: 1, ..self.here() }
            };
            self.row.fault(place, Reason::ROW_TOO_LONG, "the row has more than 1 MiB before it ends");
        }
        self.row.bytes += fits.len();
        if self.row.width < self.kept {
            self.row.cell.extend_from_slice(fits);
        }
        self.character += counted(text);
    }

    fn end_cell(&mut self) {
        if self.row.width < self.kept {
            // It is UTF-8, but where it was cut.
            self.row.cells.push(String::from_utf8_lossy(&self.row.cell).into_owned());
            self.row.cell.clear();
        }
        self.row.width += 1;
    }

    /// A line has ended; whether the row has, too.
    fn line_end(&mut self) -> bool {
        let ends = match self.state {
            State::Row => false,
            State::Quoted => {
                self.push(b"\n");
                false
            }
            _ => {
                self.end_cell();
                self.state = State::Cell;
                self.row.torn.is_none() || !self.row.is_odd
            }
        };
        self.line += 1;
        self.character = 0;
        ends
    }

    /// The row that has ended.
    fn take_row(&mut self) -> Raw {
        self.state = State::Row;
        let Parts { line, cells, width, mut faults, .. } = std::mem::replace(&mut self.row, Parts::new());
        // The line end was read.
        let last = self.line - 1;
        if last > line {
            for fault in faults.iter_mut().filter(|fault| is_of_quotes(fault)) {
                fault.detail.push_str(&format!("; nothing was made of lines {line} to {last}"));
            }
        }
        Raw { line, cells, width, faults }
    }

    /// The last row, when the text has ended.
    fn end(&mut self) -> Option<Raw> {
        let open = match self.state {
            State::Row => return None,
            State::Quoted => Some(self.row.torn.unwrap_or(self.row.opened)),
            _ => self.row.torn.filter(|_| self.row.is_odd),
        };
        if let Some(place) = open {
            self.row.faults.retain(|fault| !is_of_quotes(fault));
            let text = "the quote is never closed, and the rest of the file cannot be told apart";
            self.row.fault(place, Reason::QUOTE_OPEN, text);
        }
        // In a row that goes on for its quotes, the line before has ended its cells.
        if self.state != State::Cell || self.row.torn.is_none() || self.character > 0 {
            self.end_cell();
        }
        self.line += u64::from(self.character > 0);
        self.character = 0;
        Some(self.take_row())
    }
}

/// Characters of a piece of text: bytes that go on with one do not count.
fn counted(text: &[u8]) -> u64 {
    text.iter().filter(|byte| **byte & 0xc0 != 0x80).count() as u64
}
