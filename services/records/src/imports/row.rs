//! One row of a file -> the fields of a contact, or everything that is wrong with it.

use error::Reason;
use field_types::{FieldError, FieldRules, FieldType};
use input::{Mask, Violations};
use proto::records::v1::{Contact, EmailAddress, Lifecycle, PhoneNumber};
use record::{Fields, Reader, Sent};
use serde_json::Value;

use super::plan::Plan;
use super::table::Row;
use crate::App;
use crate::contacts::{CONTACT, wire};

/// A row as it was read.
#[derive(Debug)]
pub(crate) struct ReadRow {
    pub(crate) line: u64,
    /// Standard fields that the row sets.
    pub(crate) fields: Fields,
    /// Custom values that the row sets, canonical.
    pub(crate) custom: Fields,
    /// With their pointers into the contact.
    pub(crate) violations: Violations,
}

impl ReadRow {
    /// The row's e-mail address, by which duplicates are found.
    pub(crate) fn address(&self) -> Option<&str> {
        self.fields.get("emails")?.get(0)?.get("address")?.as_str()
    }

    /// What the row says, to be proposed.
    pub(crate) fn sent(&mut self) -> Sent {
        let (fields, custom) = (self.fields.clone(), self.custom.clone());
        Sent::of_row(fields, custom, std::mem::take(&mut self.violations), &CONTACT)
    }
}

/// Reads a row. An empty cell says nothing about its field.
pub(crate) fn read(app: &App, plan: &Plan, row: &Row) -> ReadRow {
    let mut contact = Contact::default();
    let (mut sent, mut violations) = (Fields::new(), Violations::default());
    for (at, column) in &plan.columns {
        let cell = row.cells.get(*at).map_or("", |cell| cell.trim());
        if cell.is_empty() {
            continue;
        }
        if let Some(key) = column.field.strip_prefix("custom.") {
            let Some(definition) = plan.set.usable(key) else { continue };
            let rules = FieldRules {
                required: false,
                options: &definition.options,
                region: app.env.region,
                current: None,
            };
            let cell = plan.hints.cell(definition.field_type, cell).map_err(|error| vec![error]);
            match cell.and_then(|cell| field_types::parse_text(definition.field_type, &cell, &rules)) {
                Ok(Some(value)) => drop(sent.insert(key.to_owned(), value.into_json())),
                Ok(None) => {}
                Err(errors) => {
                    let pointer = format!("/custom/{key}");
                    for error in errors {
                        violations.refuse(&pointer, error);
                    }
                }
            }
        } else {
            let hinted = hinted(&column.field);
            let read = hinted.map_or_else(|| Ok(cell.into()), |kind| plan.hints.cell(kind, cell));
            let read = read.and_then(|cell| standard(&mut contact, &column.field, &cell));
            violations.take(format!("/{}", column.field), read);
        }
    }
    let input = Reader::read::<wire::Contact>(&app.env, &contact, Mask::of(&contact).names());
    violations.extend(input.violations);
    ReadRow { line: row.line, fields: input.fields, custom: sent, violations }
}

/// The type of a standard field whose cells are written in several ways.
fn hinted(field: &str) -> Option<FieldType> {
    match field {
        "birthday" => Some(FieldType::Date),
        "phones.number" => Some(FieldType::Phone),
        "score" => Some(FieldType::Integer),
        _ => None,
    }
}

/// Puts a cell into its standard field. What the field demands of it is checked where every contact is.
fn standard(contact: &mut Contact, field: &str, cell: &str) -> Result<(), FieldError> {
    // A cell may be broken over lines for its column's width; the field has one line.
    let text = || Some(cell.split_whitespace().collect::<Vec<_>>().join(" "));
    match field {
        "first_name" => contact.first_name = text(),
        "last_name" => contact.last_name = text(),
        "job_title" => contact.job_title = text(),
        "department" => contact.department = text(),
        "language" => contact.language = text(),
        "timezone" => contact.timezone = text(),
        "birthday" => contact.birthday = text(),
        "lead_source" => contact.lead_source = text(),
        "emails.address" => {
            contact.emails =
                vec![EmailAddress { address: cell.to_owned(), is_primary: true, ..Default::default() }];
        }
        "phones.number" => {
            contact.phones =
                vec![PhoneNumber { number: cell.to_owned(), is_primary: true, ..Default::default() }];
        }
        "lifecycle" => {
            let name = format!("LIFECYCLE_{}", cell.to_ascii_uppercase());
            let value = Lifecycle::from_str_name(&name).filter(|v| *v != Lifecycle::Unspecified);
            let unknown = || FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "not one of the values");
            contact.lifecycle = Some(value.ok_or_else(unknown)? as i32);
        }
        "score" => {
            let value = scalar(FieldType::Integer, cell)?.as_i64().and_then(|v| i32::try_from(v).ok());
            let wide = || FieldError::new(Reason::OUT_OF_RANGE, "must be from -1000000 to 1000000");
            contact.score = Some(value.filter(|v| v.abs() <= 1_000_000).ok_or_else(wide)?);
        }
        "do_not_call" => contact.do_not_call = scalar(FieldType::Boolean, cell)? == Value::Bool(true),
        "do_not_email" => contact.do_not_email = scalar(FieldType::Boolean, cell)? == Value::Bool(true),
        _ => {}
    }
    Ok(())
}

fn scalar(field_type: FieldType, cell: &str) -> Result<Value, FieldError> {
    match field_types::parse_text(field_type, cell, &FieldRules::default()) {
        Ok(value) => Ok(value.map_or(Value::Null, field_types::Canonical::into_json)),
        Err(mut errors) => Err(errors.swap_remove(0)),
    }
}
