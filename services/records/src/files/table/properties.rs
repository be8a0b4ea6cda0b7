//! Broken and odd files, written by a generator that knows what is in them: nothing wrong is read, nothing is lost, and every fault
//! is at its line and in its column.

use encoding_rs::{Encoding, SHIFT_JIS, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1251, WINDOWS_1252};
use proptest::prelude::*;

use super::tests::read_as;
use super::*;

/// Stands for bytes that are not of the encoding.
const BAD: char = '\u{f8ff}';

/// An encoding, what is written in it, and what never is.
#[derive(Clone, Copy, Debug)]
struct Script {
    encoding: &'static Encoding,
    letters: &'static [&'static str],
    bad: &'static [u8],
    has_mark: bool,
    /// Whether a reader is told, as it cannot know.
    is_declared: bool,
}

const fn script(encoding: &'static Encoding, letters: &'static [&'static str], bad: &'static [u8]) -> Script {
    Script { encoding, letters, bad, has_mark: false, is_declared: true }
}

const LATIN: &[&str] = &["a", "Zo", "é", "ß", "7", "'", "x y", "ü"];
const SCRIPTS: [Script; 9] = [
    Script {
        is_declared: false,
        ..script(UTF_8, &["a", "é", "Я", "山", "😀", "\u{202a}", "0", "x y"], b"\xe9")
    },
    script(UTF_8, &["a", "Bo", "é", "'", "9"], b"\xff"),
    Script { has_mark: true, is_declared: false, ..script(UTF_8, LATIN, b"\xc3") },
    script(WINDOWS_1252, LATIN, b"\x81"),
    script(WINDOWS_1251, &["a", "Я", "ж", "Ё", "1"], b"\x98"),
    script(SHIFT_JIS, &["a", "山", "田", "ソ", "表", "1"], b"\xff"),
    Script {
        has_mark: true, is_declared: false, ..script(UTF_16LE, &["a", "山", "é", "😀"], b"\x00\xd8")
    },
    Script { has_mark: true, is_declared: false, ..script(UTF_16BE, &["a", "Я", "é"], b"\xdc\x00") },
    Script { is_declared: false, ..script(UTF_16LE, &["ab", "Zoe", "cd"], b"\x00\xdc") },
];

/// Cells, and which of them are within quotes though they need not be.
type Cells = Vec<(String, bool)>;

/// A piece of a file, by what is in it.
#[derive(Clone, Debug)]
enum Item {
    /// Cells, each within quotes or, where it can be, without.
    Good(Cells),
    Short(String),
    Blank,
    Surplus(Vec<String>),
    /// A quote in the cell of this place.
    Bare(usize),
    /// Blanks before the quotes of the cell of this place.
    Indented(usize),
    /// Quotes within quotes, escaped by nothing or by a backslash.
    Unescaped(usize, bool),
    /// The same over three lines, of which the second looks like a row.
    Broken(usize),
    Malformed(usize),
    Huge(usize),
}

#[derive(Clone, Debug)]
struct File {
    script: Script,
    delimiter: char,
    line_end: &'static str,
    has_hint: bool,
    title: bool,
    columns: usize,
    items: Vec<Item>,
    /// What opens a quote in this column and never closes it, and the cells of the good rows behind it.
    open: Option<(usize, Vec<Cells>)>,
    ends_with_line: bool,
}

/// What a reader must find: rows by their lines.
#[derive(Debug, PartialEq, Eq)]
enum Truth {
    Row(u64, Vec<String>),
    /// The line and the column of the fault.
    Fault(u64, String, &'static str),
}

/// A file while it is written.
struct Writer<'f> {
    file: &'f File,
    text: String,
    line: u64,
    truth: Vec<Truth>,
}

impl Writer<'_> {
    fn end_line(&mut self) {
        self.text.push_str(self.file.line_end);
        self.line += 1;
    }

    /// Ends a line within a cell.
    fn put(&mut self, text: &str) {
        for (at, line) in text.split('\n').enumerate() {
            if at > 0 {
                self.end_line();
            }
            self.text.push_str(line);
        }
    }

    fn cell(&mut self, cell: &str, is_quoted: bool) {
        let needs = cell.contains(['"', '\n', self.file.delimiter]);
        if needs || is_quoted {
            let text = format!("\"{}\"", cell.replace('"', "\"\""));
            self.put(&text);
        } else {
            self.put(cell);
        }
    }

    /// A row of plain cells, but for one that is written as it is; its line.
    fn row_with(&mut self, at: usize, written: &str) -> u64 {
        let line = self.line;
        for column in 0..self.file.columns {
            if column > 0 {
                self.text.push(self.file.delimiter);
            }
            let plain = format!("p{column}");
            self.put(if column == at { written } else { &plain });
        }
        self.end_line();
        line
    }

    fn fault(&mut self, line: u64, at: Option<usize>, reason: &'static str) {
        let column = at.map_or(String::new(), |at| name(self.file, at));
        self.truth.push(Truth::Fault(line, column, reason));
    }

    fn item(&mut self, item: &Item) {
        let columns = self.file.columns;
        match item {
            Item::Good(cells) => {
                let line = self.line;
                for (at, (cell, is_quoted)) in cells[..columns].iter().enumerate() {
                    if at > 0 {
                        self.text.push(self.file.delimiter);
                    }
                    self.cell(cell, *is_quoted);
                }
                self.end_line();
                self.truth
                    .push(Truth::Row(line, cells[..columns].iter().map(|(cell, _)| cell.clone()).collect()));
            }
            Item::Short(cell) => {
                let line = self.line;
                self.cell(cell, true);
                self.end_line();
                self.truth.push(Truth::Row(line, vec![cell.clone()]));
            }
            Item::Blank => self.end_line(),
            Item::Surplus(more) => {
                let line = self.line;
                let cells = (0..columns).map(|at| format!("s{at}")).chain(more.iter().cloned());
                for (at, cell) in cells.enumerate() {
                    if at > 0 {
                        self.text.push(self.file.delimiter);
                    }
                    self.cell(&cell, false);
                }
                self.end_line();
                self.fault(line, None, Reason::TOO_MANY_CELLS.as_str());
            }
            Item::Bare(at) => {
                let line = self.row_with(at % columns, "5\" pipe");
                self.fault(line, Some(at % columns), Reason::QUOTE_IN_CELL.as_str());
            }
            Item::Indented(at) => {
                let written = format!("  \"Berg{} PhD\"", self.file.delimiter);
                let line = self.row_with(at % columns, &written);
                self.fault(line, Some(at % columns), Reason::QUOTE_IN_CELL.as_str());
            }
            Item::Unescaped(at, has_backslash) => {
                let mark = if *has_backslash { "\\\"" } else { "\"" };
                let line = self.row_with(at % columns, &format!("\"Bob {mark}The{mark} B\""));
                self.fault(line, Some(at % columns), Reason::TEXT_AFTER_QUOTE.as_str());
            }
            Item::Broken(at) => {
                let row: Vec<String> = (0..columns).map(|at| format!("no{at}")).collect();
                let row = row.join(&self.file.delimiter.to_string());
                let line = self.row_with(at % columns, &format!("\"She said \"call me\n{row}\nbye\" now\""));
                self.fault(line, Some(at % columns), Reason::TEXT_AFTER_QUOTE.as_str());
            }
            Item::Malformed(at) => {
                let line = self.row_with(at % columns, &format!("x{BAD}y"));
                self.fault(line, Some(at % columns), Reason::ENCODING_INVALID.as_str());
            }
            Item::Huge(at) => {
                let line = self.row_with(at % columns, &"h".repeat(MAX_ROW + 1));
                // The cells before it have filled a part of the row.
                self.fault(line, Some(at % columns), Reason::ROW_TOO_LONG.as_str());
            }
        }
    }
}

