//! Broken and odd files against a model that knows what is in them: nothing wrong is stored, nothing is lost, every error is at its
//! line and in its column, and every row is counted once. The reader alone is tried with many more (`imports/table/properties.rs`).

use std::collections::BTreeMap;

use anyhow::Result;
use proto::common::v1 as common;
use proto::records::v1 as pb;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::imports::{finished, import, upload};
use super::world::{Caller, World, custom_of};

const FILES: u64 = 14;
const ITEMS: usize = 30;
const COLUMNS: [(&str, &str); 6] = [
    ("Mail", "emails.address"),
    ("First, given", "first_name"),
    ("Born", "birthday"),
    ("Seats; all", "custom.seats"),
    ("Note", "custom.note"),
    ("Phone", "phones.number"),
];
const MAIL: usize = 0;
const FIRST: usize = 1;
const NOTE: usize = 4;

/// Numbers that look random and are the same each time.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    fn one<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// How a file is written, and what is said about it.
struct Manner {
    label: &'static str,
    names: &'static [&'static str],
    delimiter: char,
    line_end: &'static str,
    has_hint: bool,
    date_format: &'static str,
    decimal: &'static str,
    region: &'static str,
    phone: (&'static str, &'static str),
}

impl Manner {
    fn of(chance: &mut Chance) -> Self {
        let (label, names): (_, &[_]) = chance.one::<(&str, &[&str])>(&[
            ("utf-8", &["Zoë", "Иван", "山田", "O'Brien"]),
            ("", &["Zoë", "Søren"]),
            ("windows-1251", &["Иван", "Пётр"]),
            ("iso-8859-2", &["Łukasz", "Žofie"]),
            ("shift_jis", &["山田", "表ソ"]),
            ("utf-16le", &["Zoë", "Иван", "山田"]),
        ]);
        let (region, phone) =
            chance.one(&[("DE", ("030 901820", "+4930901820")), ("US", ("(650) 253-0000", "+16502530000"))]);
        Self {
            label,
            names,
            delimiter: chance.one(&[',', ';', '\t', '|']),
            line_end: chance.one(&["\n", "\r\n", "\r"]),
            has_hint: chance.below(4) == 0,
            date_format: chance.one(&["", "DD.MM.YYYY", "MM/DD/YYYY", "DD/MM/YYYY"]),
            decimal: chance.one(&["", ","]),
            region,
            phone,
        }
    }

    /// The last day of a month, of which nothing can be taken for a month.
    fn date(&self, day: u64) -> String {
        match self.date_format {
            "DD.MM.YYYY" => format!("{day}.1.1980"),
            "MM/DD/YYYY" => format!("01/{day}/1980 0:00"),
            "DD/MM/YYYY" => format!("{day}/01/1980"),
            _ => format!("1980-01-{day} 00:00:00"),
        }
    }

    fn bytes(&self, text: &str) -> Vec<u8> {
        // A byte that is nowhere a character, and half a character of UTF-16.
        let bad: &[u8] = match self.label {
            "utf-16le" => b"\x00\xd8",
            "iso-8859-2" => b"\x81",
            "windows-1251" => b"\x98",
            _ => b"\xff",
        };
        let mut bytes = Vec::new();
        for (at, piece) in text.split(BAD).enumerate() {
            if at > 0 {
                bytes.extend_from_slice(bad);
            }
            match self.label {
                "utf-16le" => bytes.extend(piece.encode_utf16().flat_map(u16::to_le_bytes)),
                "" | "utf-8" => bytes.extend_from_slice(piece.as_bytes()),
                label => bytes.extend(piece.chars().flat_map(|c| byte_of(label, c))),
            }
        }
        bytes
    }
}

/// Stands for bytes that are not of the encoding.
const BAD: char = '\u{f8ff}';

