//! Makes CSV exports as other systems write them: accents, quotes, line breaks in cells, several encodings, missing
//! values, bad rows and duplicates, with the exact outcome an import must have.

use std::collections::BTreeSet;

/// How the bytes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    Utf8,
    Utf8WithBom,
    Utf16LittleEndian,
    Windows1252,
}

/// A file with what must come of it.
pub struct Export {
    pub bytes: Vec<u8>,
    /// Rows that make a contact.
    pub good: usize,
    /// Rows that repeat an e-mail address of an earlier good row.
    pub duplicates: usize,
    /// `(line, column, reason)` of every bad row.
    pub errors: BTreeSet<(u64, String, String)>,
    /// Addresses of the contacts that must exist.
    pub addresses: BTreeSet<String>,
}

/// The columns and the fields they feed.
pub const MAPPING: [(&str, &str); 8] = [
    ("Vorname", "first_name"),
    ("Nachname", "last_name"),
    ("E-Mail", "emails.address"),
    ("Position", "job_title"),
    ("Stufe", "custom.tier"),
    ("Plätze", "custom.seats"),
    ("Verlängerung", "custom.renewal_date"),
    ("Budget", "custom.budget"),
];

const FIRST: [&str; 12] = [
    "Zoë",
    "José",
    "Anaïs",
    "Jürgen",
    "Marie",
    "Seán",
    "François",
    "Inês",
    "Björk",
    "Ana",
    "Søren",
    "O\"Brien",
];
const LAST: [&str; 10] = [
    "Ångström",
    "Müller, geb. Weiß",
    "García",
    "D'Angelo",
    "Smith",
    "Nuñez",
    "Meyer",
    "Lefèvre",
    "Østergård",
    "Berg",
];
const TITLES: [&str; 5] = ["CTO", "Head of\nSales", "Einkauf; Logistik", "", "Chief \"Fun\" Officer"];
const TIERS: [&str; 4] = ["gold", "silver", "bronze", ""];

/// A small generator with a fixed beginning: the same file every time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % sides as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.roll(from.len())]
    }
}

/// `rows` rows of which 3 % are bad and 2 % repeat an address; `prefix` keeps files apart.
pub fn export(rows: usize, prefix: &str, encoding: Encoding, seed: u64) -> Export {
    let mut dice = Dice(seed);
    let mut text = String::new();
    let header: Vec<&str> = MAPPING.iter().map(|(column, _)| *column).collect();
    push_row(&mut text, &header);
    let mut made = Export {
        bytes: Vec::new(),
        good: 0,
        duplicates: 0,
        errors: BTreeSet::new(),
        addresses: BTreeSet::new(),
    };
    let mut order = Vec::new();
    for row in 0..rows {
        let line = 1 + text.matches('\n').count() as u64;
        let address = format!("{prefix}.{row}@example.test");
        let (first, last, title) = (dice.pick(&FIRST), dice.pick(&LAST), dice.pick(&TITLES));
        let tier = dice.pick(&TIERS);
        let seats = if dice.roll(3) == 0 { String::new() } else { dice.roll(500).to_string() };
        let renewal = if dice.roll(3) == 0 {
            String::new()
        } else {
            format!("2027-{:02}-{:02}", 1 + dice.roll(12), 1 + dice.roll(28))
        };
        let budget = if dice.roll(2) == 0 { String::new() } else { format!("{}.50 EUR", dice.roll(90_000)) };
        // Every 33rd row is bad (3 %), every 50th repeats an address (2 %).
        let bad = row % 33 == 32;
        let repeats = !bad && row % 50 == 49;
        let mut cells = [
            first.to_owned(),
            last.to_owned(),
            address.clone(),
            title.to_owned(),
            tier.to_owned(),
            seats,
            renewal,
            budget,
        ];
        if bad {
            let (cell, value, reason) = match (row / 33) % 4 {
                0 => (2, "not-an-address", "EMAIL_INVALID"),
                1 => (4, "platinum", "OPTION_UNKNOWN"),
                2 => (5, "many", "TYPE_MISMATCH"),
                _ => (6, "31.02.2027", "DATE_INVALID"),
            };
            value.clone_into(&mut cells[cell]);
            made.errors.insert((line, MAPPING[cell].0.to_owned(), reason.to_owned()));
        } else if repeats {
            let earlier: &String = &order[dice.roll(order.len())];
            cells[2] = earlier.to_uppercase();
            made.duplicates += 1;
        } else {
            order.push(address.clone());
            made.addresses.insert(address);
            made.good += 1;
        }
        push_row(&mut text, &cells);
    }
    made.bytes = encode(&text, encoding);
    made
}

fn push_row<S: AsRef<str>>(text: &mut String, cells: &[S]) {
    for (i, cell) in cells.iter().enumerate() {
        let cell = cell.as_ref();
        if i > 0 {
            text.push(',');
        }
        if cell.contains([',', '"', '\n', ';']) {
            text.push('"');
            text.push_str(&cell.replace('"', "\"\""));
            text.push('"');
        } else {
            text.push_str(cell);
        }
    }
    text.push_str("\r\n");
}

fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf8WithBom => [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        Encoding::Utf16LittleEndian => {
            let units = std::iter::once(0xfeff_u16).chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        }
        // Every character the generator uses is in Latin-1, where the byte is the code point.
        Encoding::Windows1252 => {
            text.chars().map(|c| u8::try_from(u32::from(c)).expect("a Latin-1 character")).collect()
        }
    }
}
