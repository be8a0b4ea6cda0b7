use std::io::{self, Read};

use encoding_rs::{UTF_8, WINDOWS_1252};

use super::grammar::Dialect;
use super::*;

/// What a file reads as.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) form: Form,
    pub(super) header: Vec<String>,
    pub(super) rows: Vec<Row>,
}

pub(super) fn read_as(bytes: &[u8], options: &Options, mapped: &[&str]) -> Result<Seen, TableError> {
    let owned = bytes.to_vec();
    let open = || Ok::<_, io::Error>(Box::new(io::Cursor::new(owned.clone())) as Box<dyn Read>);
    let form = Form::detect(&open, options, mapped)?;
    let mut table = Table::open(bytes, &form)?;
    let header = table.header().to_vec();
    let mut rows = Vec::new();
    while let Some(row) = table.next()? {
        rows.push(row);
    }
    assert_eq!(Table::open(bytes, &form)?.count()?, rows.len() as u64);
    Ok(Seen { form, header, rows })
}

fn read(file: impl AsRef<[u8]>) -> Seen {
    read_as(file.as_ref(), &Options::default(), &[]).unwrap()
}

fn labelled(label: &str) -> Options {
    Options { encoding: by_label(label), ..Options::default() }
}

fn row(line: u64, cells: &[&str]) -> Row {
    Row { line, cells: cells.iter().map(|c| (*c).to_owned()).collect(), faults: Vec::new() }
}

/// The rows that are whole, by their line, and the faults: line, column, reason.
fn outcome(seen: &Seen) -> (Vec<u64>, Vec<(u64, &str, &str)>) {
    let whole = seen.rows.iter().filter(|row| row.faults.is_empty()).map(|row| row.line).collect();
    let faults = seen.rows.iter().flat_map(|row| &row.faults);
    (whole, faults.map(|f| (f.line, f.column(&seen.header), f.reason.as_str())).collect())
}

/// That a file of columns A and B reads so.
fn check(file: &str, whole: &[u64], faults: &[(u64, &str, &str)]) {
    let seen = read(file);
    assert_eq!(outcome(&seen), (whole.to_vec(), faults.to_vec()), "{file:?}: {:?}", seen.rows);
}

#[test]
fn every_encoding_gives_the_same_rows() {
    let text = "Näme;E-Mail\r\n\"Zoë\r\nÅ\";z@x\r\n\"O\"\"Brien\";\r\n";
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
    ];
    let seen = files.iter().map(read);
    let latin: Vec<u8> = text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
    let latin = read_as(&latin, &labelled("iso-8859-1"), &[]).unwrap();
    for Seen { form, header, rows } in seen.chain([latin]) {
        assert_eq!(header, ["Näme", "E-Mail"], "{form:?}");
        assert_eq!(rows, [row(2, &["Zoë\nÅ", "z@x"]), row(4, &["O\"Brien", ""])], "{form:?}");
    }
}

#[test]
fn short_rows_are_rows_blank_lines_are_not_and_surplus_cells_are_a_fault() {
    check("A,B\n1\n\n1,2,3\n4,5,\n6,7\n", &[2, 6], &[(4, "", "TOO_MANY_CELLS"), (5, "", "TOO_MANY_CELLS")]);
    let seen = read("A,B,C\n1,2,3,4,5\n");
    assert!(seen.rows[0].faults[0].detail.starts_with("5 cells, 3 columns"), "{:?}", seen.rows);
    assert_eq!(seen.rows[0].cells.len(), 3);
}

#[test]
fn a_quote_that_is_never_closed_is_a_fault_where_it_opens_and_nothing_is_made_of_what_follows() {
    check("A,B\n1,2\n\"x,y\nz,z\n", &[2], &[(3, "A", "QUOTE_OPEN")]);
    check("A,B\n1,2\nx,\"y\nz,z", &[2], &[(3, "B", "QUOTE_OPEN")]);
    // In the second line of its row.
    check("A,B\n\"a\nb\",\"c\nd,d\n", &[], &[(3, "B", "QUOTE_OPEN")]);
    // The quotes behind it are the closing ones of nothing.
    check("A,B\n\"x,y\n\"z\",z\n\"w\",w\n", &[], &[(2, "A", "QUOTE_OPEN")]);
    check("A,B\nx, \"y\nz,z\n", &[], &[(2, "B", "QUOTE_OPEN")]);
    check("A,B\n\"5\" pipe\",y\nz,z\n", &[], &[(2, "A", "QUOTE_OPEN")]);
    check("A,B\n\"", &[], &[(2, "A", "QUOTE_OPEN")]);
    let seen = read("A,B\n1,2\n\"x,y\nz,z\n");
    assert!(seen.rows[1].faults[0].detail.ends_with("lines 3 to 4"), "{:?}", seen.rows);
}

