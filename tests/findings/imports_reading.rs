//! What a file is read as: delimiters, hints, encodings.

use serde_json::json;

use super::Wrong;
use super::files::{FIRST, FLM, FM, Import, Truth};
use crate::stage::Stage;

#[tokio::test]
async fn the_delimiter_is_the_one_that_gives_the_mapped_columns() {
    let tenant = Stage::shared().await.tenant("f-delimiters").await;
    let cases = [
        ("First|Mail|Ort, Land, Kreis, Bezirk; Amt\nAnn|a1@x.test|Wien\n", "|", "Ann//a1@x.test"),
        ("First\tMail\tPreis (netto, in Tsd., ab 2025; brutto)\nAnn\ta2@x.test\t5\n", "\t", "Ann//a2@x.test"),
        ("First;Mail;a,b,c\nAnn;a3@x.test;x\n", ";", "Ann//a3@x.test"),
        ("First,Mail,Rank; title; role; since\nAnn,a4@x.test,CTO\n", ",", "Ann//a4@x.test"),
        (
            "\"First\";\"Mail\";\"Note, long, and, longest\"\n\"Ann\";\"a5@x.test\";\"x,y,z,ä\"\n",
            ";",
            "Ann//a5@x.test",
        ),
        ("Note|Mail|First\n1,2,3|a6@x.test|Ann\n4,5,6|a7@x.test|Bob\n", "|", "Ann//a6@x.test Bob//a7@x.test"),
    ];
    let mut wrong = Wrong::default();
    for (file, delimiter, people) in cases {
        let outcome = Import::default().run(&tenant, file).await;
        let right =
            outcome.people().join(" ") == people && outcome.operation["detected"]["delimiter"] == delimiter;
        wrong.unless(right, || format!("{file:?}: {:?} {}", outcome.people(), outcome.operation));
    }
    wrong.none();
}

#[tokio::test]
async fn a_delimiter_that_is_named_is_taken_and_no_other() {
    let tenant = Stage::shared().await.tenant("f-delimiter-named").await;
    let named = |delimiter: &str| Import { more: json!({"delimiter": delimiter}), ..Import::default() };
    let mut wrong = Wrong::default();
    let file = "First^Mail^Note, note; note\nAnn^a@x.test^1,5;2\n";
    let outcome = named("^").run(&tenant, file).await;
    wrong.unless(outcome.people() == ["Ann//a@x.test"], || format!("{outcome:?}"));
    // It is not corrected behind the sender's back either.
    let outcome = named(",").run(&tenant, "First;Mail\nBob;b@x.test\n").await;
    wrong.unless(outcome.has_failed() && outcome.made.is_empty(), || format!("{outcome:?}"));
    wrong.none();
}

/// Whatever the delimiter of one column is held to be, nothing is lost of its cells.
#[tokio::test]
async fn of_a_file_with_one_column_nothing_is_lost() {
    let tenant = Stage::shared().await.tenant("f-one-column").await;
    let mut wrong = Wrong::default();
    for (file, whole) in [
        ("First\nMüller, Ann; geb. Berg\n", "Müller, Ann; geb. Berg//"),
        ("First\r\nAnn ; Marie\r\n", "Ann ; Marie//"),
        ("\u{feff}First\nAnn | Bob | Cid\n", "Ann | Bob | Cid//"),
    ] {
        let outcome = Import { columns: FIRST, ..Import::default() }.run(&tenant, file).await;
        let refused = outcome.made.is_empty() && outcome.has_error((2, "*", ""));
        wrong.unless(refused || outcome.people() == [whole], || format!("{file:?}: {outcome:?}"));
    }
    wrong.none();
}

#[tokio::test]
async fn a_hint_before_the_header_is_no_header_and_counts_as_a_line() {
    let tenant = Stage::shared().await.tenant("f-hints").await;
    let cases = [
        "sep=|\nFirst|Mail\nAnn|nobody\nBob|{}\n",
        "\u{feff}sep=;\r\nFirst;Mail\r\nAnn;nobody\r\nBob;{}\r\n",
        "sep=\t\nFirst\tMail\nAnn\tnobody\nBob\t{}\n",
        "SEP=,\r\nFirst,Mail\r\nAnn,nobody\r\nBob,{}\r\n",
        "\"sep=;\"\nFirst;Mail\nAnn;nobody\nBob;{}\n",
    ];
    let mut wrong = Wrong::default();
    for (n, case) in cases.into_iter().enumerate() {
        let mail = format!("bob{n}@x.test");
        let file = case.replace("{}", &mail);
        let outcome = Import::default().run(&tenant, &file).await;
        let right = outcome.people() == [format!("Bob//{mail}")]
            && outcome.has_error((3, "Mail", "EMAIL_INVALID"))
            && outcome.counts() == [1, 0, 0, 1];
        wrong.unless(right, || format!("{file:?}: {outcome:?}"));
    }
    wrong.none();
}

