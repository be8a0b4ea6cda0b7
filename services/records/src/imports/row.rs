//! One row of a file -> the fields of a record, or everything that is wrong with it.

use error::Reason;
use field_types::{FieldRules, FieldType, email, parse_text};
use input::{Violations, escaped};
use record::{Fields, Sent};
use uuid::Uuid;

use super::cells::{Cells, one_line};
use super::importable::{Key, Kind};
use super::mapping::{Part, Target};
use super::merge;
use super::plan::Plan;
use super::table::Row;
use crate::App;

/// A row as it was read.
#[derive(Debug, Default)]
pub(crate) struct ReadRow {
    pub(crate) line: u64,
    /// Standard fields that the row sets.
    pub(crate) fields: Fields,
    /// Custom values that the row sets, canonical.
    pub(crate) custom: Fields,
    /// With their pointers into the record.
    pub(crate) violations: Violations,
    /// The places of the entries that the row sends, in their order, by list.
    pub(crate) places: Vec<(&'static str, Vec<usize>)>,
    /// Lists of which the row says which entry is the primary one.
    pub(crate) primaries: Vec<&'static str>,
    /// The address of the owner, canonical.
    pub(crate) owner: Option<String>,
    /// The company that the record is to be linked to.
    pub(crate) company: Option<NamedCompany>,
    /// Its id, once it was found.
    pub(crate) company_id: Option<Uuid>,
}

/// A company as a row names it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct NamedCompany {
    pub(crate) name: Option<String>,
    /// Canonical; where it is there, it decides.
    pub(crate) domain: Option<String>,
    /// What the contact is there.
    pub(crate) role: Option<String>,
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
pub(crate) fn read(app: &App, plan: &Plan, row: &Row) -> ReadRow {
    let mut read = ReadRow { line: row.line, ..ReadRow::default() };
    let (mut cells, mut violations) = (Cells::default(), Violations::default());
    let mut company = NamedCompany::default();
    for (at, column) in &plan.columns {
        let cell = row.cells.get(*at).map_or("", |cell| cell.trim());
        if cell.is_empty() {
            continue;
        }
        match &column.target {
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
            Target::Company("domain") => {
                let domain = crate::companies::wire::domain(cell);
                company.domain = violations.take("/company/domain", domain).flatten();
            }
            Target::Company(part) => {
                let most = if *part == "role" { 100 } else { 300 };
                let text = input::line(&one_line(cell), most);
                let text = violations.take(format!("/company/{part}"), text).flatten();
                let place = if *part == "role" { &mut company.role } else { &mut company.name };
                *place = text;
            }
            Target::Custom(key) => read_custom(app, plan, key, cell, &mut read.custom, &mut violations),
        }
    }
    read.company = named(company, &mut violations);
    for list in plan.importable.lists {
        let places = cells.places(list.field);
        if !places.is_empty() {
            read.places.push((list.field, places));
        }
        if cells.names_primary(list.field) {
            read.primaries.push(list.field);
        }
    }
    let input = (plan.importable.read)(&app.env, cells);
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
        Kind::Money => Some(FieldType::Money),
        Kind::Line | Kind::Lines | Kind::Id | Kind::Flag | Kind::Lifecycle => None,
    }
}

/// Where a part of an entry stands, by the place of the entry in the mapping: it is not known yet which of the row's it will be.
fn pointer_of_part(list: &str, at: usize, part: &str) -> String {
    format!("/{list}[{at}]/{part}")
}

fn read_custom(
    app: &App,
    plan: &Plan,
    key: &str,
    cell: &str,
    custom: &mut Fields,
    violations: &mut Violations,
) {
    let Some(definition) = plan.set.usable(key) else { return };
    let rules =
        FieldRules { required: false, options: &definition.options, region: app.env.region, current: None };
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

/// The company of a row, if one is named. A role alone would be lost.
fn named(company: NamedCompany, violations: &mut Violations) -> Option<NamedCompany> {
    if company.name.is_some() || company.domain.is_some() {
        return Some(company);
    }
    let is_wrong = violations.iter().any(|violation| violation.pointer.starts_with("/company/"));
    if company.role.is_some() && !is_wrong {
        violations.note(
            "/company/role",
            Reason::REQUIRED,
            "a role needs the name or the domain of a company",
        );
    }
    None
}
