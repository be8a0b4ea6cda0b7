//! A CSV file as exports of other systems are: any of four encodings, any of four delimiters, line breaks in cells.
//!
//! Read as a stream: neither the file nor its text is ever held whole.

use std::io::{self, BufRead, BufReader, Read};

use encoding_rs::{CoderResult, Decoder, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

/// More columns are no table.
const MAX_COLUMNS: usize = 500;
/// A row may have this many bytes; beyond it a quote was probably never closed.
const MAX_ROW: usize = 1 << 20;
/// More rows are no import: each may leave an error behind.
const MAX_ROWS: u64 = 1_000_000;
const CHUNK: usize = 64 << 10;

/// Why a file is no table.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    /// No header.
    #[error("the file is empty")]
    Empty,
    /// A header stands twice.
    #[error("the column {0} is repeated in the header")]
    RepeatedColumn(String),
    /// Too many columns.
    #[error("more than {MAX_COLUMNS} columns")]
    TooWide,
    /// Too many rows.
    #[error("more than {MAX_ROWS} rows")]
    TooManyRows,
    /// A row does not end.
    #[error("the row at line {0} is longer than 1 MiB; a quote may be open")]
    RowTooLong(u64),
    /// The bytes are neither UTF-8 nor anything else that was tried.
    #[error("the file is not text in UTF-8, UTF-16 or Windows-1252")]
    NotText,
    /// The bytes could not be read.
    #[error("reading the file")]
    Io(#[from] io::Error),
}

/// One row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The line on which it begins; the header is line 1.
    pub(crate) line: u64,
    /// The cells; as many as the row has, which may be more (up to the most columns) or fewer than the header.
    pub(crate) cells: Vec<String>,
}

/// How the bytes of a file are to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Format {
    encoding: &'static Encoding,
    bom: usize,
    delimiter: u8,
    /// Rows without the header, blank lines not counted.
    pub(crate) rows: u64,
}

/// Reads the whole file once: its encoding, its delimiter and how many rows it has.
pub(crate) fn examine(open: impl Fn() -> io::Result<Box<dyn Read>>) -> Result<Format, TableError> {
    let (encoding, bom) = detect(open()?)?;
    let mut format = Format { encoding, bom, delimiter: b',', rows: 0 };
    let mut head = Vec::new();
    decoded(open()?, format)?.take(CHUNK as u64).read_to_end(&mut head)?;
    format.delimiter = delimiter(&head);
    let mut table = Table::open(open()?, format)?;
    while table.next()?.is_some() {
        format.rows += 1;
        if format.rows > MAX_ROWS {
            return Err(TableError::TooManyRows);
        }
    }
    Ok(format)
}

/// By byte order mark; else UTF-8 if all of it is, else Windows-1252, which every byte string is.
fn detect(source: impl Read) -> Result<(&'static Encoding, usize), TableError> {
    let mut source = BufReader::with_capacity(CHUNK, source);
    let head = source.fill_buf()?;
    if head.is_empty() {
        return Err(TableError::Empty);
    }
    if let Some((encoding, bom)) = Encoding::for_bom(head) {
        return Ok((encoding, bom));
    }
    if head.contains(&0) {
        // UTF-16 without its mark: the zero bytes of Latin letters tell the order.
        let even = head.iter().step_by(2).filter(|b| **b == 0).count();
        let odd = head.iter().skip(1).step_by(2).filter(|b| **b == 0).count();
        return match even.cmp(&odd) {
            std::cmp::Ordering::Less if odd * 4 > head.len() => Ok((UTF_16LE, 0)),
            std::cmp::Ordering::Greater if even * 4 > head.len() => Ok((UTF_16BE, 0)),
            _ => Err(TableError::NotText),
        };
    }
    let mut decoder = UTF_8.new_decoder_without_bom_handling();
    let mut text = vec![0_u8; CHUNK * 4];
    loop {
        let bytes = source.fill_buf()?;
        let last = bytes.is_empty();
        let (_, read, _, malformed) = decoder.decode_to_utf8(bytes, &mut text, last);
        if malformed {
            return Ok((WINDOWS_1252, 0));
        }
        if last {
            return Ok((UTF_8, 0));
        }
        source.consume(read);
    }
}