#[tokio::test]
async fn lines_before_the_header_do_not_become_records() {
    let tenant = Stage::shared().await.tenant("f-titles").await;
    let mut wrong = Wrong::default();
    for (file, line) in [
        ("# exported 2026-11-27, by Ann\nFirst;Mail\nBob;bob@x.test\n", 2),
        ("Customers of the year\n\nFirst,Mail\nCid,cid@x.test\n", 3),
    ] {
        let outcome = Import::default().run(&tenant, file).await;
        let right = outcome.counts() == [1, 0, 0, 0] && outcome.operation["detected"]["header_line"] == line;
        wrong.unless(right, || format!("{file:?}: {outcome:?}"));
    }
    wrong.none();
}

#[tokio::test]
async fn bytes_that_are_not_of_the_encoding_spoil_their_row_alone() {
    let stage = Stage::shared().await;
    let cases = [
        Truth {
            file: b"First,Mail\n\xc5\x81ucja,l@x.test\nXavier\x80,x@x.test\nBj\xc3\xb6rk,b@x.test\n",
            people: &["Łucja//l@x.test", "Björk//b@x.test"],
            errors: &[(3, "First", "ENCODING")],
        },
        Truth {
            file: b"First,Mail\nZo\xc3\xa9,z@x.test\nPaul,p@x.test\xe2\x82\nMa\xc3\xablys,m@x.test\n",
            people: &["Zoé//z@x.test", "Maëlys//m@x.test"],
            errors: &[(3, "Mail", "ENCODING")],
        },
        Truth {
            file: b"First,Mail\nA\xed\xa0\x80nn,a@x.test\nB\xc0\xafob,b@x.test\n\xd8\xb9\xd9\x84\xd9\x8a,c@x.test\n",
            people: &["علي//c@x.test"],
            errors: &[(2, "First", "ENCODING"), (3, "First", "ENCODING")],
        },
        Truth {
            file: b"\xef\xbb\xbfFirst,Mail\nJos\xe9,j@x.test\nNu\xc3\xb1ez,n@x.test\n",
            people: &["Nuñez//n@x.test"],
            errors: &[(2, "First", "ENCODING")],
        },
    ];
    let mut wrong = Wrong::default();
    for case in &cases {
        let tenant = stage.tenant("f-bytes").await;
        let outcome = Import::default().run(&tenant, case.file).await;
        // Where most of the bytes are in doubt, the file may be refused as a whole.
        let said = outcome.operation["failure"].as_str().unwrap_or_default();
        let is_refused = outcome.has_failed() && outcome.made.is_empty() && said.contains("ENCODING");
        wrong.0.extend(case.missed_by(&outcome).filter(|_| !is_refused));
    }
    // What is declared is held to it as well, and then nothing is in doubt.
    let declared = Import { content_type: "text/csv; charset=utf-8", ..Import::default() };
    for case in &cases {
        let tenant = stage.tenant("f-bytes-declared").await;
        wrong.0.extend(case.missed_by(&declared.run(&tenant, case.file).await));
    }
    wrong.none();
}

/// `\u{e000}` becomes half of a surrogate pair.
fn utf16(text: &str, is_big_endian: bool) -> Vec<u8> {
    let units = std::iter::once(0xfeff).chain(text.encode_utf16());
    let units = units.map(|unit| if unit == 0xe000 { 0xd83d } else { unit });
    units.flat_map(|unit| if is_big_endian { unit.to_be_bytes() } else { unit.to_le_bytes() }).collect()
}

#[tokio::test]
async fn utf_16_is_read_right_or_not_at_all() {
    let stage = Stage::shared().await;
    let text = "sep=;\r\nFirst;Mail\r\nŻółć;z@x.test\r\nB\u{e000}d;b@x.test\r\n😀 山田;s@x.test\r\n";
    let mut wrong = Wrong::default();
    for is_big_endian in [true, false] {
        let tenant = stage.tenant("f-utf16").await;
        let file = utf16(text, is_big_endian);
        let case = Truth {
            file: &file,
            people: &["Żółć//z@x.test", "😀 山田//s@x.test"],
            errors: &[(4, "First", "ENCODING")],
        };
        wrong.0.extend(case.missed_by(&Import::default().run(&tenant, &file).await));
    }
    wrong.none();
}

