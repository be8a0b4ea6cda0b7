//! A CSV file as exports of other systems are, read strictly: what the grammar of RFC 4180 does not have is a fault of its row,
//! with its place, and never a value.
//!
//! Read as a stream: neither the file nor a row beyond the limit is ever held whole.

mod encoding;
mod fault;
mod form;
mod grammar;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
mod text;

use std::io::{self, Read};

use db::NoPlace;
use error::{Error, Reason};
use imports::{Fault, Row};
use operations::{Detail, Failure, Stop};

pub(crate) use encoding::{by_label, of_content_type};
pub(crate) use form::{Form, Options, Quote, delimiter};

use grammar::{Raw, Rows};
use text::Text;

/// More columns are no table.
pub(crate) const MAX_COLUMNS: usize = 500;
/// The cells of a row may have this many bytes; what is beyond is not kept.
pub(crate) const MAX_ROW: usize = 1 << 20;
/// More rows are no import: each may leave an error behind.
pub(crate) const MAX_ROWS: u64 = 1_000_000;

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// No header.
    #[error("the file is empty")]
    Empty,
    /// Too many columns.
    #[error("more than {MAX_COLUMNS} columns")]
    TooWide,
    /// Too many rows.
    #[error("more than {MAX_ROWS} rows")]
    TooManyRows,
    /// The header breaks the grammar: no column can be told by it.
    #[error("the header at line {}: {}", .0.line, .0.detail)]
    Header(Fault),
    /// The bytes are no text.
    #[error("the file is not text")]
    NotText,
    /// Neither Unicode nor what is declared, and not Windows-1252 either, as it seems.
    #[error("the file is not UTF-8, and its encoding is not named; it may be {0}")]
    EncodingUnknown(&'static str),
    /// The upload's `Content-Type` names a charset that is not known.
    #[error("the charset {0:?} of the upload is not known")]
    CharsetUnknown(String),
    /// The bytes could not be read.
    #[error("reading the file")]
    Io(#[from] io::Error),
    /// Too many files are being read.
    #[error("too many files are being read at once")]
    Busy(#[source] NoPlace),
}

impl TableError {
    /// Why the file cannot be imported; `None` where another try may read it.
    pub(crate) fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Io(cause) if cause.kind() == io::ErrorKind::NotFound => Reason::UPLOAD_GONE,
            Self::Io(_) | Self::Busy(_) => return None,
            Self::Empty => Reason::FILE_EMPTY,
            Self::TooWide => Reason::TOO_MANY_COLUMNS,
            Self::TooManyRows => Reason::TOO_MANY_ROWS,
            Self::Header(fault) => fault.reason,
            Self::NotText => Reason::FILE_NOT_TEXT,
            Self::EncodingUnknown(_) | Self::CharsetUnknown(_) => Reason::ENCODING_UNKNOWN,
        })
    }
}

impl From<TableError> for Stop {
    fn from(error: TableError) -> Self {
        match (error.reason(), error) {
            (_, TableError::Header(fault)) => {
                let detail = Detail { text: fault.detail, ..Detail::default() };
                Self::Failed(Failure { reason: fault.reason, line: Some(fault.line), details: vec![detail] })
            }
            (Some(reason), _) => Self::failed(reason),
            (None, error) => Self::Later(Error::internal(error)),
        }
    }
}

/// The rows of a file behind its header.
pub(crate) struct Table<R> {
    rows: Rows<R>,
    header: Vec<String>,
}

impl<R: Read> Table<R> {
    /// Reads the header.
    pub(crate) fn open(mut source: R, form: &Form) -> Result<Self, TableError> {
        let mut mark = vec![0; form.mark];
        source.read_exact(&mut mark)?;
        let mut rows = Rows::new(Text::new(source, form.encoding), form.dialect, MAX_COLUMNS);
        let raw = loop {
            match rows.next()? {
                None => return Err(TableError::Empty),
                Some(raw) if raw.line >= form.header_line => break raw,
                Some(_) => {}
            }
        };
        if let Some(fault) = raw.faults.into_iter().next() {
            return Err(TableError::Header(fault));
        }
        if raw.width > MAX_COLUMNS {
            return Err(TableError::TooWide);
        }
        let header: Vec<String> = raw.cells.iter().map(|name| name.trim().to_owned()).collect();
        rows.keep(header.len());
        Ok(Self { rows, header })
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> io::Result<Option<Row>> {
        let Some(Raw { line, cells, width, mut faults }) = self.rows.next()? else { return Ok(None) };
        let columns = self.header.len();
        // Where quotes are misplaced, the number of cells says nothing.
        if width > columns && !faults.iter().any(fault::is_of_quotes) {
            let detail = format!(
                "{}, {}: put a cell that has the delimiter in it within quotes",
                counted(width, "cell"),
                counted(columns, "column"),
            );
            faults.push(Fault { line, cell: None, reason: Reason::TOO_MANY_CELLS, detail });
        }
        Ok(Some(Row { line, cells, faults }))
    }

    /// How many rows are left.
    pub(crate) fn count(mut self) -> Result<u64, TableError> {
        let mut rows = 0;
        while self.rows.next()?.is_some() {
            rows += 1;
            if rows > MAX_ROWS {
                return Err(TableError::TooManyRows);
            }
        }
        Ok(rows)
    }
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}