/// The bytes of a character: a table of its own, so that the model does not trust what it tries.
fn byte_of(label: &str, c: char) -> Vec<u8> {
    let known: &[(char, &[u8])] = match label {
        "windows-1251" => &[
            ('И', b"\xc8"),
            ('в', b"\xe2"),
            ('а', b"\xe0"),
            ('н', b"\xed"),
            ('П', b"\xcf"),
            ('ё', b"\xb8"),
            ('т', b"\xf2"),
            ('р', b"\xf0"),
        ],
        "iso-8859-2" => &[('Ł', b"\xa3"), ('Ž', b"\xae")],
        _ => &[('山', b"\x8e\x52"), ('田', b"\x93\x63"), ('表', b"\x95\x5c"), ('ソ', b"\x83\x5c")],
    };
    match known.iter().find(|(known, _)| *known == c) {
        Some((_, bytes)) => bytes.to_vec(),
        None => vec![u8::try_from(c).unwrap_or_else(|_| panic!("{c} is not of {label}"))],
    }
}

/// A contact as it must be stored: name, birthday, custom values, number.
type Stored = (String, String, serde_json::Value, String);

#[derive(Debug, Default)]
struct Truth {
    contacts: BTreeMap<String, Stored>,
    /// Line, column and reason.
    errors: Vec<(i64, String, String)>,
}

/// A file and what is in it.
fn written(chance: &mut Chance, manner: &Manner) -> (String, Truth) {
    let quoted = |cell: &str| format!("\"{}\"", cell.replace('"', "\"\""));
    let cell = |cell: &str| {
        if cell.contains(['"', '\n', manner.delimiter]) { quoted(cell) } else { cell.to_owned() }
    };
    let delimiter = manner.delimiter.to_string();
    let joined = |cells: &[String]| cells.join(&delimiter);
    let (mut lines, mut truth) = (Vec::<String>::new(), Truth::default());
    if manner.has_hint {
        lines.push(format!("sep={}", manner.delimiter));
    }
    lines.push(joined(&COLUMNS.map(|(column, _)| cell(column))));
    for number in 0..ITEMS {
        let line = lines.iter().map(|line| line.matches('\n').count() as i64 + 1).sum::<i64>() + 1;
        let address = format!("p{number}@x.test");
        // A cell that is broken over lines is one name.
        let between = chance.one(&[" ", "-", "\n"]);
        let name = format!("{}{between}{}", chance.one(manner.names), chance.one(manner.names));
        let (day, thousands) = (13 + chance.below(18), 1 + chance.below(900));
        let note = chance.one(&["a, b", "c; d", "e|f", "say \"hi\"", "plain"]).to_owned();
        let seats =
            if manner.decimal == "," { format!("{thousands}.000.000,") } else { thousands.to_string() };
        let seats = seats.trim_end_matches(',').to_owned();
        let number_of_seats = if manner.decimal == "," { thousands * 1_000_000 } else { thousands };
        let mut cells: Vec<String> = [&address, &name, &manner.date(day), &seats, &note, manner.phone.0]
            .iter()
            .map(|c| cell(c))
            .collect();
        // A fault is at the line of its cell, behind what the cells before it have broken.
        let broken = name.matches('\n').count() as i64;
        let mut fault = |at: Option<usize>, reason: &str| {
            let line = if at == Some(NOTE) { line + broken } else { line };
            let column = at.map_or("", |at| COLUMNS[at].0);
            truth.errors.push((line, column.to_owned(), reason.to_owned()));
        };
        // The first is right: UTF-8 is known by a letter of it.
        match if number == 0 { 0 } else { chance.below(14) } {
            0..=5 => {
                let custom = json!({"note": note, "seats": number_of_seats});
                let stored =
                    (name.replace('\n', " "), format!("1980-01-{day}"), custom, manner.phone.1.to_owned());
                truth.contacts.insert(address, stored);
            }
            6 => {
                cells.truncate(2);
                let stored = (name.replace('\n', " "), String::new(), json!({}), String::new());
                truth.contacts.insert(address, stored);
            }
            7 => {
                cells.push("PhD".to_owned());
                fault(None, "TOO_MANY_CELLS");
            }
            8 => {
                cells[FIRST] = "5\" Ann".to_owned();
                fault(Some(FIRST), "QUOTE_IN_CELL");
            }
            9 => {
                cells[NOTE] = format!("\"She said \"call me\np{number}x@y.test{delimiter}Eve\nbye\" now\"");
                fault(Some(NOTE), "TEXT_AFTER_QUOTE");
            }
            10 => {
                cells[FIRST] = format!("Jos{BAD}x");
                fault(Some(FIRST), "ENCODING_INVALID");
            }
            11 => {
                cells[2] = "1980-01-31 08:30".to_owned();
                fault(Some(2), "DATE_INVALID");
            }
            12 => {
                cells[3] = cell("1,5.5");
                fault(Some(3), "TYPE_MISMATCH");
            }
            _ => {
                cells[MAIL] = format!("\"Bob \\\"The\\\" B{number}\"");
                fault(Some(MAIL), "TEXT_AFTER_QUOTE");
            }
        }
        lines.push(joined(&cells));
    }
    if chance.below(3) == 0 {
        let line = lines.iter().map(|line| line.matches('\n').count() as i64 + 1).sum::<i64>() + 1;
        lines.push(joined(&["q@x.test".to_owned(), "\"never closed".to_owned()]));
        lines.push(joined(&["lost@x.test".to_owned(), "Lost".to_owned()]));
        truth.errors.push((line, COLUMNS[FIRST].0.to_owned(), "QUOTE_OPEN".to_owned()));
    }
    let text = lines.iter().map(|line| line.replace('\n', manner.line_end) + manner.line_end).collect();
    (text, truth)
}

