//! The cells of a row, by the fields that they feed. A field without a cell is not sent; `no` is sent, and is false.

use std::collections::{BTreeMap, BTreeSet};

use error::Reason;
use field_types::{Canonical, FieldError, FieldRules, FieldType, moment, parse_text};
use proto::common::v1::Money;
use proto::records::v1 as pb;
use proto::timestamp;
use serde_json::Value;
use time::OffsetDateTime;

use super::importable::Kind;

/// Between the texts of a list in one cell.
const SEPARATOR: char = ';';

/// What the cells of a row send.
#[derive(Debug, Default)]
pub struct Cells {
    sent: BTreeSet<&'static str>,
    texts: BTreeMap<&'static str, String>,
    integers: BTreeMap<&'static str, i32>,
    flags: BTreeMap<&'static str, bool>,
    amounts: BTreeMap<&'static str, Money>,
    lists: BTreeMap<&'static str, Vec<String>>,
    entries: BTreeMap<&'static str, BTreeMap<usize, Entry>>,
    pub lifecycle: Option<i32>,
    pub external_ids: BTreeMap<String, String>,
}

/// An entry of a list, as far as cells send it.
#[derive(Debug, Default)]
pub struct Entry {
    texts: BTreeMap<&'static str, String>,
    kind: i32,
    is_primary: Option<bool>,
    given_at: Option<OffsetDateTime>,
}

impl Cells {
    /// Takes the cell of a field with one value. What the field demands of it is checked where every record is.
    pub fn put(&mut self, field: &'static str, kind: Kind, cell: &str) -> Result<(), FieldError> {
        match kind {
            // A cell may be broken over lines for its column's width; the field has one line.
            Kind::Line | Kind::Date | Kind::Id => drop(self.texts.insert(field, one_line(cell))),
            Kind::Lines => drop(self.texts.insert(field, cell.to_owned())),
            Kind::Integer(least, most) => {
                let value = scalar(FieldType::Integer, cell)?.as_i64().and_then(|v| i32::try_from(v).ok());
                let wide =
                    || FieldError::new(Reason::OUT_OF_RANGE, format!("must be from {least} to {most}"));
                let value = value.filter(|v| (least..=most).contains(v)).ok_or_else(wide)?;
                self.integers.insert(field, value);
            }
            Kind::Flag => drop(self.flags.insert(field, flag(cell)?)),
            Kind::Lifecycle => {
                let name = format!("LIFECYCLE_{}", cell.to_ascii_uppercase());
                let value = pb::Lifecycle::from_str_name(&name).filter(|v| *v != pb::Lifecycle::Unspecified);
                self.lifecycle = Some(value.ok_or_else(unknown)? as i32);
            }
            Kind::Money => {
                let amount = scalar(FieldType::Money, cell)?;
                let amount_minor = amount["amount_minor"].as_i64();
                let currency = amount["currency"].as_str().map(str::to_owned);
                self.amounts.insert(field, Money { amount_minor, currency });
            }
            // What they say is part of an amount.
            Kind::Currency | Kind::Minor => return Ok(()),
        }
        self.sent.insert(field);
        Ok(())
    }

    /// Takes the cell of an amount in the smallest unit of a currency.
    pub fn put_minor(&mut self, field: &'static str, cell: &str, currency: &str) -> Result<(), FieldError> {
        let amount_minor = scalar(FieldType::Integer, cell)?.as_i64();
        let currency = (!currency.is_empty()).then(|| one_line(currency));
        self.amounts.insert(field, Money { amount_minor, currency });
        self.sent.insert(field);
        Ok(())
    }

    /// Takes the cell of a list of texts: each of them once.
    pub fn put_texts(&mut self, field: &'static str, cell: &str) {
        let list = self.lists.entry(field).or_default();
        for text in cell.split(SEPARATOR).map(one_line).filter(|text| !text.is_empty()) {
            if !list.contains(&text) {
                list.push(text);
            }
        }
        if !list.is_empty() {
            self.sent.insert(field);
        }
    }

    /// Takes the cell of an id in another system.
    pub fn put_external_id(&mut self, system: &str, cell: &str) {
        self.external_ids.insert(system.to_owned(), one_line(cell));
        self.sent.insert("external_ids");
    }

    /// Takes the cell of a part of an entry; `at` is the place of the entry among those that the mapping names.
    pub fn put_part(
        &mut self,
        (list, at): (&'static str, usize),
        kind: Option<i32>,
        part: &'static str,
        cell: &str,
    ) -> Result<(), FieldError> {
        let entry = self.entries.entry(list).or_default().entry(at).or_default();
        if let Some(kind) = kind {
            entry.kind = kind;
        }
        match part {
            "kind" => entry.kind = self::kind(cell).ok_or_else(unknown)?,
            "is_primary" => entry.is_primary = Some(flag(cell)?),
            "given_at" => {
                entry.given_at = Some(moment::datetime(cell)?);
                self.sent.insert(list);
            }
            _ => {
                // A street may have several lines.
                let text = if part == "street" { cell.to_owned() } else { one_line(cell) };
                entry.texts.insert(part, text);
                self.sent.insert(list);
            }
        }
        Ok(())
    }

    /// The fields that are sent.
    pub fn names(&self) -> Vec<&'static str> {
        self.sent.iter().copied().collect()
    }

    /// The places of the entries of a list that the row sends, in their order: one with nothing but a kind is none.
    pub fn places(&self, list: &str) -> Vec<usize> {
        self.sent_entries(list).map(|(at, _)| *at).collect()
    }

    /// Whether the row itself says which entry of a list is the primary one.
    pub fn names_primary(&self, list: &str) -> bool {
        self.sent_entries(list).any(|(_, entry)| entry.is_primary == Some(true))
    }

