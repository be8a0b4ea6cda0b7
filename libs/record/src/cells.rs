//! A row as it came from the database: its cells typed once per page, its texts borrowed.

use std::borrow::Cow;
use std::cell::Cell as Remembered;

use auth::RowFacts;
use field_types::moment::{self, date_text, datetime_text};
use query::Column;
use serde_json::Value;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgRow, PgValueFormat, PgValueRef};
use sqlx::{Column as _, Decode, Postgres, Row, TypeInfo};
use time::{Date, OffsetDateTime};
use uuid::Uuid;

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

/// Upper bound of a record's encoded size, without its texts, lists and custom values.
const FIXED: usize = 2 << 10;

/// The cells of one row. What is unset is `None`: never `null`, never an empty list or object.
pub(crate) struct Cells<'r> {
    pub(crate) keys: Keys,
    fields: Vec<(&'static str, Option<Cell<'r>>)>,
    /// Where the next field is looked for first: they are asked for in their order, or nearly so.
    next: Remembered<usize>,
    /// Custom values as they are stored: a JSON object.
    pub(crate) custom: Option<&'r str>,
    bytes: Remembered<usize>,
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
        let mut bytes = FIXED;
        for (name, place, kind) in &layout.places {
            fields.push((*name, cell(row, *place, *kind, &mut bytes)?));
        }
        let [id, version, owner_id, team_id] = layout.keys;
        let custom = row.try_get_unchecked::<Option<JsonText>, _>(layout.custom)?.map(|JsonText(text)| text);
        Ok(Self {
            keys: Keys {
                id: row.try_get(id)?,
                version: row.try_get(version)?,
                owner_id: row.try_get(owner_id)?,
                team_id: row.try_get(team_id)?,
            },
            fields,
            next: Remembered::new(0),
            custom,
            bytes: Remembered::new(bytes),
        })
    }

    /// The value of a field.
    pub(crate) fn get(&self, name: &str) -> Option<&Cell<'r>> {
        let first = self.next.get();
        let at = (first..self.fields.len()).chain(0..first).find(|at| self.fields[*at].0 == name)?;
        self.next.set(at + 1);
        self.fields[at].1.as_ref()
    }

    /// Counts the custom values of which so many bytes are shown: what is hidden must not end a page.
    pub(crate) fn count_custom(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// Most bytes that the record has on the wire, once it has been converted.
    pub(crate) fn most_bytes(&self) -> usize {
        self.bytes.get()
    }

    /// Every field that is set.
    pub(crate) fn into_fields(self) -> impl Iterator<Item = (&'static str, Cell<'r>)> {
        self.fields.into_iter().filter_map(|(name, cell)| Some((name, cell?)))
    }
}

/// A `jsonb` value as PostgreSQL writes it, not parsed.
struct JsonText<'r>(&'r str);

impl<'r> Decode<'r, Postgres> for JsonText<'r> {
    fn decode(value: PgValueRef<'r>) -> Result<Self, BoxDynError> {
        let text = value.as_str()?;
        match value.format() {
            PgValueFormat::Text => Ok(Self(text)),
            // jsonb's binary format begins with a version byte; only version 1 exists.
            PgValueFormat::Binary => {
                text.strip_prefix('\x01').map(Self).ok_or_else(|| "unknown jsonb version".into())
            }
        }
    }
}

/// The value at a place, by the type that the statement gives it. Adds the bytes of what has no fixed length.
fn cell<'r>(
    row: &'r PgRow,
    place: usize,
    kind: Kind,
    bytes: &mut usize,
) -> Result<Option<Cell<'r>>, sqlx::Error> {
    Ok(match kind {
        Kind::Int4 => row.try_get_unchecked::<Option<i32>, _>(place)?.map(|int| Cell::Integer(int.into())),
        Kind::Int8 => row.try_get_unchecked::<Option<_>, _>(place)?.map(Cell::Integer),
        Kind::Bool => row.try_get_unchecked::<Option<_>, _>(place)?.map(Cell::Flag),
        Kind::Uuid => row.try_get_unchecked::<Option<_>, _>(place)?.map(Cell::Id),
        Kind::Date => row.try_get_unchecked::<Option<_>, _>(place)?.map(Cell::Day),
        Kind::Timestamp => row.try_get_unchecked::<Option<_>, _>(place)?.map(Cell::Moment),
        Kind::Json => match row.try_get_unchecked::<Option<JsonText>, _>(place)? {
            None | Some(JsonText("null" | "[]" | "{}")) => None,
            Some(JsonText(text)) => {
                *bytes += text.len();
                let value = serde_json::from_str(text).map_err(|error| sqlx::Error::Decode(error.into()))?;
                Some(Cell::Json(Cow::Owned(value)))
            }
        },
        Kind::Texts => row.try_get_unchecked::<Option<Vec<String>>, _>(place)?.and_then(|texts| {
            *bytes += texts.iter().map(|text| text.len() + 4).sum::<usize>();
            (!texts.is_empty()).then(|| Cell::Json(Cow::Owned(texts.into())))
        }),
        Kind::Text => row.try_get_unchecked::<Option<&str>, _>(place)?.map(|text| {
            *bytes += text.len();
            Cell::Text(text)
        }),
    })
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