#[test]
fn a_misplaced_quote_is_a_fault_of_its_row_alone() {
    check("A,B\n5\" pipe,x\n1,2\n", &[3], &[(2, "A", "QUOTE_IN_CELL")]);
    check("A,B\nx,y\"\n1,2\n", &[3], &[(2, "B", "QUOTE_IN_CELL")]);
    check("A,B\nx, \"y, z\"\n1,2\n", &[3], &[(2, "B", "QUOTE_IN_CELL")]);
    check("A,B\n\"Bob \\\"The\\\" B\",x\n1,2\n", &[3], &[(2, "A", "TEXT_AFTER_QUOTE")]);
    check("A,B\n\"Bob \\\"The, Great\\\" B\",x\n1,2\n", &[3], &[(2, "A", "TEXT_AFTER_QUOTE")]);
    check("A,B\nx,\"y\" \n1,2\n", &[3], &[(2, "B", "TEXT_AFTER_QUOTE")]);
    // What is right.
    check("A,B\n\"a\"\"b\",\"\"\"\"\n\"\",\"\"\n", &[2, 3], &[]);
    let seen = read("A,B\nx,yz\"\n");
    assert!(seen.rows[0].faults[0].detail.starts_with("character 5: "), "{:?}", seen.rows);
}

#[test]
fn a_line_within_a_cell_whose_quotes_are_wrong_is_never_taken_for_a_row() {
    let file = "A,B\nAnn,\"She said \"call me\"\ntomorrow,please\nbye\"\n1,2\n";
    check(file, &[5], &[(2, "B", "TEXT_AFTER_QUOTE")]);
    let seen = read(file);
    assert!(seen.rows[0].faults[0].detail.ends_with("lines 2 to 4"), "{:?}", seen.rows);
    check("A,B\nx, \"y\nmiddle,line\nz\"\n1,2\n", &[5], &[(2, "B", "QUOTE_IN_CELL")]);
}

#[test]
fn bytes_that_are_not_of_the_encoding_are_a_fault_of_their_row() {
    let file = b"A,B\nZo\xc3\xab,1\nJos\xe9,2\nS\xc3\xb8ren,3\n\"x\n\xff\",4\n";
    let seen = read(file);
    assert_eq!(seen.form.encoding, UTF_8);
    let expected = [(3, "A", "ENCODING_INVALID"), (6, "A", "ENCODING_INVALID")];
    assert_eq!(outcome(&seen), (vec![2, 4], expected.to_vec()));
    assert_eq!((seen.rows[0].cells[0].as_str(), seen.rows[2].cells[0].as_str()), ("Zoë", "Søren"));
    // Of an encoding of one byte those that it does not define.
    let seen = read_as(b"A,B\nJos\xe9,1\nx\x81,2\ny,3\n", &labelled("windows-1252"), &[]).unwrap();
    assert_eq!(outcome(&seen), (vec![2, 4], vec![(3, "A", "ENCODING_INVALID")]));
    // Half a surrogate pair.
    let utf16: Vec<u8> = "A,B\nx"
        .encode_utf16()
        .chain([0xd800])
        .chain(",1\ny,2\n".encode_utf16())
        .flat_map(u16::to_le_bytes)
        .collect();
    let seen = read_as(&utf16, &labelled("utf-16le"), &[]).unwrap();
    assert_eq!(outcome(&seen), (vec![3], vec![(2, "A", "ENCODING_INVALID")]));
}

#[test]
fn what_is_declared_is_taken_and_a_mark_says_more() {
    let cases: [(&str, &[u8], &str); 7] = [
        ("windows-1251", b"\xc8\xe2\xe0\xed", "Иван"),
        ("iso-8859-2", b"\xa3ukasz", "Łukasz"),
        ("Shift_JIS", b"\x8eR\x93c", "山田"),
        ("macintosh", b"Jos\x8e", "José"),
        ("latin1", b"Jos\xe9", "José"),
        ("us-ascii", "José".as_bytes(), "José"),
        ("windows-1251", "\u{feff}José".as_bytes(), "José"),
    ];
    for (label, bytes, name) in cases {
        let mark = if bytes.starts_with(b"\xef\xbb\xbf") { &bytes[..3] } else { &[] };
        let file = [mark, b"A,B\n", &bytes[mark.len()..], b",1\n"].concat();
        let seen = read_as(&file, &labelled(label), &[]).unwrap();
        assert_eq!(seen.rows, [row(2, &[name, "1"])], "{label}");
    }
    for unknown in ["utf-7", "ibm850", "x-user-defined", "iso-2022-kr", ""] {
        assert!(by_label(unknown).is_none(), "{unknown}");
    }
    let named = |content_type: &str| of_content_type(content_type).map(|known| known.map(|e| e.name()));
    assert_eq!(named("text/csv").unwrap(), None);
    assert_eq!(named("text/csv; header=present; Charset=\"windows-1251\"").unwrap(), Some("windows-1251"));
    assert!(
        matches!(named("text/csv;charset=klingon"), Err(TableError::CharsetUnknown(c)) if c == "klingon")
    );
}