    fn sent_entries(&self, list: &str) -> impl Iterator<Item = (&usize, &Entry)> {
        let entries = self.entries.get(list).into_iter().flatten();
        entries.filter(|(_, entry)| !entry.texts.is_empty() || entry.given_at.is_some())
    }

    /// A text.
    pub fn text(&self, field: &str) -> Option<String> {
        self.texts.get(field).cloned()
    }

    /// A whole number.
    pub fn integer(&self, field: &str) -> Option<i32> {
        self.integers.get(field).copied()
    }

    /// A flag; false where nothing is sent, which [`Cells::names`] tells.
    pub fn flag(&self, field: &str) -> bool {
        self.flags.get(field).copied().unwrap_or_default()
    }

    /// An amount.
    pub fn money(&self, field: &str) -> Option<Money> {
        self.amounts.get(field).cloned()
    }

    /// A list of texts.
    pub fn texts(&self, field: &str) -> Vec<String> {
        self.lists.get(field).cloned().unwrap_or_default()
    }

    /// E-mail addresses.
    pub fn emails(&self) -> Vec<pb::EmailAddress> {
        let email = |entry: &Entry| pb::EmailAddress {
            address: entry.text("address").unwrap_or_default(),
            kind: entry.kind,
            is_primary: entry.is_primary.unwrap_or_default(),
        };
        self.sent_entries("emails").map(|(_, entry)| email(entry)).collect()
    }

    /// Phone numbers.
    pub fn phones(&self) -> Vec<pb::PhoneNumber> {
        let phone = |entry: &Entry| pb::PhoneNumber {
            number: entry.text("number").unwrap_or_default(),
            kind: entry.kind,
            is_primary: entry.is_primary.unwrap_or_default(),
        };
        self.sent_entries("phones").map(|(_, entry)| phone(entry)).collect()
    }

    /// Postal addresses.
    pub fn addresses(&self) -> Vec<pb::PostalAddress> {
        let address = |entry: &Entry| pb::PostalAddress {
            kind: entry.kind,
            street: entry.text("street"),
            city: entry.text("city"),
            region: entry.text("region"),
            postal_code: entry.text("postal_code"),
            country: entry.text("country"),
        };
        self.sent_entries("addresses").map(|(_, entry)| address(entry)).collect()
    }

    /// Consents.
    pub fn consents(&self) -> Vec<pb::Consent> {
        let consent = |entry: &Entry| pb::Consent {
            purpose: entry.text("purpose").unwrap_or_default(),
            basis: entry.text("basis"),
            given_at: entry.given_at.map(timestamp),
            source: entry.text("source"),
        };
        self.sent_entries("consents").map(|(_, entry)| consent(entry)).collect()
    }
}

impl Entry {
    fn text(&self, part: &str) -> Option<String> {
        self.texts.get(part).cloned()
    }
}

/// A kind of address or number by its name, such as `work`.
pub fn kind(name: &str) -> Option<i32> {
    let name = format!("CONTACT_POINT_KIND_{}", name.trim().to_ascii_uppercase());
    let kind = pb::ContactPointKind::from_str_name(&name)?;
    (kind != pb::ContactPointKind::Unspecified).then_some(kind as i32)
}

/// A cell that was broken over lines, as one line.
pub fn one_line(cell: &str) -> String {
    cell.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn unknown() -> FieldError {
    FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "not one of the values")
}

fn flag(cell: &str) -> Result<bool, FieldError> {
    Ok(scalar(FieldType::Boolean, cell)? == Value::Bool(true))
}

fn scalar(field_type: FieldType, cell: &str) -> Result<Value, FieldError> {
    match parse_text(field_type, cell, &FieldRules::default()) {
        Ok(value) => Ok(value.map_or(Value::Null, Canonical::into_json)),
        Err(mut errors) => Err(errors.swap_remove(0)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_is_sent_and_is_false() {
        let mut cells = Cells::default();
        cells.put("do_not_call", Kind::Flag, "no").unwrap();
        cells.put("score", Kind::Integer(-5, 5), "0").unwrap();
        assert_eq!(cells.names(), ["do_not_call", "score"]);
        assert_eq!((cells.flag("do_not_call"), cells.integer("score")), (false, Some(0)));
        assert_eq!(cells.put("do_not_email", Kind::Flag, "perhaps").unwrap_err().reason, "TYPE_MISMATCH");
        assert_eq!(cells.put("score", Kind::Integer(-5, 5), "6").unwrap_err().reason, "OUT_OF_RANGE");
    }

    #[test]
    fn an_entry_with_a_kind_alone_is_none_and_the_others_keep_their_places() {
        let mut cells = Cells::default();
        cells.put_part(("phones", 0), None, "kind", "work").unwrap();
        assert!(cells.names().is_empty() && cells.phones().is_empty());
        cells.put_part(("phones", 3), kind("mobile"), "number", "+49 30\n901820").unwrap();
        assert_eq!((cells.names(), cells.places("phones")), (vec!["phones"], vec![3]));
        let [phone] = cells.phones().try_into().unwrap();
        assert_eq!((phone.number.as_str(), Some(phone.kind)), ("+49 30 901820", kind("mobile")));
        assert_eq!(
            cells.put_part(("phones", 0), None, "kind", "lab").unwrap_err().reason,
            "ENUM_VALUE_UNKNOWN"
        );
    }

    #[test]
    fn texts_of_one_list_come_from_several_cells_and_each_is_there_once() {
        let mut cells = Cells::default();
        for cell in ["vip; press", "press;;", " fair\n2026 "] {
            cells.put_texts("tags", cell);
        }
        assert_eq!(cells.texts("tags"), ["vip", "press", "fair 2026"]);
    }
}
