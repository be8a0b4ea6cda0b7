//! The form of a file: its encoding, how its cells are told apart, and where its header is.
//!
//! What the caller names is taken; a first line `sep=;` is; what is left is what gives the mapped columns and rows as wide as the
//! header.

use std::collections::BTreeSet;
use std::io::{self, Read};

use encoding_rs::{Encoding, UTF_8};

use super::encoding;
use super::fault;
use super::grammar::{Dialect, Raw, Rows};
use super::text::{Piece, Text};
use super::{MAX_COLUMNS, TableError};
use imports::simplified;

/// Bytes of text by which the form is found out.
const HEAD: usize = 256 << 10;
/// Rows by which it is.
const SAMPLE: usize = 50;
/// Rows that may stand before the header: titles and comments.
const PREAMBLE: usize = 20;
/// In this order where nothing else decides.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What stands around cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Quote {
    /// `"`.
    #[default]
    Double,
    /// `'`.
    Single,
    /// Nothing: quotes are characters like others.
    None,
}

impl Quote {
    fn byte(self) -> Option<u8> {
        match self {
            Self::Double => Some(b'"'),
            Self::Single => Some(b'\''),
            Self::None => None,
        }
    }
}

/// What a caller says about a file.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Options {
    pub(crate) encoding: Option<&'static Encoding>,
    pub(crate) delimiter: Option<u8>,
    pub(crate) quote: Quote,
}

/// How a file is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) encoding: &'static Encoding,
    /// Bytes of its byte order mark.
    pub(super) mark: usize,
    pub(crate) dialect: Dialect,
    /// The line on which the header begins.
    pub(crate) header_line: u64,
}

/// A delimiter that a caller or a file may name.
pub(crate) fn delimiter(named: &str) -> Option<u8> {
    let [byte] = named.as_bytes() else { return None };
    let is_plain =
        *byte == b'\t' || (byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric()) || *byte == b' ';
    // They have other meanings in a table.
    (is_plain && !matches!(byte, b'"' | b'\'' | b'.' | b'-' | b'+' | b'@' | b'_')).then_some(*byte)
}

impl Form {
    /// Finds out the form. `mapped` are the columns that the header should have.
    pub(crate) fn detect(
        open: &impl Fn() -> io::Result<Box<dyn Read>>,
        options: &Options,
        mapped: &[&str],
    ) -> Result<Self, TableError> {
        let (encoding, mark) = encoding::detect(open, options.encoding)?;
        let head = Head::read(open()?, encoding, mark)?;
        let hint = head.hint();
        let skipped = u64::from(hint.is_some());
        let named = options.delimiter.or(hint);
        let delimiters = named.as_ref().map_or(&DELIMITERS[..], std::slice::from_ref);
        // As the columns of a mapping are found in the header.
        let mapped: BTreeSet<String> = mapped.iter().map(|name| simplified(name)).collect();
        let mut best: Option<(Score, Dialect, u64)> = None;
        for delimiter in delimiters {
            let dialect = Dialect { delimiter: *delimiter, quote: options.quote.byte() };
            let rows = head.rows(dialect, skipped)?;
            let Some(at) = header(&rows, &mapped) else { continue };
            let score = Score { is_first: at == 0, ..Score::of(&rows[at..], &mapped) };
            // Of equals the first.
            if best.as_ref().is_none_or(|(known, ..)| score > *known) {
                best = Some((score, dialect, rows[at].line));
            }
        }
        let (_, dialect, header_line) = best.ok_or(TableError::Empty)?;
        Ok(Self { encoding, mark, dialect, header_line })
    }
}

/// The beginning of a file as text.
struct Head {
    text: Vec<u8>,
    /// Whether it is the whole file.
    is_whole: bool,
}

