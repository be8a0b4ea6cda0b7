//! SQL text under construction: static pieces and numbered parameters, never a value.

use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;
use time::{Date, OffsetDateTime};
use uuid::Uuid;

/// A parameter's value.
#[derive(Clone, PartialEq)]
pub enum Bind {
    /// `uuid`
    Uuid(Uuid),
    /// `text`
    Text(String),
    /// `int8`
    Int(i64),
    /// `float8`
    Float(f64),
    /// `bool`
    Bool(bool),
    /// `date`
    Date(Date),
    /// `timestamptz`
    Time(OffsetDateTime),
    /// `timestamptz`: the moment of the call, in which the calls for the pages of a list differ.
    Now(OffsetDateTime),
    /// `uuid[]`
    Uuids(Vec<Uuid>),
    /// `text[]`
    Texts(Vec<String>),
    /// `int8[]`
    Ints(Vec<i64>),
    /// `float8[]`
    Floats(Vec<f64>),
    /// `bool[]`
    Bools(Vec<bool>),
    /// `date[]`
    Dates(Vec<Date>),
    /// `timestamptz[]`
    Times(Vec<OffsetDateTime>),
}

impl Bind {
    /// Appends bytes that differ if the values differ.
    pub(crate) fn write_hashable(&self, bytes: &mut Vec<u8>) {
        fn list<T>(bytes: &mut Vec<u8>, values: &[T], one: impl Fn(&T) -> Bind) {
            bytes.push(b'[');
            bytes.extend_from_slice(&values.len().to_be_bytes());
            for value in values {
                one(value).write_hashable(bytes);
            }
        }
        let mut one = |tag: u8, value: &[u8]| {
            bytes.push(tag);
            bytes.extend_from_slice(&value.len().to_be_bytes());
            bytes.extend_from_slice(value);
        };
        match self {
            Self::Uuid(value) => one(b'u', value.as_bytes()),
            Self::Text(value) => one(b's', value.as_bytes()),
            Self::Int(value) => one(b'i', &value.to_be_bytes()),
            Self::Float(value) => one(b'f', &value.to_bits().to_be_bytes()),
            Self::Bool(value) => one(b'b', &[u8::from(*value)]),
            Self::Date(value) => one(b'd', &value.to_julian_day().to_be_bytes()),
            Self::Time(value) => one(b't', &value.unix_timestamp_nanos().to_be_bytes()),
            Self::Now(_) => one(b'n', &[]),
            Self::Uuids(values) => list(bytes, values, |value| Self::Uuid(*value)),
            Self::Texts(values) => list(bytes, values, |value| Self::Text(value.clone())),
            Self::Ints(values) => list(bytes, values, |value| Self::Int(*value)),
            Self::Floats(values) => list(bytes, values, |value| Self::Float(*value)),
            Self::Bools(values) => list(bytes, values, |value| Self::Bool(*value)),
            Self::Dates(values) => list(bytes, values, |value| Self::Date(*value)),
            Self::Times(values) => list(bytes, values, |value| Self::Time(*value)),
        }
    }

    /// All values of the first one's type as one array; values of another type do not occur and are left out.
    pub(crate) fn array(values: Vec<Self>) -> Self {
        macro_rules! collect {
            ($one:ident, $many:ident) => {
                Self::$many(
                    values
                        .into_iter()
                        .filter_map(|v| if let Self::$one(v) = v { Some(v) } else { None })
                        .collect(),
                )
            };
        }
        match values.first() {
            Some(Self::Uuid(_)) => collect!(Uuid, Uuids),
            Some(Self::Int(_)) => collect!(Int, Ints),
            Some(Self::Float(_)) => collect!(Float, Floats),
            Some(Self::Bool(_)) => collect!(Bool, Bools),
            Some(Self::Date(_)) => collect!(Date, Dates),
            Some(Self::Time(_)) => collect!(Time, Times),
            _ => collect!(Text, Texts),
        }
    }
}

/// Values are records' content and stay out of logs.
impl std::fmt::Debug for Bind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bind(..)")
    }
}

/// A statement with its parameters.
#[derive(Debug, Clone, PartialEq)]
pub struct Sql {
    text: String,
    binds: Vec<Bind>,
}

impl Sql {
    /// An empty statement whose `$1` is the tenant, as in every statement of the house.
    pub(crate) fn for_tenant(tenant: Uuid) -> Self {
        Self { text: String::with_capacity(512), binds: vec![Bind::Uuid(tenant)] }
    }

    /// The parameters of a static text, from `$2` on.
    pub(crate) fn add_binds(&mut self, binds: Vec<Bind>) {
        self.binds.extend(binds);
    }

    /// Appends text. Callers pass names from a [`crate::Table`], fixed words and placeholders only.
    pub(crate) fn push(&mut self, text: impl AsRef<str>) {
        self.text.push_str(text.as_ref());
    }

    /// The placeholder of a value; a value that stands there already keeps its number.
    pub(crate) fn bind(&mut self, value: Bind) -> String {
        let known = self.binds.iter().position(|bind| *bind == value);
        let index = known.unwrap_or_else(|| {
            self.binds.push(value);
            self.binds.len() - 1
        });
        format!("${}", index + 1)
    }

    /// The same statement under EXPLAIN, for tests of plans.
    #[must_use]
    pub fn explain(mut self) -> Self {
        self.text.insert_str(0, "EXPLAIN (COSTS OFF) ");
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The values of `$1`, `$2`, …
    pub fn binds(&self) -> &[Bind] {
        &self.binds
    }

    /// The query, ready to run.
    pub fn into_query(self) -> Query<'static, Postgres, PgArguments> {
        #[allow(
            clippy::disallowed_methods,
            reason = "this crate is where SQL text is built: names from static tables, values bound"
        )]
        let query = sqlx::query(sqlx::AssertSqlSafe(self.text));
        self.binds.into_iter().fold(query, |query, bind| match bind {
            Bind::Uuid(value) => query.bind(value),
            Bind::Text(value) => query.bind(value),
            Bind::Int(value) => query.bind(value),
            Bind::Float(value) => query.bind(value),
            Bind::Bool(value) => query.bind(value),
            Bind::Date(value) => query.bind(value),
            Bind::Time(value) | Bind::Now(value) => query.bind(value),
            Bind::Uuids(value) => query.bind(value),
            Bind::Texts(value) => query.bind(value),
            Bind::Ints(value) => query.bind(value),
            Bind::Floats(value) => query.bind(value),
            Bind::Bools(value) => query.bind(value),
            Bind::Dates(value) => query.bind(value),
            Bind::Times(value) => query.bind(value),
        })
    }
}
