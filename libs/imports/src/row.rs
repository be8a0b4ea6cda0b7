//! One row of a file -> the fields of a record, or everything that is wrong with it.

use std::borrow::Cow;
use std::collections::BTreeMap;

use error::{Reason, Violation};
use field_types::{FieldRules, FieldType, email, parse_text};
use input::{Violations, escaped};
use record::reference::Reference;
use record::{Fields, Sent};
use serde_json::Value;
use uuid::Uuid;

use super::Imports;
use super::cells::Cells;
use super::file::Row;
use super::importable::{Key, Kind};
use super::mapping::{Part, Target};
use super::merge;
use super::plan::Plan;

/// A row as it was read.
#[derive(Debug, Default)]
pub struct ReadRow {
    /// Of the file.
    pub line: u64,
    /// Standard fields that the row sets.
    pub fields: Fields,
    /// Custom values that the row sets, canonical.
    pub custom: Fields,
    /// With their pointers into the record.
    pub violations: Violations,
    /// The places of the entries that the row sends, in their order, by list.
    pub(crate) places: Vec<(&'static str, Vec<usize>)>,
    /// Lists of which the row says which entry is the primary one.
    pub(crate) primaries: Vec<&'static str>,
    /// The address of the owner, canonical.
    pub(crate) owner: Option<String>,
    /// What the row names and does not have the id of, canonical, by what a mapping calls it.
    pub names: BTreeMap<&'static str, String>,
    /// The id of the record that the row is about, as it says itself; and that record, once it was found.
    pub(crate) id: Option<Uuid>,
    pub(crate) record: Option<Uuid>,
    /// References to what other services keep that were asked for before the transaction, and what is wrong with them.
    pub(crate) asked: Vec<Reference>,
    pub(crate) unknown: Vec<Violation>,
    /// What was found by that and is no field of the record, or not yet.
    pub found: BTreeMap<&'static str, Value>,
}

impl ReadRow {
    /// The values by which the row finds a record, those that say most first.
    pub(crate) fn keys(&self, plan: &Plan) -> Vec<(&'static Key, (String, String))> {
        let mut found = Vec::new();
        for key in plan.importable.keys {
            found.extend(plan.importable.pairs(key, &self.fields).into_iter().map(|pair| (key, pair)));
        }
        found
    }

