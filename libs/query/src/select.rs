//! Which columns a statement reads: hidden ones are not selected at all.

use auth::FieldMask;
use error::Error;

use crate::refusal;
use crate::schema::CustomField;
use crate::sql::{Bind, Sql};

/// Longest `fields`, in bytes.
pub const MAX_BYTES: usize = 4_000;

/// A column of a row, and the public fields that are made of it.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    /// The name in SQL and in the row.
    pub name: &'static str,
    /// The public fields; the column is read if one of them is wanted and visible. Empty: always read.
    pub fields: &'static [&'static str],
}

/// What a caller gets of each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Projection {
    columns: Vec<(&'static str, bool)>,
    custom: CustomValues,
    fields: Vec<&'static str>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum CustomValues {
    /// The table has none.
    Absent,
    /// All but these keys.
    Without(Vec<String>),
    /// These keys only.
    Only(Vec<String>),
}

impl Projection {
    /// Reads `fields` (`id,first_name,custom.tier`; empty: everything) against the public fields of `columns`. A hidden
    /// field answers as an unknown one. Without `fields`, hidden ones are left out in silence. `id` is always among them.
    ///
    /// `custom` are the definitions, `None` if the table has no custom values; `custom` as a name means all of them.
    pub fn parse(
        columns: &'static [Column],
        custom: Option<&[CustomField]>,
        mask: &FieldMask,
        fields: &str,
    ) -> Result<Self, Error> {
        if fields.len() > MAX_BYTES {
            return Err(refusal::fields(0, format!("fields has at most {MAX_BYTES} bytes")));
        }
        let visible = |name: &&'static str| !mask.hides(name);
        let known: Vec<&'static str> =
            columns.iter().flat_map(|column| column.fields).copied().filter(visible).collect();
        let mut wanted: Vec<&'static str> = Vec::new();
        let mut keys = Vec::new();
        let mut all_custom = fields.trim().is_empty();
        if all_custom {
            wanted.clone_from(&known);
        } else {
            let mut start = 0;
            for part in fields.split(',') {
                let at =
                    fields[..start].chars().count() + part.chars().take_while(|c| c.is_whitespace()).count();
                start += part.len() + 1;
                let name = part.trim();
                let key = name.strip_prefix("custom.");
                match (known.iter().find(|field| **field == name), custom) {
                    (Some(field), _) => wanted.push(field),
                    (None, Some(_)) if name == "custom" => all_custom = true,
                    (None, Some(custom))
                        if !mask.hides(name) && custom.iter().any(|f| Some(f.key.as_str()) == key) =>
                    {
                        keys.extend(key.map(str::to_owned));
                    }
                    _ if name == "id" => {}
                    _ => return Err(refusal::unknown_field("fields", at, name)),
                }
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        keys.sort_unstable();
        keys.dedup();
        let is_read =
            |column: &Column| column.fields.is_empty() || column.fields.iter().any(|f| wanted.contains(f));
        let custom = match custom {
            None => CustomValues::Absent,
            Some(_) if all_custom => CustomValues::Without(mask.hidden_custom_keys()),
            Some(_) => CustomValues::Only(keys),
        };
        let columns = columns.iter().map(|column| (column.name, is_read(column))).collect();
        Ok(Self { columns, custom, fields: wanted })
    }

    /// Whether a standard field is wanted and visible; what is not must not appear in the answer.
    pub fn has(&self, field: &str) -> bool {
        self.fields.contains(&field)
    }

    /// The custom keys asked for by name: they appear as `null` if unset. Empty if all were asked for.
    pub fn custom_keys(&self) -> &[String] {
        match &self.custom {
            CustomValues::Only(keys) => keys,
            CustomValues::Absent | CustomValues::Without(_) => &[],
        }
    }

    /// Appends the list of columns. Every declared column is in the row under its name, those not read as NULL, so that
    /// one decoder (with `Option`s) serves every projection. Custom values are in `custom`.
    pub(crate) fn push(&self, sql: &mut Sql) {
        sql.push("t.id AS _id");
        for (name, is_read) in &self.columns {
            let table = if *is_read { "t." } else { "NULL AS " };
            sql.push(format!(", {table}{name}"));
        }
        match &self.custom {
            CustomValues::Absent => {}
            CustomValues::Without(keys) if keys.is_empty() => sql.push(", t.custom"),
            CustomValues::Without(keys) => {
                let keys = sql.bind(Bind::Texts(keys.clone()));
                sql.push(format!(", t.custom - {keys} AS custom"));
            }
            CustomValues::Only(keys) if keys.is_empty() => sql.push(", '{}'::jsonb AS custom"),
            CustomValues::Only(keys) => {
                let keys = sql.bind(Bind::Texts(keys.clone()));
                sql.push(format!(
                    ", (SELECT coalesce(jsonb_object_agg(c.key, c.value), '{{}}') \
                     FROM jsonb_each(t.custom) AS c WHERE c.key = ANY({keys})) AS custom"
                ));
            }
        }
    }
}
