//! A record in memory: its values by field name.

use auth::RowFacts;
use field_types::moment::{date_text, datetime_text};
use query::Column;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::postgres::PgRow;
use sqlx::{Column as _, Row, TypeInfo, ValueRef};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// Values by name. An unset value is absent: never `null`, never an empty list or object.
pub(crate) type Fields = Map<String, Value>;

/// A record, or what of it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    /// What row predicates look at, also where the fields themselves are not read.
    pub(crate) owner_id: Option<Uuid>,
    pub(crate) team_id: Option<Uuid>,
    /// Standard fields by their public names, moments and ids as text.
    pub(crate) fields: Fields,
    /// Custom values by key, canonical.
    pub(crate) custom: Fields,
}

/// Columns that every statement reads, under names of their own because the fields of the same name may be hidden.
pub(crate) const ALWAYS: [Column; 3] = [
    Column { name: "version AS _version", fields: &[] },
    Column { name: "owner_id AS _owner_id", fields: &[] },
    Column { name: "team_id AS _team_id", fields: &[] },
];

/// Records are people's data and stay out of logs.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Record {
    /// What row predicates look at.
    pub(crate) fn facts(&self) -> RowFacts {
        RowFacts { owner_id: self.owner_id, team_id: self.team_id }
    }

    /// Whether it is in the trash.
    pub(crate) fn is_deleted(&self) -> bool {
        self.fields.contains_key("deleted_at")
    }

    /// Reads a row with [`ALWAYS`], `_id`, `custom` and the object's columns.
    pub(crate) fn from_row(row: &PgRow, columns: &[Column]) -> Result<Self, sqlx::Error> {
        let mut fields = Fields::new();
        for column in columns.iter().filter(|column| !column.fields.is_empty()) {
            put(&mut fields, column.name, cell(row, column.name)?);
        }
        let custom = match cell(row, "custom")? {
            Value::Object(mut members) => {
                members.retain(|_, value| !is_unset(value));
                members
            }
            _ => Fields::new(),
        };
        Ok(Self {
            id: row.try_get("_id")?,
            version: row.try_get("_version")?,
            owner_id: row.try_get("_owner_id")?,
            team_id: row.try_get("_team_id")?,
            fields,
            custom,
        })
    }

    /// Takes over a field's value; an unset value unsets it.
    pub(crate) fn set(&mut self, name: &str, value: Value) {
        let id = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
        match name {
            "owner_id" => self.owner_id = id,
            "team_id" => self.team_id = id,
            _ => {}
        }
        put(&mut self.fields, name, value);
    }
}

/// Puts a value, or removes it when it is an unset one.
pub(crate) fn put(fields: &mut Fields, name: &str, value: Value) {
    if is_unset(&value) {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
}

/// `null`, the empty list and the empty object.
pub(crate) fn is_unset(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

/// One cell as JSON.
fn cell(row: &PgRow, name: &str) -> Result<Value, sqlx::Error> {
    // By place: a page has 1,500 cells, and each look-up by name hashes it.
    let place = row.try_column(name)?.ordinal();
    let raw = row.try_get_raw(place)?;
    if raw.is_null() {
        return Ok(Value::Null);
    }
    Ok(match raw.type_info().name() {
        "INT4" => row.try_get::<i32, _>(place)?.into(),
        "INT8" => row.try_get::<i64, _>(place)?.into(),
        "BOOL" => row.try_get::<bool, _>(place)?.into(),
        "UUID" => row.try_get::<Uuid, _>(place)?.to_string().into(),
        "DATE" => date_text(row.try_get::<Date, _>(place)?).into(),
        "TIMESTAMPTZ" => datetime_text(row.try_get::<OffsetDateTime, _>(place)?).into(),
        "JSONB" => row.try_get::<Value, _>(place)?,
        "TEXT[]" => row.try_get::<Vec<String>, _>(place)?.into(),
        _ => row.try_get::<String, _>(place)?.into(),
    })
}