    /// What the row says, to be proposed, with these standard fields and custom values.
    pub(crate) fn sent(&mut self, plan: &Plan, fields: Fields, custom: Fields) -> Sent {
        let violations = std::mem::take(&mut self.violations);
        Sent::of_row(fields, custom, violations, plan.importable.object)
    }
}

/// Reads a row. An empty cell says nothing about its field.
pub(crate) fn read(imports: &Imports, plan: &Plan, row: &Row) -> ReadRow {
    let mut read = ReadRow { line: row.line, ..ReadRow::default() };
    let (mut cells, mut violations) = (Cells::default(), Violations::default());
    for (at, column) in &plan.columns {
        let cell = row.cells.get(*at).map_or("", |cell| cell.trim());
        if cell.is_empty() {
            continue;
        }
        match &column.target {
            Target::Value(_, Kind::Currency) => {}
            Target::Value(field, Kind::Minor) => {
                let amount = field.split('.').next().unwrap_or(field);
                let put = plan.hints.cell(FieldType::Integer, cell);
                let put = put.and_then(|cell| cells.put_minor(amount, &cell, currency(plan, row, amount)));
                violations.take(format!("/{amount}/amount_minor"), put);
            }
            Target::Value(field, Kind::Money) => {
                let cell = with_currency(cell, currency(plan, row, field));
                let put = plan.hints.cell(FieldType::Money, &cell);
                let put = put.and_then(|cell| cells.put(field, Kind::Money, &cell));
                violations.take(format!("/{field}"), put);
            }
            Target::Id => read.id = violations.take("/id", input::id(cell)),
            Target::Value(field, kind) => {
                let cell = hinted(*kind).map_or_else(|| Ok(cell.into()), |of| plan.hints.cell(of, cell));
                let put = cell.and_then(|cell| cells.put(field, *kind, &cell));
                violations.take(format!("/{field}"), put);
            }
            Target::Texts(field) => cells.put_texts(field, cell),
            Target::ExternalId(system) => cells.put_external_id(system, cell),
            Target::Part(Part { list, at, kind, name: part }) => {
                let cell = match *part {
                    "number" => plan.hints.cell(FieldType::Phone, cell),
                    "given_at" => Ok(plan.hints.beginning(cell)),
                    _ => Ok(cell.into()),
                };
                let put = cell.and_then(|cell| cells.put_part((*list, *at), *kind, part, &cell));
                violations.take(pointer_of_part(list, *at, part), put);
            }
            Target::Owner => read.owner = violations.take("/owner_id", email::parse(cell)),
            Target::Named(name) => {
                let text = violations.take(name.pointer(), (name.read)(cell)).flatten();
                read.names.extend(text.map(|text| (name.name, text)));
            }
            Target::Custom(key) => read_custom(imports, plan, key, cell, &mut read.custom, &mut violations),
        }
    }
    (plan.importable.check_names)(&read, &mut violations);
    for list in plan.importable.lists {
        let places = cells.places(list.field);
        if !places.is_empty() {
            read.places.push((list.field, places));
        }
        if cells.names_primary(list.field) {
            read.primaries.push(list.field);
        }
    }
    let input = (plan.importable.read)(&imports.env, cells);
    // What two columns say twice is said once.
    violations.extend(
        input.violations.into_iter().filter(|violation| violation.reason != Reason::REPEATED.as_str()),
    );
    merge::check_most(plan.importable, &input.fields, &mut violations);
    read.fields = input.fields;
    read.violations = violations;
    read
}

/// The type of a standard field whose cells are written in several ways.
fn hinted(kind: Kind) -> Option<FieldType> {
    match kind {
        Kind::Date => Some(FieldType::Date),
        Kind::Integer(..) => Some(FieldType::Integer),
        // An amount is read with its currency.
        Kind::Money
        | Kind::Currency
        | Kind::Minor
        | Kind::Line
        | Kind::Lines
        | Kind::Id
        | Kind::Flag
        | Kind::Lifecycle => None,
    }
}

/// What a row has in the column of an amount's currency.
fn currency<'r>(plan: &Plan, row: &'r Row, amount: &str) -> &'r str {
    let is_its = |field: &str| field.split_once('.') == Some((amount, "currency"));
    let column = plan.columns.iter().find(|(_, column)| match column.target {
        Target::Value(field, Kind::Currency) => is_its(field),
        _ => false,
    });
    column.and_then(|(at, _)| row.cells.get(*at)).map_or("", |cell| cell.trim())
}

/// An amount with the currency of another column, unless the same stands with it already.
fn with_currency<'c>(cell: &'c str, currency: &str) -> Cow<'c, str> {
    let has_it = cell.split_whitespace().any(|part| part.eq_ignore_ascii_case(currency));
    if currency.is_empty() || has_it { cell.into() } else { format!("{cell} {currency}").into() }
}

/// Where a part of an entry stands, by the place of the entry in the mapping: it is not known yet which of the row's it will be.
fn pointer_of_part(list: &str, at: usize, part: &str) -> String {
    format!("/{list}[{at}]/{part}")
}

fn read_custom(
    imports: &Imports,
    plan: &Plan,
    key: &str,
    cell: &str,
    custom: &mut Fields,
    violations: &mut Violations,
) {
    let Some(definition) = plan.set.usable(key) else { return };
    let rules = FieldRules {
        required: false,
        options: &definition.options,
        region: imports.env.region,
        current: None,
    };
    let cell = plan.hints.cell(definition.field_type, cell).map_err(|error| vec![error]);
    match cell.and_then(|cell| parse_text(definition.field_type, &cell, &rules)) {
        Ok(Some(value)) => drop(custom.insert(key.to_owned(), value.into_json())),
        Ok(None) => {}
        Err(errors) => {
            let pointer = format!("/custom/{}", escaped(key));
            for error in errors {
                violations.refuse(&pointer, error);
            }
        }
    }
}