impl Head {
    fn read(mut source: impl Read, encoding: &'static Encoding, mark: usize) -> Result<Self, TableError> {
        source.read_exact(&mut vec![0; mark])?;
        let mut source = Text::new(source, encoding);
        let (mut text, mut is_whole) = (Vec::new(), false);
        while !is_whole && text.len() < HEAD {
            match source.piece()? {
                Piece::Text(piece) => {
                    let length = piece.len();
                    text.extend_from_slice(piece);
                    source.pass(length);
                }
                Piece::Malformed => {
                    text.extend_from_slice("\u{fffd}".as_bytes());
                    source.pass_malformed();
                }
                Piece::End => is_whole = true,
            }
        }
        Ok(Self { text, is_whole })
    }

    /// The delimiter that the first line names, as spreadsheets write and read it: `sep=;`.
    fn hint(&self) -> Option<u8> {
        let line = self.text.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
        let line = std::str::from_utf8(line).ok()?.trim_matches(['"', ' ']);
        let (name, named) = line.split_at_checked(4)?;
        if !name.eq_ignore_ascii_case("sep=") {
            return None;
        }
        // A program that has read the hint may have filled the line up with empty cells.
        let first = named.get(..1)?;
        let is_one = named.trim_end_matches(['"']).split(first).all(str::is_empty);
        delimiter(first).filter(|_| is_one)
    }

    /// The first rows behind the first `skipped` lines; one that is cut off is none of them.
    fn rows(&self, dialect: Dialect, skipped: u64) -> io::Result<Vec<Raw>> {
        let mut rows = Rows::new(Text::new(self.text.as_slice(), UTF_8), dialect, MAX_COLUMNS);
        let mut sample: Vec<Raw> = Vec::new();
        while sample.len() < SAMPLE {
            let Some(row) = rows.next()? else {
                // But a header is read where it is, however long it is.
                if !self.is_whole && sample.len() > 1 {
                    sample.pop();
                }
                break;
            };
            sample.push(row);
        }
        sample.retain(|row| row.line > skipped);
        Ok(sample)
    }
}

/// The row that is the header: the first with all mapped columns. Else the first but for a title, that is one cell above rows of
/// several.
fn header(rows: &[Raw], mapped: &BTreeSet<String>) -> Option<usize> {
    let first = rows.iter().take(PREAMBLE).position(|row| !mapped.is_empty() && has(row, mapped));
    first.or_else(|| {
        let filled = |row: &Raw| row.cells.iter().filter(|cell| !cell.trim().is_empty()).count();
        let titles = rows.iter().take(PREAMBLE).take_while(|row| filled(row) < 2).count();
        let table = &rows[titles..];
        let is_table = table.len() > 1 && table.iter().all(|row| row.width == table[0].width);
        if is_table { Some(titles) } else { (!rows.is_empty()).then_some(0) }
    })
}

fn has(row: &Raw, mapped: &BTreeSet<String>) -> bool {
    let cells: BTreeSet<String> = row.cells.iter().map(|cell| simplified(cell)).collect();
    mapped.is_subset(&cells)
}

/// How well a delimiter fits; the first member that differs decides.
#[derive(Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    has_mapped: bool,
    is_sound: bool,
    is_several: bool,
    /// Nothing had to be taken for a title.
    is_first: bool,
    /// Of a thousand rows, those with as many cells as the header.
    consistent: usize,
    /// Delimiters with a blank behind them are commas of a sentence.
    is_tight: bool,
    columns: usize,
}

impl Score {
    fn of(rows: &[Raw], mapped: &BTreeSet<String>) -> Self {
        let Some((header, rows)) = rows.split_first() else {
            return Self::default();
        };
        let is_several = header.width > 1;
        // Rows of several cells below one column lack a name: cut, they are refused, instead of being taken for one text.
        let fits = |row: &&Raw| {
            let is_cut = if is_several { row.width == header.width } else { row.width > 1 };
            is_cut && !row.faults.iter().any(fault::is_of_quotes)
        };
        let consistent = rows.iter().filter(fits).count() * 1_000 / rows.len().max(1);
        Self {
            has_mapped: !mapped.is_empty() && has(header, mapped),
            is_sound: header.faults.is_empty(),
            is_several,
            is_first: false,
            consistent: if is_several || consistent >= 500 { consistent } else { 0 },
            is_tight: !header.cells.iter().skip(1).any(|cell| cell.starts_with(' ')),
            columns: header.width,
        }
    }
}
