//! A record in memory: its values by field name.

use auth::RowFacts;
use query::Column;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::PgRow;
use uuid::Uuid;

use super::cells::{Cells, Keys, Layout};
use super::fields::{Fields, is_unset, put};

/// A record, or what of it was read.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    pub id: Uuid,
    pub version: i64,
    /// What row predicates look at, also where the fields themselves are not read.
    pub owner_id: Option<Uuid>,
    pub team_id: Option<Uuid>,
    /// Standard fields by their public names, moments and ids as text.
    pub fields: Fields,
    /// Custom values by key, canonical.
    pub custom: Fields,
}

/// Records are people's data and stay out of logs.
impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("id", &self.id).field("version", &self.version).finish_non_exhaustive()
    }
}

impl Record {
    /// What row predicates look at.
    pub fn facts(&self) -> RowFacts {
        RowFacts { owner_id: self.owner_id, team_id: self.team_id }
    }

    /// The value of a field, `custom.<key>` for custom ones; `None` where it has none.
    pub fn value(&self, name: &str) -> Option<&Value> {
        match name.strip_prefix("custom.") {
            Some(key) => self.custom.get(key),
            None => self.fields.get(name),
        }
    }

    /// Whether it is in the trash.
    pub fn is_deleted(&self) -> bool {
        self.fields.contains_key("deleted_at")
    }

    /// Reads a row with `_id`, `custom` and the object's columns.
    pub fn from_row(row: &PgRow, columns: &[Column]) -> Result<Self, sqlx::Error> {
        let cells = Cells::of(row, &Layout::of(row, columns)?)?;
        let mut custom: Fields = match cells.custom {
            Some(stored) => serde_json::from_str(stored).map_err(|e| sqlx::Error::Decode(e.into()))?,
            None => Fields::new(),
        };
        custom.retain(|_, value| !is_unset(value));
        let Keys { id, version, owner_id, team_id } = cells.keys;
        let fields = cells.into_fields().map(|(name, cell)| (name.to_owned(), cell.into_value())).collect();
        Ok(Self { id, version, owner_id, team_id, fields, custom })
    }

    /// Takes over a field's value; an unset value unsets it.
    pub fn set(&mut self, name: &str, value: Value) {
        let id = value.as_str().and_then(|text| Uuid::try_parse(text).ok());
        match name {
            "owner_id" => self.owner_id = id,
            "team_id" => self.team_id = id,
            _ => {}
        }
        put(&mut self.fields, name, value);
    }
}