/// Names that have other delimiters in them.
fn name(file: &File, at: usize) -> String {
    let letter = file.script.letters[at % file.script.letters.len()].trim_matches('\u{202a}');
    let odd = [", net", "; gross", "\t", " | x", ""][at % 5];
    format!("N{at}{letter}{odd}").trim().to_owned()
}

/// The bytes of the file, and what is in them.
fn written(file: &File) -> (Vec<u8>, Vec<Truth>) {
    let mut writer = Writer { file, text: String::new(), line: 1, truth: Vec::new() };
    if file.has_hint {
        writer.put(&format!("sep={}", file.delimiter));
        writer.end_line();
    }
    if file.title {
        writer.put("Customers of May");
        writer.end_line();
    }
    for at in 0..file.columns {
        if at > 0 {
            writer.text.push(file.delimiter);
        }
        writer.cell(&name(file, at), false);
    }
    writer.end_line();
    // Letters beyond ASCII, by which UTF-8 is known: more than there are places that are not UTF-8.
    let letter = file.script.letters.iter().find(|letter| !letter.is_ascii()).unwrap_or(&"a");
    writer.item(&Item::Good(vec![(letter.repeat(10), false); 6]));
    for item in &file.items {
        writer.item(item);
    }
    if let Some((at, swallowed)) = &file.open {
        let line = writer.row_with(at % file.columns, "\"never closed");
        writer.fault(line, Some(at % file.columns), Reason::QUOTE_OPEN.as_str());
        let before = writer.truth.len();
        for cells in swallowed {
            writer.item(&Item::Good(cells.clone()));
        }
        writer.truth.truncate(before);
    }
    let Writer { mut text, truth, .. } = writer;
    if !file.ends_with_line {
        text.truncate(text.len() - file.line_end.len());
    }
    (encoded(file.script, &text), truth)
}