/// The one that stands most often in the header, outside quotes.
fn delimiter(head: &[u8]) -> u8 {
    let mut counts = [(b',', 0_u32), (b';', 0), (b'\t', 0), (b'|', 0)];
    let mut quoted = false;
    for byte in head {
        match byte {
            b'"' => quoted = !quoted,
            b'\n' | b'\r' if !quoted => break,
            other if !quoted => {
                if let Some((_, count)) = counts.iter_mut().find(|(d, _)| d == other) {
                    *count += 1;
                }
            }
            _ => {}
        }
    }
    // Of equals the first: a comma where there is no delimiter at all.
    counts.iter().rev().max_by_key(|(_, count)| *count).map_or(b',', |(d, _)| *d)
}

fn decoded<R: Read>(mut source: R, format: Format) -> io::Result<Decoded<R>> {
    let mut mark = vec![0; format.bom];
    source.read_exact(&mut mark)?;
    Ok(Decoded {
        source: BufReader::with_capacity(CHUNK, source),
        decoder: format.encoding.new_decoder_without_bom_handling(),
        text: vec![0; CHUNK * 4 + 1],
        from: 0,
        to: 0,
        ended: false,
        after_return: false,
        allowed: usize::MAX,
        delimiter: format.delimiter,
        place: Place::Row,
    })
}

/// The text of a file as UTF-8.
struct Decoded<R> {
    source: BufReader<R>,
    decoder: Decoder,
    text: Vec<u8>,
    from: usize,
    to: usize,
    ended: bool,
    /// The last character was a carriage return, already given as a line end.
    after_return: bool,
    /// Bytes that may still be given before the row must have ended; blank lines are none of them.
    allowed: usize,
    delimiter: u8,
    /// Where the text that was given has come to.
    place: Place,
}

/// Where the next character stands, as the CSV reader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// At the beginning of a row.
    Row,
    /// At the beginning of a cell.
    Cell,
    /// In a cell without quotes, where quotes are characters like others.
    Bare,
    /// In a cell within quotes.
    Quoted,
    /// Behind a quote that ends the cell, or is the first of two.
    Quote,
}

impl Place {
    fn after(self, byte: u8, delimiter: u8) -> Self {
        match (self, byte) {
            (Self::Quoted, b'"') => Self::Quote,
            (Self::Quoted, _) | (Self::Quote, b'"') => Self::Quoted,
            (_, b'\n') => Self::Row,
            (_, byte) if byte == delimiter => Self::Cell,
            (Self::Row | Self::Cell, b'"') => Self::Quoted,
            _ => Self::Bare,
        }
    }
}

/// The row has not ended within what was allowed.
#[derive(Debug, thiserror::Error)]
#[error("the row does not end")]
struct Endless;

/// Makes every CR LF and lone CR a LF, in place; gives the new length. The CSV reader counts lines by LF, and counts a
/// CR LF only when it reads on.
fn unify_line_ends(text: &mut [u8], after_return: &mut bool) -> usize {
    let mut to = 0;
    for from in 0..text.len() {
        let byte = text[from];
        let repeats = byte == b'\n' && *after_return;
        *after_return = byte == b'\r';
        if !repeats {
            text[to] = if byte == b'\r' { b'\n' } else { byte };
            to += 1;
        }
    }
    to
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.from == self.to && !self.ended {
            let bytes = self.source.fill_buf()?;
            let last = bytes.is_empty();
            // What is no character becomes U+FFFD; the encoding was chosen so that it does not happen.
            let (result, read, written, _) =
                self.decoder.decode_to_utf8(bytes, &mut self.text[..CHUNK * 4], last);
            self.source.consume(read);
            let written = unify_line_ends(&mut self.text[..written], &mut self.after_return);
            (self.from, self.to) = (0, written);
            if last && result == CoderResult::InputEmpty {
                // The last row may lack its line end; an empty line more is no row.
                self.ended = true;
                self.text[written] = b'\n';
                self.to = written + 1;
            }
        }
        let most = out.len().min(self.to - self.from);
        let mut length = 0;
        for byte in &self.text[self.from..self.from + most] {
            let is_blank = self.place == Place::Row && *byte == b'\n';
            if self.allowed == 0 && !is_blank {
                break;
            }
            self.allowed -= usize::from(!is_blank);
            self.place = self.place.after(*byte, self.delimiter);
            length += 1;
        }
        if length == 0 && most > 0 {
            return Err(io::Error::other(Endless));
        }
        out[..length].copy_from_slice(&self.text[self.from..self.from + length]);
        self.from += length;
        Ok(length)
    }
}

