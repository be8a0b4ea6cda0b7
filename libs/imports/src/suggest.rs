//! A mapping by the names of columns, in the languages that exports come in.

use auth::Context;
use error::Error;
use field_types::fold;
use proto::records::v1::ColumnMapping;

use super::Imports;
use super::importable::Importable;
use super::mapping::{self, Masks};

/// Characters of a column that a mapping takes (`ColumnMapping.column`).
const MAX_COLUMN: usize = 300;

/// A field, and what columns of it are called, folded as [`fold`] does: English, German, French, Spanish, Italian, Portuguese, Dutch,
/// Polish.
pub type Names = (&'static str, &'static [&'static str]);

/// What columns of phone numbers are called.
pub const PHONE_COLUMNS: &[&str] = &[
    "phone",
    "phone number",
    "telephone",
    "tel",
    "tel.",
    "mobile",
    "mobile phone",
    "phone 1 - value",
    "telefon",
    "telefonnummer",
    "handy",
    "mobil",
    "telefono",
    "telefone",
    "telefoon",
    "numero de telephone",
];

/// The columns whose names are those of fields that the caller may write; each field once, the first column first.
pub(crate) async fn suggest(
    imports: &Imports,
    cx: &Context,
    importable: &'static Importable,
    header: &[String],
) -> Result<Vec<ColumnMapping>, Error> {
    let object = importable.object;
    let set = imports.env.definitions.for_keys(cx, object, std::iter::empty()).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let masks = Masks { object: &mask, cx: Some(cx) };
    let mut suggested: Vec<ColumnMapping> = Vec::new();
    let keys: Vec<(String, &str)> = set.all().iter().map(|f| (plain(&f.key), f.key.as_str())).collect();
    // A column longer than a mapping takes cannot be named in one.
    let can_be_named = |column: &&String| !column.is_empty() && column.chars().nth(MAX_COLUMN).is_none();
    for column in header.iter().filter(can_be_named) {
        let is_repeated = header.iter().filter(|other| *other == column).count() > 1;
        let field = standard(importable, column).or_else(|| {
            let name = plain(column);
            keys.iter().find(|(key, _)| *key == name).map(|(_, key)| format!("custom.{key}"))
        });
        let Some(field) = field.filter(|field| !is_repeated && !suggested.iter().any(|s| s.field == *field))
        else {
            continue;
        };
        let entry = ColumnMapping { column: column.clone(), field };
        let (_, refused) = mapping::check(importable, std::slice::from_ref(&entry), &set, masks);
        if refused.is_empty() {
            suggested.push(entry);
        }
    }
    Ok(suggested)
}

/// The standard field of which columns are called so, in words or by its own name.
pub fn standard(importable: &Importable, column: &str) -> Option<String> {
    let name = fold(column);
    let known = importable.columns.iter().find(|(_, names)| names.contains(&name.as_str()));
    let own = || {
        let values = importable.values.iter().map(|(field, _)| *field);
        let fields = values.chain(importable.texts.iter().map(|texts| texts.field));
        // Of a list of entries, the part by which it is known.
        let parts = importable.columns.iter().map(|(field, _)| *field);
        let name = plain(column);
        fields.chain(parts).find(|field| plain(field) == name)
    };
    known.map(|(field, _)| *field).or_else(own).map(str::to_owned)
}

fn plain(text: &str) -> String {
    fold(&text.replace('_', " "))
}