fn encoded(script: Script, text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mark = if script.has_mark { "\u{feff}" } else { "" };
    for (at, piece) in [mark, text].concat().split(BAD).enumerate() {
        if at > 0 {
            bytes.extend_from_slice(script.bad);
        }
        if script.encoding == UTF_16LE {
            bytes.extend(piece.encode_utf16().flat_map(u16::to_le_bytes));
        } else if script.encoding == UTF_16BE {
            bytes.extend(piece.encode_utf16().flat_map(u16::to_be_bytes));
        } else {
            let (piece, _, is_lossy) = script.encoding.encode(piece);
            assert!(!is_lossy, "{piece:?} is not of {}", script.encoding.name());
            bytes.extend_from_slice(&piece);
        }
    }
    bytes
}

fn text(script: Script) -> impl Strategy<Value = String> {
    let odd = prop::sample::select(vec![",", ";", "\t", "|", "\"", "\n", " ", "=", "\\", "\"\""]);
    let letter = prop::sample::select(script.letters.to_vec());
    let piece = prop_oneof![3 => letter, 1 => odd];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| {
        let text = pieces.concat();
        // A bare cell of blanks and a quoted one are different texts, but both are right.
        if text.trim().is_empty() { "e".to_owned() } else { text }
    })
}

fn item(script: Script) -> impl Strategy<Value = Item> {
    let cells = prop::collection::vec((text(script), any::<bool>()), 6);
    let place = 0..6_usize;
    prop_oneof![
        8 => cells.prop_map(Item::Good),
        1 => text(script).prop_map(Item::Short),
        1 => Just(Item::Blank),
        1 => prop::collection::vec(text(script), 1..4).prop_map(Item::Surplus),
        1 => place.clone().prop_map(Item::Bare),
        1 => place.clone().prop_map(Item::Indented),
        1 => (place.clone(), any::<bool>()).prop_map(|(at, mark)| Item::Unescaped(at, mark)),
        1 => place.clone().prop_map(Item::Broken),
        1 => place.prop_map(Item::Malformed),
    ]
}

fn file() -> impl Strategy<Value = File> {
    prop::sample::select(SCRIPTS.to_vec()).prop_flat_map(|script| {
        // A cell that began with a delimiter or a line end would close the open quote by the rules.
        let letter = prop::sample::select(script.letters.to_vec()).prop_map(str::to_owned);
        let cells = prop::collection::vec((letter, any::<bool>()), 6);
        let open = (0..6_usize, prop::collection::vec(cells, 0..4));
        (
            prop::sample::select(vec![',', ';', '\t', '|']),
            prop::sample::select(vec!["\n", "\r\n", "\r"]),
            (prop::bool::weighted(0.2), prop::bool::weighted(0.2), any::<bool>()),
            2..6_usize,
            prop::collection::vec(item(script), 0..12),
            prop::option::weighted(0.3, open),
            prop::option::weighted(0.03, 0..6_usize),
        )
            .prop_map(move |(delimiter, line_end, flags, columns, mut items, open, huge)| {
                items.extend(huge.map(Item::Huge));
                let (has_hint, title, ends_with_line) = flags;
                File { script, delimiter, line_end, has_hint, title, columns, items, open, ends_with_line }
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn what_is_read_is_what_was_written_and_every_fault_is_at_its_place(file in file()) {
        let (bytes, truth) = written(&file);
        let names: Vec<String> = (0..file.columns).map(|at| name(&file, at)).collect();
        let mapped: Vec<&str> = names.iter().map(String::as_str).collect();
        let declared = file.script.is_declared.then_some(file.script.encoding);
        let seen = read_as(&bytes, &Options { encoding: declared, ..Options::default() }, &mapped).unwrap();
        prop_assert_eq!(&seen.header, &names);
        prop_assert_eq!(char::from(seen.form.dialect.delimiter), file.delimiter);
        let found: Vec<Truth> = seen.rows.iter().map(|row| match row.faults.first() {
            Some(fault) => Truth::Fault(fault.line, fault.column(&seen.header).to_owned(), fault.reason.as_str()),
            None => Truth::Row(row.line, row.cells.clone()),
        }).collect();
        prop_assert_eq!(found, truth);
    }
}
