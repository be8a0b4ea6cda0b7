//! The bench's organisations: twenty custom fields, six of them indexed, a third of their values empty. The same bytes
//! every time.

use std::ops::Range;

use serde_json::{Value, json};

/// The list that is measured: one option of the picklist, which every fifth contact has.
pub(super) const FILTER: &str = "custom.tier = \"gold\"";
/// Newest first.
pub(super) const ORDER_BY: &str = "custom.renewal_date desc";
/// Contacts on a page.
pub(super) const PAGE_SIZE: usize = 50;

const TIERS: [&str; 5] = ["gold", "silver", "bronze", "basic", "trial"];
const SEGMENTS: [&str; 4] = ["retail", "industry", "public", "services"];
const INTERESTS: [&str; 4] = ["support", "training", "hosting", "consulting"];
const FIRST: [&str; 12] =
    ["Ada", "Björn", "Chloé", "Dmitri", "Eva", "Farid", "Grace", "Hiro", "Inês", "Jan", "Kwame", "Zoë"];
const LAST: [&str; 10] =
    ["Ångström", "Becker", "Costa", "Dubois", "Eriksen", "Fischer", "García", "Haddad", "Ivanova", "Meyer"];
const JOBS: [&str; 5] = ["Engineer", "Buyer", "Head of Sales", "CTO", "Clerk"];

/// A custom field: key, type, indexed. The header of its column is its key.
const FIELDS: [(&str, &str, bool); 20] = [
    ("tier", "picklist", true),
    ("renewal_date", "date", true),
    ("seats", "integer", true),
    ("budget", "money", true),
    ("customer_code", "text", true),
    ("rating", "decimal", true),
    ("notes", "long_text", false),
    ("nickname", "text", false),
    ("region", "text", false),
    ("segment", "picklist", false),
    ("interests", "multi_picklist", false),
    ("employees", "integer", false),
    ("discount", "decimal", false),
    ("newsletter", "boolean", false),
    ("vip", "boolean", false),
    ("first_contact", "date", false),
    ("last_call", "datetime", false),
    ("private_email", "email", false),
    ("second_phone", "phone", false),
    ("website", "url", false),
];

const STANDARD: [(&str, &str); 5] = [
    ("First", "first_name"),
    ("Last", "last_name"),
    ("E-Mail", "emails.address"),
    ("Job", "job_title"),
    ("Life cycle", "lifecycle"),
];

/// The bodies that define the fields.
pub(super) fn definitions() -> impl Iterator<Item = Value> {
    FIELDS.iter().map(|(key, field_type, indexed)| {
        let options: &[&str] = match *key {
            "tier" => &TIERS,
            "segment" => &SEGMENTS,
            "interests" => &INTERESTS,
            _ => &[],
        };
        let options: Vec<Value> = options.iter().map(|key| json!({"key": key, "label": key})).collect();
        json!({"key": key, "label": key, "type": field_type, "options": options, "indexed": indexed})
    })
}

/// The mapping of an import of [`csv`].
pub(super) fn mapping() -> Vec<Value> {
    let standard = STANDARD.iter().map(|(column, field)| json!({"column": column, "field": field}));
    let custom = FIELDS.iter().map(|(key, ..)| json!({"column": key, "field": format!("custom.{key}")}));
    standard.chain(custom).collect()
}

/// Contacts by number, each with an address of its own.
pub(super) fn csv(rows: Range<u64>) -> Vec<u8> {
    let header = STANDARD.iter().map(|(column, _)| *column).chain(FIELDS.iter().map(|(key, ..)| *key));
    let mut text = header.collect::<Vec<_>>().join(",");
    text.push('\n');
    for row in rows {
        let chance = draw(row, 0);
        text += &format!(
            "{},{},contact-{row}@bench.test,{},{}",
            pick(&FIRST, chance),
            pick(&LAST, chance >> 8),
            pick(&JOBS, chance >> 16),
            pick(&["lead", "qualified", "customer"], chance >> 24),
        );
        for (field, (key, ..)) in FIELDS.iter().enumerate() {
            text.push(',');
            let chance = draw(row, field as u64 + 1);
            match *key {
                "tier" if row % 5 == 0 => text += TIERS[0],
                "tier" if chance % 12 >= 5 => text += pick(&TIERS[1..], chance >> 8),
                "tier" => {}
                key if !chance.is_multiple_of(3) => text += &value(key, chance >> 8),
                _ => {}
            }
        }
        text.push('\n');
    }
    text.into_bytes()
}

fn value(key: &str, chance: u64) -> String {
    let date = |from: u64| {
        format!("20{:02}-{:02}-{:02}", from + chance % 6, 1 + (chance >> 8) % 12, 1 + (chance >> 16) % 28)
    };
    match key {
        "renewal_date" => date(26),
        "first_contact" => date(15),
        "last_call" => format!("{}T{:02}:{:02}:00Z", date(20), (chance >> 24) % 24, (chance >> 32) % 60),
        "seats" | "employees" => (1 + chance % 5_000).to_string(),
        "budget" => format!("{}.{:02} EUR", 100 + chance % 1_000_000, (chance >> 32) % 100),
        "customer_code" => format!("C-{:08}", chance % 100_000_000),
        "rating" | "discount" => format!("{}.{}", chance % 100, 1 + (chance >> 16) % 9),
        "notes" => format!(
            "Met at fair {} and asked for an offer of {} seats until autumn",
            chance % 40,
            chance % 900
        ),
        "segment" => pick(&SEGMENTS, chance).to_owned(),
        "interests" => format!("{};{}", pick(&INTERESTS[..2], chance), pick(&INTERESTS[2..], chance >> 8)),
        "newsletter" | "vip" => chance.is_multiple_of(2).to_string(),
        "private_email" => format!("private-{}@mail.test", chance % 10_000_000),
        "second_phone" => format!("+49 30 {:07}", 2_000_000 + chance % 7_000_000),
        "website" => format!("https://www.site-{}.test/about", chance % 1_000_000),
        _ => format!("{key} {}", chance % 500),
    }
}

fn pick<'a>(choices: &[&'a str], chance: u64) -> &'a str {
    choices[(chance % choices.len() as u64) as usize]
}

/// SplitMix64 of a row and a field: without state, so that every cell stands for itself.
fn draw(row: u64, field: u64) -> u64 {
    let mut x = (row << 8 | field).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_values_is_empty_and_one_option_keeps_a_fifth() {
        let text = String::from_utf8(csv(0..3_000)).unwrap();
        let rows: Vec<Vec<&str>> = text.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(rows.len(), 3_000);
        assert!(rows.iter().all(|row| row.len() == STANDARD.len() + FIELDS.len()));
        let custom = || rows.iter().flat_map(|row| &row[STANDARD.len()..]);
        let empty = custom().filter(|cell| cell.is_empty()).count() as f64 / custom().count() as f64;
        assert!((0.31..0.36).contains(&empty), "{empty}");
        assert_eq!(rows.iter().filter(|row| row[STANDARD.len()] == "gold").count(), 600);
        assert_eq!(definitions().filter(|field| field["indexed"] == true).count(), 6);
    }
}