/// Every contact of the caller's tenant, by address.
async fn stored(caller: &Caller) -> Result<BTreeMap<String, Stored>> {
    let request = pb::ListContactsRequest { page_size: Some(200), ..Default::default() };
    let page = caller.list(request).await?;
    assert_eq!(page.next_page_token, "");
    let known = |contact: pb::Contact| {
        let custom = custom_of(&contact);
        let address = contact.emails.first().map(|e| e.address.clone()).unwrap_or_default();
        let number = contact.phones.first().map(|p| p.number.clone()).unwrap_or_default();
        let birthday = contact.birthday.unwrap_or_default();
        (address, (contact.first_name.unwrap_or_default(), birthday, custom, number))
    };
    Ok(page.contacts.into_iter().map(known).collect())
}

async fn tried(world: &World, seed: u64) -> Result<()> {
    let mut chance = Chance(seed);
    let manner = Manner::of(&mut chance);
    let (text, truth) = written(&mut chance, &manner);
    let caller = world.admin()?;
    let request = pb::CreateImportRequest {
        duplicate_policy: pb::DuplicatePolicy::Create.into(),
        encoding: manner.label.to_owned(),
        date_format: manner.date_format.to_owned(),
        decimal_separator: manner.decimal.to_owned(),
        region: manner.region.to_owned(),
        ..import(upload(world, &caller, manner.bytes(&text)).await?, &COLUMNS)
    };
    let queued = caller.queue_import(request).await?;
    let operation = finished(&caller, &queued.id).await?;
    let seen = format!("seed {seed}: {text}\n{operation:?}");
    assert_eq!(operation.state, i32::from(common::OperationState::Succeeded), "{seen}");
    let detected = operation.detected.clone().unwrap_or_default();
    assert_eq!(queued.detected.as_ref(), Some(&detected), "{seen}");
    assert_eq!(detected.delimiter, manner.delimiter.to_string(), "{seen}");
    assert_eq!(detected.header_line, 1 + i64::from(manner.has_hint), "{seen}");
    assert_eq!(stored(&caller).await?, truth.contacts, "{seen}");
    let errors: Vec<_> =
        operation.errors.iter().map(|e| (e.line, e.column.clone(), e.reason.clone())).collect();
    assert_eq!(errors, truth.errors, "{seen}");
    let (result, rows) = (operation.result.unwrap_or_default(), truth.contacts.len() + truth.errors.len());
    assert_eq!(
        (result.created, result.failed),
        (truth.contacts.len() as i64, truth.errors.len() as i64),
        "{seen}"
    );
    let sum = result.created + result.updated + result.skipped + result.failed;
    assert_eq!((sum, operation.progress.unwrap_or_default().total), (rows as i64, rows as i64), "{seen}");
    Ok(())
}

#[tokio::test]
async fn nothing_wrong_is_stored_nothing_is_lost_and_every_error_is_at_its_place() -> Result<()> {
    let world = World::alone("globcrm_test_import_files").await?;
    let all = async {
        for seed in 1..=FILES {
            tried(&world, seed).await?;
        }
        Ok(())
    };
    tokio::select! {
        () = world.service.clone().work_imports(CancellationToken::new()) => unreachable!(),
        done = all => done,
    }
}