#[test]
fn an_encoding_of_one_byte_is_never_guessed_and_the_refusal_says_what_it_looks_like() {
    let looks_like = |file: &[u8]| match read_as(file, &Options::default(), &[]) {
        Err(TableError::EncodingUnknown(name)) => name,
        other => panic!("{other:?}"),
    };
    for names in [
        "José Muñoz",
        "Zoë",
        "Müller",
        "Søren Kjær",
        "Françoise",
        "Ångström",
        "Straße 5, €",
        "Köln – “x”",
        "Iñaki",
    ] {
        let text = format!("Name,Mail\n\"{names}\",a@x\n");
        assert_eq!(looks_like(&WINDOWS_1252.encode(&text).0), "windows-1252", "{names}");
    }
    let cyrillic = encoding_rs::WINDOWS_1251.encode("Имя,Почта\nИван Петров,i@x\nСергей Сидоров,s@x\n").0;
    // By chance they hold characters of UTF-8.
    let chinese = encoding_rs::GBK.encode("姓名,邮箱\n联通,l@x\n王小明,w@x\n").0;
    let japanese = encoding_rs::SHIFT_JIS.encode("名前,メール\n山田太郎,y@x\n鈴木一郎,s@x\n").0;
    // Names of one row, which are names in Windows-1252, too.
    let others = [
        encoding_rs::MACINTOSH.encode("Name\nZoë\nSøren\n").0,
        encoding_rs::WINDOWS_1251.encode("Name\nИван\n").0,
        encoding_rs::WINDOWS_1254.encode("Name\nŞahin\n").0,
        encoding_rs::ISO_8859_2.encode("Name\nKamień\nDvořák\n").0,
    ];
    for file in [cyrillic, chinese, japanese].iter().chain(&others) {
        looks_like(file);
    }
}

#[test]
fn the_delimiter_is_the_one_that_gives_the_mapped_columns_and_rows_as_wide_as_the_header() {
    let cases: [(&str, &[&str], char, u64); 14] = [
        ("First;Mail;Umsatz (EUR, netto, in Tsd., 2025)\nAnn;a@x;5\n", &["First", "Mail"], ';', 1),
        ("First;Amount, net\nTie;1\n", &["First"], ';', 1),
        ("First;Amount, net\nTie;1\n", &[], ';', 1),
        ("First;Amount, net\n", &[], ';', 1),
        ("First;Amount\nTie;1,5\nBow;2,5\n", &[], ';', 1),
        ("First\tNote, long; very\nAnn\tx\n", &[], '\t', 1),
        ("First|Mail\nAnn|a@x\n", &["Mail"], '|', 1),
        ("Name\nMeyer\n", &["Name"], ',', 1),
        ("sep=;\nFirst;Mail, work\nAnn;a@x\n", &[], ';', 2),
        ("\"SEP=,\"\r\nFirst,a;b\r\nAnn,1\r\n", &[], ',', 2),
        ("sep=;;\nFirst;Mail\nAnn;a@x\n", &[], ';', 2),
        ("Customers of May\n\nFirst;Mail\nAnn;a@x\nBob;b@x\n", &["Mail"], ';', 3),
        ("# exported, May;;\nFirst;Mail;Note\nAnn;a@x;\n", &["First", "Mail"], ';', 2),
        ("# exported, May;;\nFIRST;E  mail;Note\nAnn;a@x;\n", &["First", "e mail"], ';', 2),
    ];
    for (file, mapped, delimiter, line) in cases {
        let seen = read_as(file.as_bytes(), &Options::default(), mapped).unwrap();
        let found = (char::from(seen.form.dialect.delimiter), seen.form.header_line);
        assert_eq!(found, (delimiter, line), "{file:?}");
    }
    // What is named is taken, whatever the file says.
    let named = Options { delimiter: delimiter(";"), ..Options::default() };
    assert_eq!(read_as(b"sep=,\nA,B;C\n1,2;3\n", &named, &[]).unwrap().header, ["A,B", "C"]);
    // Cells below one column are not taken for one text.
    let seen = read_as(b"First\nAnn;ann@x\nBob;bob@x\n", &Options::default(), &["First"]).unwrap();
    assert_eq!(outcome(&seen).1.len(), 2, "{seen:?}");
}

