//! A row as it came from the database: its cells typed once per page, its texts borrowed.

use std::borrow::Cow;

use auth::RowFacts;
use field_types::moment::{self, date_text, datetime_text};
use query::Column;
use serde_json::Value;
use serde_json::value::RawValue;
use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{Column as _, Row, TypeInfo, ValueRef};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

use super::row::is_unset;

/// One value.
#[derive(Clone)]
pub(crate) enum Cell<'r> {
    Text(&'r str),
    Integer(i64),
    Flag(bool),
    Id(Uuid),
    Day(Date),
    Moment(OffsetDateTime),
    Json(Cow<'r, Value>),
}

/// The row's own columns beside the fields.
pub(crate) struct Keys {
    pub(crate) id: Uuid,
    pub(crate) version: i64,
    pub(crate) owner_id: Option<Uuid>,
    pub(crate) team_id: Option<Uuid>,
}

impl Keys {
    /// What row predicates look at.
    pub(crate) fn facts(&self) -> RowFacts {
        RowFacts { owner_id: self.owner_id, team_id: self.team_id }
    }
}

/// The cells of one row. What is unset is absent: never `null`, never an empty list or object.
pub(crate) struct Cells<'r> {
    pub(crate) keys: Keys,
    fields: Vec<(&'static str, Cell<'r>)>,
    /// Custom values as they are stored.
    pub(crate) custom: Option<&'r RawValue>,
}

/// Where the fields stand in the rows of one statement, and what they hold. Looked up once: a page has 1,500 cells.
pub(crate) struct Layout {
    places: Vec<(&'static str, usize, Kind)>,
    keys: [usize; 4],
    custom: usize,
}

#[derive(Clone, Copy)]
enum Kind {
    Int4,
    Int8,
    Bool,
    Uuid,
    Date,
    Timestamp,
    Json,
    Texts,
    Text,
}

impl Kind {
    fn of(type_name: &str) -> Self {
        match type_name {
            "INT4" => Self::Int4,
            "INT8" => Self::Int8,
            "BOOL" => Self::Bool,
            "UUID" => Self::Uuid,
            "DATE" => Self::Date,
            "TIMESTAMPTZ" => Self::Timestamp,
            "JSONB" => Self::Json,
            "TEXT[]" => Self::Texts,
            _ => Self::Text,
        }
    }
}

impl Layout {
    /// The layout of `row` and of all others of its statement, which has [`super::row::ALWAYS`], `_id`, `custom` and
    /// the object's columns.
    pub(crate) fn of(row: &PgRow, columns: &[Column]) -> Result<Self, sqlx::Error> {
        let place = |name: &str| Ok::<_, sqlx::Error>(row.try_column(name)?.ordinal());
        let fields = columns.iter().filter(|column| !column.fields.is_empty());
        let places = fields.map(|column| {
            let found = row.try_column(column.name)?;
            Ok::<_, sqlx::Error>((column.name, found.ordinal(), Kind::of(found.type_info().name())))
        });
        Ok(Self {
            places: places.collect::<Result<_, _>>()?,
            keys: [place("_id")?, place("_version")?, place("_owner_id")?, place("_team_id")?],
            custom: place("custom")?,
        })
    }
}

impl<'r> Cells<'r> {
    /// Reads a row of this layout.
    pub(crate) fn of(row: &'r PgRow, layout: &Layout) -> Result<Self, sqlx::Error> {
        let mut fields = Vec::with_capacity(layout.places.len());
        for (name, place, kind) in &layout.places {
            if let Some(cell) = cell(row, *place, *kind)? {
                fields.push((*name, cell));
            }
        }
        let [id, version, owner_id, team_id] = layout.keys;
        Ok(Self {
            keys: Keys {
                id: row.try_get(id)?,
                version: row.try_get(version)?,
                owner_id: row.try_get(owner_id)?,
                team_id: row.try_get(team_id)?,
            },
            fields,
            custom: row.try_get::<Option<Json<&RawValue>>, _>(layout.custom)?.map(|Json(raw)| raw),
        })
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&Cell<'r>> {
        self.fields.iter().find(|(field, _)| *field == name).map(|(_, cell)| cell)
    }

    /// Every field that is set.
    pub(crate) fn into_fields(self) -> impl Iterator<Item = (&'static str, Cell<'r>)> {
        self.fields.into_iter()
    }
}

/// The value at a place, by the type that the statement gives it.
fn cell(row: &PgRow, place: usize, kind: Kind) -> Result<Option<Cell<'_>>, sqlx::Error> {
    if row.try_get_raw(place)?.is_null() {
        return Ok(None);
    }
    Ok(Some(match kind {
        Kind::Int4 => Cell::Integer(row.try_get_unchecked::<i32, _>(place)?.into()),
        Kind::Int8 => Cell::Integer(row.try_get_unchecked(place)?),
        Kind::Bool => Cell::Flag(row.try_get_unchecked(place)?),
        Kind::Uuid => Cell::Id(row.try_get_unchecked(place)?),
        Kind::Date => Cell::Day(row.try_get_unchecked(place)?),
        Kind::Timestamp => Cell::Moment(row.try_get_unchecked(place)?),
        Kind::Json => return Ok(json(row.try_get_unchecked::<Json<Value>, _>(place)?.0)),
        Kind::Texts => return Ok(json(row.try_get_unchecked::<Vec<String>, _>(place)?.into())),
        Kind::Text => Cell::Text(row.try_get_unchecked(place)?),
    }))
}

fn json<'r>(value: Value) -> Option<Cell<'r>> {
    (!is_unset(&value)).then_some(Cell::Json(Cow::Owned(value)))
}

impl<'r> Cell<'r> {
    /// A value of a record in memory.
    pub(crate) fn of(value: &'r Value) -> Self {
        match value {
            Value::String(text) => Self::Text(text),
            Value::Bool(flag) => Self::Flag(*flag),
            Value::Number(number) => match number.as_i64() {
                Some(integer) => Self::Integer(integer),
                None => Self::Json(Cow::Borrowed(value)),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => Self::Json(Cow::Borrowed(value)),
        }
    }

    /// The value as a record in memory holds it: moments and ids as text.
    pub(crate) fn into_value(self) -> Value {
        match self {
            Self::Integer(integer) => integer.into(),
            Self::Flag(flag) => flag.into(),
            Self::Json(value) => value.into_owned(),
            Self::Text(_) | Self::Id(_) | Self::Day(_) | Self::Moment(_) => self.text().into(),
        }
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::Text(text) => Some((*text).to_owned()),
            Self::Id(id) => Some(id.to_string()),
            Self::Day(day) => Some(date_text(*day)),
            Self::Moment(moment) => Some(datetime_text(*moment)),
            Self::Integer(_) | Self::Flag(_) | Self::Json(_) => None,
        }
    }

    pub(crate) fn moment(&self) -> Option<OffsetDateTime> {
        match self {
            Self::Moment(moment) => Some(*moment),
            Self::Text(text) => moment::datetime(text).ok(),
            _ => None,
        }
    }

    pub(crate) fn json(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            _ => None,
        }
    }
}
