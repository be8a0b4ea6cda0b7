//! What the owner of a table declares about it.

mod resolve;

use field_types::{FieldType, SlotColumn};

pub use resolve::Schema;
pub(crate) use resolve::{Named, Source};

/// A table with its public fields. All SQL names in it are static text of the owning service.
#[derive(Debug)]
pub struct Table {
    /// The object's public name, such as `contact`.
    pub object: &'static str,
    /// Schema-qualified, such as `records.contacts`. It has the columns `tenant_id uuid` and `id uuid`, `owner_id uuid`
    /// and `team_id uuid` if it is used with row predicates of scope, and `custom jsonb` with the slot columns if
    /// [`Table::has_custom`].
    pub name: &'static str,
    /// The column that is not null in deleted rows; `None` if rows are never soft-deleted.
    pub deleted_at: Option<&'static str>,
    /// Whether rows have custom values.
    pub has_custom: bool,
    /// The fields that can be filtered or sorted by.
    pub fields: &'static [Field],
}

/// A standard field.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub(crate) name: &'static str,
    pub(crate) column: &'static str,
    pub(crate) kind: Kind,
    pub(crate) nullable: bool,
    pub(crate) indexed: bool,
    pub(crate) indexed_in_trash: bool,
    pub(crate) reads: &'static [&'static str],
}

/// How a standard field is stored. Only types with leakproof operators, as no other can use an index under row level
/// security.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Text { key: Option<&'static str> },
    Integer,
    Float,
    Boolean,
    Date,
    Timestamp,
    Passed,
    Uuid,
    Enum(&'static [&'static str]),
    Money { currency: &'static str },
    Set(Set),
}

/// Several values of a row in a side table.
#[derive(Debug, Clone, Copy)]
pub struct Set {
    /// Schema-qualified side table with a column `tenant_id`.
    pub table: &'static str,
    /// The side table's column with the row's id.
    pub parent: &'static str,
    /// What the values are.
    pub kind: SetKind,
}

/// How the values of a [`Set`] are compared; the field's `column` is the value's column in the side table.
#[derive(Debug, Clone, Copy)]
pub enum SetKind {
    /// Text, equal after NFC; `:` compares the column `key`, which holds `field_types::search_key` of the value.
    Text {
        /// The folded column.
        key: Option<&'static str>,
    },
    /// Canonical e-mail addresses.
    Email,
    /// Phone numbers in E.164.
    Phone,
    /// Internet domains in lower case and ASCII.
    Domain,
    /// Ids of other records.
    Uuid,
}

impl Field {
    const fn new(name: &'static str, column: &'static str, kind: Kind) -> Self {
        Self { name, column, kind, nullable: false, indexed: false, indexed_in_trash: false, reads: &[] }
    }

    /// Text that is equal or not, without prefix search or order.
    pub const fn text(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Text { key: None })
    }

    /// Text with prefix search and order by the column `key` (`text COLLATE "C"`), which holds
    /// `field_types::search_key` of the value and is null where the value is null.
    pub const fn searchable(name: &'static str, column: &'static str, key: &'static str) -> Self {
        Self::new(name, column, Kind::Text { key: Some(key) })
    }

    /// `int4` or `int8`.
    pub const fn integer(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Integer)
    }

    /// `float8`.
    pub const fn float(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Float)
    }

    /// `bool`.
    pub const fn boolean(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Boolean)
    }

    /// `date`.
    pub const fn date(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Date)
    }

    /// `timestamptz`.
    pub const fn timestamp(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Timestamp)
    }

    /// `timestamptz`, of which only whether it has passed can be asked: as of a flag, which an unset moment never is.
    pub const fn passed(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Passed)
    }

    /// `uuid`.
    pub const fn uuid(name: &'static str, column: &'static str) -> Self {
        Self::new(name, column, Kind::Uuid)
    }

    /// `text` that holds one of `values`, which are also the public values.
    pub const fn choice(name: &'static str, column: &'static str, values: &'static [&'static str]) -> Self {
        Self::new(name, column, Kind::Enum(values))
    }

    /// Minor units in `column` (`int8`) and the currency in another column (`text`).
    pub const fn money(name: &'static str, column: &'static str, currency: &'static str) -> Self {
        Self::new(name, column, Kind::Money { currency })
    }

    /// Values in a side table; `column` is the value's column there.
    pub const fn set(name: &'static str, column: &'static str, set: Set) -> Self {
        Self::new(name, column, Kind::Set(set))
    }

    /// The column may be null.
    #[must_use]
    pub const fn nullable(mut self) -> Self {
        self.nullable = true;
        self
    }

    /// There is an index `(tenant_id, column, id)` of the live rows (with the key column for searchable text), so that a set of
    /// any size may be filtered by the field, and an order may begin with it.
    #[must_use]
    pub const fn indexed(mut self) -> Self {
        self.indexed = true;
        self
    }

    /// There is such an index of the deleted rows.
    #[must_use]
    pub const fn indexed_in_trash(mut self) -> Self {
        self.indexed_in_trash = true;
        self
    }

    /// The public name.
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// The fields whose values this one gives away, if they are others than its own name: `emails.address` reads
    /// `emails`, `full_name` reads `first_name` and `last_name`. Who may not see one of them may not use this field.
    #[must_use]
    pub const fn reads(mut self, fields: &'static [&'static str]) -> Self {
        self.reads = fields;
        self
    }
}

/// A custom field, from the owner's projection of the definitions.
#[derive(Debug, Clone)]
pub struct CustomField {
    /// The immutable key; `custom.<key>` is the public name.
    pub key: String,
    /// Its type.
    pub field_type: FieldType,
    /// The slot that indexes it, if it is indexed.
    pub slot: Option<SlotColumn>,
    /// The keys of its options, retired ones included; empty where its type has none.
    pub options: Vec<String>,
}