#[test]
fn another_quote_is_taken_or_none() {
    let options = |quote| Options { quote, ..Options::default() };
    let seen = read_as(b"A,B\n'x,y','it''s'\n\"z\",1\n", &options(Quote::Single), &[]).unwrap();
    assert_eq!(seen.rows, [row(2, &["x,y", "it's"]), row(3, &["\"z\"", "1"])]);
    let seen = read_as(b"A,B\n5\" pipe,\"x\n", &options(Quote::None), &[]).unwrap();
    assert_eq!(seen.rows, [row(2, &["5\" pipe", "\"x"])]);
}

/// Bytes that come again and again, as many as are asked for.
struct Long(u64);

impl Read for Long {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let length = out.len().min(usize::try_from(self.0).unwrap());
        out[..length].fill(b'x');
        self.0 -= length as u64;
        Ok(length)
    }
}

#[test]
fn of_endless_lines_the_limit_is_kept_and_the_rows_behind_them_are_read() {
    const LENGTH: u64 = if cfg!(debug_assertions) { 24 << 20 } else { 1 << 30 };
    let dialect = Dialect { delimiter: b',', quote: Some(b'"') };
    let form = Form { encoding: UTF_8, mark: 0, dialect, header_line: 1 };
    let file =
        b"A,B\n1,".chain(Long(LENGTH)).chain(&b"\n2,\""[..]).chain(Long(LENGTH)).chain(&b"\"\n3,4\n"[..]);
    let mut table = Table::open(file, &form).unwrap();
    for line in [2, 3] {
        let row = table.next().unwrap().unwrap();
        let kept: usize = row.cells.iter().map(String::len).sum();
        assert!(kept <= MAX_ROW, "{kept} bytes are kept");
        let faults: Vec<_> =
            row.faults.iter().map(|f| (f.line, f.column(table.header()), f.reason.as_str())).collect();
        assert_eq!(faults, [(line, "B", "ROW_TOO_LONG")]);
    }
    assert_eq!(table.next().unwrap(), Some(row(4, &["3", "4"])));
    assert_eq!(table.next().unwrap(), None);
}

#[test]
fn a_row_of_many_lines_that_is_too_long_is_told_where_it_begins() {
    let file = format!("A,B\n1,2\n3,\"{}\"\n5,6\n", "x\n".repeat(MAX_ROW));
    let rows = read(file.as_bytes()).rows;
    let faults: Vec<_> = rows[1].faults.iter().map(|fault| (fault.line, fault.reason.as_str())).collect();
    assert_eq!(faults, [(3, "ROW_TOO_LONG")]);
    assert_eq!(rows[2].cells, ["5", "6"]);
}

#[test]
fn blank_lines_are_passed_however_many_they_are() {
    let blank = "\r\n".repeat(100_000);
    let seen = read(format!("a,b\r\n{blank}\"O\"\"Brien\",\"x\"\"\"\r\n{blank}2,\r\n"));
    assert_eq!(seen.rows, [row(100_002, &["O\"Brien", "x\""]), row(200_003, &["2", ""])]);
}

#[test]
fn cells_beyond_the_columns_are_not_kept() {
    let seen = read(format!("a,b\n1{}\n", ",".repeat(100_000)));
    assert_eq!((seen.rows.len(), seen.rows[0].cells.len()), (1, 2));
}

#[test]
fn a_file_has_as_many_rows_as_an_import_may_and_not_one_more() {
    let count = |rows: u64| {
        let text = b"1\n".repeat(1 + usize::try_from(rows).unwrap());
        let dialect = Dialect { delimiter: b',', quote: Some(b'"') };
        let form = Form { encoding: UTF_8, mark: 0, dialect, header_line: 1 };
        Table::open(text.as_slice(), &form).unwrap().count()
    };
    assert_eq!(count(MAX_ROWS).unwrap(), MAX_ROWS);
    assert!(matches!(count(MAX_ROWS + 1), Err(TableError::TooManyRows)));
}

#[test]
fn what_is_no_table_is_refused() {
    let refused = |bytes: &[u8]| read_as(bytes, &Options::default(), &[]).unwrap_err();
    assert!(matches!(refused(b""), TableError::Empty));
    assert!(matches!(refused(b"\n\n"), TableError::Empty));
    assert!(matches!(refused(b"PK\x03\x04\x00\x00\x01\x02\xff\xfe\x80\x81\x82"), TableError::NotText));
    assert!(matches!(refused(b"\xff\xfe\x00\x00A\x00\x00\x00"), TableError::NotText));
    assert!(matches!(refused(b"A,\"B\n1,2\n"), TableError::Header(f) if f.reason.as_str() == "QUOTE_OPEN"));
    let wide = format!("a{}\n", ",a".repeat(MAX_COLUMNS));
    assert!(matches!(refused(wide.as_bytes()), TableError::TooWide));
    // A name that is there twice is a matter of who maps it.
    assert_eq!(read("a,b,a\n1,2,3\n").header, ["a", "b", "a"]);
}