#[tokio::test]
async fn a_declared_charset_is_used_and_what_the_request_says_counts_more() {
    let tenant = Stage::shared().await.tenant("f-charsets").await;
    let cases: [(&str, &str, &[u8], &str); 11] = [
        ("text/csv; charset=koi8-r", "", b"\xe9\xd7\xc1\xce", "Иван"),
        ("text/csv;charset=ISO-8859-7", "", b"\xcd\xdf\xea\xef\xf2", "Νίκος"),
        ("text/csv; header=present; charset=\"Windows-1250\"", "", b"\xa3uk\xe1\x9a", "Łukáš"),
        ("text/csv; charset=euc-kr", "", b"\xb1\xe8\xc3\xb6\xbc\xf6", "김철수"),
        ("application/vnd.ms-excel; charset=Big5", "", b"\xb3\xaf\xac\xfc\xac\xc2", "陳美玲"),
        ("text/csv; charset=gb18030", "", b"\xcd\xf5\xb7\xbc", "王芳"),
        ("text/csv; charset=windows-1256", "", b"\xda\xe1\xed", "علي"),
        ("text/csv; charset=euc-jp", "", b"\xce\xeb\xcc\xda", "鈴木"),
        ("text/csv", "iso-8859-5", b"\xbe\xdb\xec\xd3\xd0", "Ольга"),
        ("text/csv", "windows-874", b"\xca\xc1\xaa\xd2\xc2", "สมชาย"),
        ("text/csv; charset=koi8-r", "windows-1253", b"\xc5\xeb\xdd\xed\xe7", "Ελένη"),
    ];
    let mut wrong = Wrong::default();
    for (n, (content_type, encoding, bytes, name)) in cases.into_iter().enumerate() {
        let mail = format!("m{n}@x.test");
        let file = [b"First,Mail\n", bytes, b",", mail.as_bytes(), b"\n"].concat();
        let more = if encoding.is_empty() { json!({}) } else { json!({"encoding": encoding}) };
        match (Import { content_type, more, ..Import::default() }).tried(&tenant, &file).await {
            Ok(outcome) => {
                let right = outcome.people() == [format!("{name}//{mail}")];
                wrong.unless(right, || format!("{content_type} {encoding}: {:?}", outcome.people()));
            }
            Err(refusal) => wrong.0.push(format!("{content_type} {encoding}: {}", refusal.text)),
        }
    }
    wrong.none();
}

#[tokio::test]
async fn what_cannot_be_decoded_is_refused_and_not_guessed() {
    let tenant = Stage::shared().await.tenant("f-unknown-charsets").await;
    let mut wrong = Wrong::default();
    // A name that nobody knows, one that browsers know to be dangerous, one that is not ASCII at all.
    for charset in ["x-nothing", "hz-gb-2312", "utf-7", "ibm037"] {
        let content_type = format!("text/csv; charset={charset}");
        let import = Import { content_type: &content_type, columns: FLM, ..Import::default() };
        let taken = import.tried(&tenant, "First,Last,Mail\nAnn,Berg,ann@x.test\n").await;
        let refused = match &taken {
            Ok(outcome) => outcome.has_failed() && outcome.made.is_empty(),
            Err(refusal) => refusal.status == 422 || refusal.status == 415,
        };
        wrong.unless(refused, || format!("{charset}: {taken:?}"));
    }
    // Nothing says what these bytes are: the right name, or none.
    for (bytes, name) in
        [(&b"\xcf\xe5\xf2\xf0"[..], "Петр"), (b"\xe3\xe5\xe3", "דוד"), (b"Ren\xe9e", "Renée")]
    {
        let mail = format!("{}@x.test", name.chars().count());
        let file = [b"First,Mail\n", bytes, b",", mail.as_bytes(), b"\n"].concat();
        let import = Import { columns: FM, ..Import::default() };
        if let Ok(outcome) = import.tried(&tenant, &file).await {
            let people = outcome.people();
            let right = people.is_empty() || people == [format!("{name}//{mail}")];
            wrong.unless(right, || format!("{name}: {people:?}"));
        }
    }
    wrong.none();
}