/// The rows of a file.
pub(crate) struct Table<R> {
    rows: csv::Reader<Decoded<R>>,
    header: Vec<String>,
    record: csv::StringRecord,
}

/// Bytes that the reader may take for one row: the row with all of its quotes doubled, and what is read ahead.
const ALLOWED: usize = 2 * MAX_ROW + CHUNK;

impl<R> std::fmt::Debug for Table<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("header", &self.header).finish_non_exhaustive()
    }
}

impl<R: Read> Table<R> {
    /// Opens a file that was examined, and reads its header.
    pub(crate) fn open(source: R, format: Format) -> Result<Self, TableError> {
        let mut rows = csv::ReaderBuilder::new()
            .delimiter(format.delimiter)
            .has_headers(false)
            .flexible(true)
            .from_reader(decoded(source, format)?);
        let mut record = csv::StringRecord::new();
        rows.get_mut().allowed = ALLOWED;
        if !rows.read_record(&mut record).map_err(|error| broken(error, 1))? {
            return Err(TableError::Empty);
        }
        if record.len() > MAX_COLUMNS {
            return Err(TableError::TooWide);
        }
        let header: Vec<String> = record.iter().map(|name| name.trim().to_owned()).collect();
        for (at, name) in header.iter().enumerate() {
            if !name.is_empty() && header[..at].contains(name) {
                return Err(TableError::RepeatedColumn(name.clone()));
            }
        }
        Ok(Self { rows, header, record })
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row.
    pub(crate) fn next(&mut self) -> Result<Option<Row>, TableError> {
        let begins = self.rows.position().line();
        self.rows.get_mut().allowed = ALLOWED;
        if !self.rows.read_record(&mut self.record).map_err(|error| broken(error, begins))? {
            return Ok(None);
        }
        // The reader has passed the row's line end; what it calls the row's place lies before any blank lines.
        let breaks = self.record.as_slice().bytes().filter(|b| *b == b'\n').count() as u64;
        let line = self.rows.position().line().saturating_sub(breaks + 1);
        if self.record.as_slice().len() > MAX_ROW {
            return Err(TableError::RowTooLong(line));
        }
        Ok(Some(Row { line, cells: self.record.iter().take(MAX_COLUMNS).map(str::to_owned).collect() }))
    }
}

fn broken(error: csv::Error, line: u64) -> TableError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|e| e.is::<Endless>()) => {
            TableError::RowTooLong(line)
        }
        csv::ErrorKind::Io(error) => TableError::Io(error),
        _ => TableError::NotText,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> (Format, Vec<String>, Vec<Row>) {
        let owned = bytes.to_vec();
        let format = examine(|| Ok(Box::new(io::Cursor::new(owned.clone())))).unwrap();
        let mut table = Table::open(bytes, format).unwrap();
        let mut rows = Vec::new();
        while let Some(row) = table.next().unwrap() {
            rows.push(row);
        }
        (format, table.header().to_vec(), rows)
    }

    fn row(line: u64, cells: &[&str]) -> Row {
        Row { line, cells: cells.iter().map(|c| (*c).to_owned()).collect() }
    }

    #[test]
    fn every_encoding_gives_the_same_rows() {
        let text = "Näme;E-Mail\r\n\"Zoë\r\nÅ\";z@x\r\nO\"Brien;\r\n";
        let utf16 = |bytes: fn(u16) -> [u8; 2], mark: bool| -> Vec<u8> {
            let mark = mark.then_some(0xfeff_u16);
            mark.into_iter().chain(text.encode_utf16()).flat_map(bytes).collect()
        };
        let files = [
            text.as_bytes().to_vec(),
            [b"\xef\xbb\xbf", text.as_bytes()].concat(),
            utf16(u16::to_le_bytes, true),
            utf16(u16::to_be_bytes, true),
            utf16(u16::to_le_bytes, false),
            text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect(),
        ];
        for file in files {
            let (format, header, rows) = read(&file);
            assert_eq!(header, ["Näme", "E-Mail"], "{format:?}");
            assert_eq!(rows, [row(2, &["Zoë\nÅ", "z@x"]), row(4, &["O\"Brien", ""])], "{format:?}");
            assert_eq!(format.rows, 2);
        }
    }

    #[test]
    fn short_and_long_rows_are_rows_and_blank_lines_are_not() {
        let (_, _, rows) = read(b"a,b\n1\n\n1,2,3\n");
        assert_eq!(rows, [row(2, &["1"]), row(4, &["1", "2", "3"])]);
    }

    #[test]
    fn a_row_that_does_not_end_is_not_read_to_the_end_of_the_file() {
        // Behind an open quote stands more than a row may have; where the file ends is never seen.
        struct Tail(u64);
        impl Read for Tail {
            fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
                assert!(self.0 < 8 << 20, "the whole file was taken for one row");
                out.fill(b'x');
                self.0 += out.len() as u64;
                Ok(out.len())
            }
        }
        let format = Format { encoding: UTF_8, bom: 0, delimiter: b',', rows: 0 };
        let mut table = Table::open(b"a,b\n1,\"".chain(Tail(0)), format).unwrap();
        assert!(matches!(table.next(), Err(TableError::RowTooLong(2))));
    }

    #[test]
    fn blank_lines_are_passed_however_many_they_are_and_an_open_quote_is_not() {
        let blank = "\r\n".repeat(3 << 20);
        let file = format!("a,b\r\n{blank}O\"Brien,\"x\"\"\"\r\n{blank}2,\r\n");
        let (_, _, rows) = read(file.as_bytes());
        let lines = 3 << 20;
        assert_eq!(rows, [row(lines + 2, &["O\"Brien", "x\""]), row(2 * lines + 3, &["2", ""])]);
        // Line breaks within a cell are the cell's.
        let open = format!("a,b\n1,\"{}", "\n".repeat(3 << 20));
        let mut table =
            Table::open(open.as_bytes(), Format { encoding: UTF_8, bom: 0, delimiter: b',', rows: 0 })
                .unwrap();
        assert!(matches!(table.next(), Err(TableError::RowTooLong(2))));
    }

    #[test]
    fn cells_beyond_the_most_columns_are_not_kept() {
        let file = format!("a,b\n1{}\n", ",".repeat(100_000)).into_bytes();
        let (_, _, rows) = read(&file);
        assert_eq!((rows.len(), rows[0].cells.len()), (1, MAX_COLUMNS));
    }

    #[test]
    fn a_file_has_as_many_rows_as_an_import_may_and_not_one_more() {
        let examine = |rows: u64| {
            let text = b"1\n".repeat(1 + usize::try_from(rows).unwrap());
            examine(move || Ok(Box::new(io::Cursor::new(text.clone()))))
        };
        assert_eq!(examine(MAX_ROWS).unwrap().rows, MAX_ROWS);
        assert!(matches!(examine(MAX_ROWS + 1), Err(TableError::TooManyRows)));
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let examine = |bytes: &'static [u8]| examine(move || Ok(Box::new(bytes)));
        assert!(matches!(examine(b""), Err(TableError::Empty)));
        assert!(matches!(examine(b"a,b,a\n1,2,3\n"), Err(TableError::RepeatedColumn(c)) if c == "a"));
        assert!(matches!(
            examine(b"PK\x03\x04\x00\x00\x01\x02\xff\xfe\x80\x81\x82"),
            Err(TableError::NotText)
        ));
    }
}
