//! What makes an object an object.

use std::sync::OnceLock;

use auth::FieldMask;
use error::Reason;
use input::Violations;
use query::{Column, Statements};
use serde_json::Value;
use uuid::Uuid;

use super::Fields;
use super::include::Include;
use super::likeness::Likeness;
use super::peer_records::State;
use super::prepare::{Guard, Rules};
use super::purge::Ties;
use super::reference::Reference;
use super::standard::{Shape, Standard};

/// A kind of record.
#[derive(Debug)]
pub struct Object {
    /// The name in the singular, as permissions, events and side tables have it.
    pub name: &'static str,
    /// The table, schema-qualified.
    pub table: &'static str,
    /// The fields, beside those that records of every object have: the only list of them.
    pub fields: &'static [Standard],
    /// The field by which people know a record, a line of text.
    pub title: &'static str,
    /// What `include` names of its records, in addition to their owners.
    pub includes: &'static [Include],
    /// 404.
    pub not_found: Reason,
    /// 409 of a restore.
    pub not_deleted: Reason,
    /// The values of computed fields.
    pub derive: fn(&Fields) -> Fields,
    /// The rules between fields.
    pub rules: fn(&Rules<'_>, &mut Violations),
    /// What it demands of every write beside them.
    pub guard: Option<&'static dyn Guard>,
    /// Rows that depend on its records and are not in a field; removed before a purge.
    pub ties: Option<&'static dyn Ties>,
    /// What stands in side tables.
    pub sides: &'static [SideTable],
    /// By what its records are alike. `None` where nobody asks.
    pub likeness: Option<&'static Likeness>,
    /// The field that holds the record above. `None` where records do not stand above each other.
    pub tree: Option<&'static str>,
    /// What follows from the fields.
    pub built: Built,
}

/// What follows from an object's fields, once it is asked for.
#[derive(Debug, Default)]
pub struct Built(OnceLock<Shape>);

impl Built {
    /// Not yet.
    pub const fn later() -> Self {
        Self(OnceLock::new())
    }
}

/// What stands in a list of ids: a field whose values name records.
#[derive(Debug)]
pub struct Naming {
    /// What a value names, with the rest of each pointer (`/0/id`).
    pub ids: fn(&Value) -> Vec<Reference>,
    /// `$2` the object, `$3` ids, `$4` another id, `$5` number: the records after that id whose values name one of the ids, in the order
    /// of ids. It reads no more than `$5` rows for each of them.
    pub holders: &'static str,
    /// The value once a record that it names is in the state; the same value if that makes no difference.
    pub follow: fn(&Value, &str, Uuid, State) -> Value,
    /// The sent value, with the state of its references (such as `deleted`) taken from the stored one: clients cannot set it.
    pub known: fn(&Value, Value) -> Value,
}

/// A side table fed by one field.
#[derive(Debug)]
pub struct SideTable {
    /// The field.
    pub field: &'static str,
    /// The pairs of text to store for a value.
    pub pairs: fn(&Value) -> Vec<(String, String)>,
    /// `$2` record ids, `$3` `$4` the pairs, `$5` object.
    pub put: &'static str,
    /// `$2` record ids.
    pub clear: &'static str,
    /// `$2` record ids: record, pair, and whether it counts as that of a live record.
    pub held: &'static str,
    /// `$2` record id, `$3` whether the record is live. `None` where that does not matter.
    pub set_live: Option<&'static str>,
    /// `$2` record ids that may have them, `$3` `$4` the pairs, `$5` object: the live records that have one of the pairs.
    /// `None` where pairs may repeat.
    pub holders: Option<&'static str>,
}

impl Object {
    fn shape(&self) -> &Shape {
        self.built.0.get_or_init(|| Shape::of(self))
    }

    /// What filters and orders see.
    pub fn table(&self) -> &query::Table {
        &self.shape().table
    }

    /// The columns of a row, see [`super::Record::from_row`].
    pub(crate) fn columns(&self) -> &[Column] {
        &self.shape().columns
    }

    /// Fields that callers write.
    pub fn writable(&self) -> &[&'static str] {
        &self.shape().writable
    }

    /// Fields whose change is a change of the record.
    pub(crate) fn compared(&self) -> &[&'static str] {
        &self.shape().compared
    }

    /// Fields that give others away: the field and those it is made of.
    pub(crate) fn computed(&self) -> &[(&'static str, &'static [&'static str])] {
        &self.shape().computed
    }

    /// Fields that hold an id: the field and the object that it names.
    pub(crate) fn links(&self) -> &[(&'static str, &'static str)] {
        &self.shape().links
    }

    /// Its statements.
    pub fn statements(&self) -> &Statements {
        &self.shape().statements
    }

    /// The columns of a row that follow from its fields; `computed` are the values of those that the object computes.
    pub(crate) fn derived(&self, fields: &Fields, computed: Fields) -> Fields {
        self.shape().derived(fields, computed)
    }

    /// Fields that hold lists of ids.
    pub(crate) fn naming(&self) -> &[(&'static str, &'static Naming)] {
        &self.shape().naming
    }

    /// Whether the field holds an amount of money.
    pub(crate) fn is_money(&self, name: &str) -> bool {
        self.fields.iter().any(|field| field.name == name && field.is_money())
    }

    /// Whether its records hold texts of many lines.
    pub(crate) fn has_texts(&self) -> bool {
        self.shape().has_texts
    }

    /// Whether what is computed of its fields may be long, and take time.
    pub(crate) fn computes_texts(&self) -> bool {
        self.shape().computes_texts
    }

    /// The caller's field rules, completed: who may not see a field may not see what gives it away.
    pub(crate) fn mask(&self, given: &FieldMask) -> FieldMask {
        let telling = &self.shape().telling;
        let hidden = telling.iter().filter(|(_, reads)| reads.iter().any(|read| given.hides(read)));
        given.hiding(hidden.map(|(name, _)| (*name).to_owned()))
    }
}
