//! What of an object comes out of files, and by which values a row finds the record that it repeats.
//!
//! The engine is the same for every object; an object says here what is its own.

use error::{Error, Reason, Violation};
use field_types::FieldError;
use input::{Input, Violations, escaped};
use record::{Env, Fields, Object, Record, SideTable};
use serde_json::Value;

use super::Imports;
use super::attached::Attached;
use super::cells::Cells;
use super::row::ReadRow;
use super::suggest::Names;

/// An object whose records come out of files.
#[derive(Debug)]
pub struct Importable {
    /// The object.
    pub object: &'static Object,
    /// Fields that hold one value, and what a cell of theirs is.
    pub values: &'static [(&'static str, Kind)],
    /// Fields that hold lists of texts: a cell has them with `;` between, and several columns may feed one list.
    pub texts: &'static [Texts],
    /// Fields that hold lists of entries with parts.
    pub lists: &'static [List],
    /// Fields whose values are joined otherwise.
    pub joins: &'static [Join],
    /// Whether a row may say by its own id which record it changes.
    pub by_id: bool,
    /// What rows may name and do not have the id of.
    pub names: &'static [Name],
    /// What is wrong with what a row names, taken together.
    pub check_names: fn(&ReadRow, &mut Violations),
    /// Called when it is known which record a row changes, if any: for what it names can depend on that.
    pub settle: fn(Option<&Record>, &mut ReadRow),
    /// What rows change in other tables than that of their records.
    pub attached: Option<&'static dyn Attached>,
    /// What columns are called, in the languages that exports come in.
    pub columns: &'static [Names],
    /// SQL: refreshes the planner's statistics after `$1` new records; autovacuum does not analyse partitioned parents.
    pub analyze: &'static str,
    /// The fields of which a record has at least one, as a mapping names them.
    pub needs: &'static [&'static str],
    /// By what a row finds the record that it repeats; what says most comes first.
    pub keys: &'static [Key],
    /// Reads the cells of a row as the object's message is read.
    pub read: fn(&Env, Cells) -> Input,
}

/// How what a row sends for a field is joined with what the record has there.
#[derive(Debug)]
pub struct Join {
    /// The field.
    pub field: &'static str,
    /// So many entries it holds at most.
    pub most: usize,
    /// Of what was there and what is sent.
    pub join: fn(&Value, &Value) -> Value,
}

/// Something that a row names and does not have the id of.
#[derive(Debug)]
pub struct Name {
    /// As a mapping calls it: `company.name`.
    pub name: &'static str,
    /// The field of the record that follows from it, which the caller must be able to change; `None` where it is none of its row.
    pub field: Option<&'static str>,
    /// Whether it says the same as a column of that field would: then a mapping has one of them.
    pub replaces: bool,
    /// The object, and its field, by which it is looked up: one that is hidden from the caller finds nothing.
    pub of: Option<(&'static str, &'static str)>,
    /// Reads a cell.
    pub read: fn(&str) -> Result<Option<String>, FieldError>,
}

impl Name {
    /// Where what is wrong with it stands in a record.
    pub fn pointer(&self) -> String {
        format!("/{}", self.name.replace('.', "/"))
    }
}

/// What a cell of a field with one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text of one line; a cell that is broken over lines becomes one.
    Line,
    /// A text of many lines.
    Lines,
    /// A day.
    Date,
    /// The id of something.
    Id,
    /// A whole number from the first to the second.
    Integer(i32, i32),
    /// `true` or `false`, `yes` or `no`, `1` or `0`.
    Flag,
    /// A stage of life.
    Lifecycle,
    /// An amount with its currency, which another column may have.
    Money,
    /// The currency of an amount; named `<field>.currency`.
    Currency,
    /// An amount in the smallest unit of the currency of another column; named `<field>.amount_minor`.
    Minor,
}

/// A field that holds a list of texts.
#[derive(Debug)]
pub struct Texts {
    pub field: &'static str,
    /// So many it holds at most.
    pub most: usize,
}

/// A field that holds a list of entries.
#[derive(Debug)]
pub struct List {
    pub field: &'static str,
    /// The part by which an entry is the same as another; `None` where all parts that a row sends must be.
    pub same: Option<&'static str>,
    /// The parts that columns feed.
    pub parts: &'static [&'static str],
    /// So many it holds at most.
    pub most: usize,
}

/// Values by which a row finds a record.
#[derive(Debug)]
pub struct Key {
    /// The field that holds them; its side table says how they are found.
    pub field: &'static str,
    /// Whether one live record alone may have a value.
    pub is_unique: bool,
    /// SQL: `$2` `$3` the pairs, `$4` to `$6` the scope of what the caller may read, `$7` `$8` who imports and since when: each
    /// pair with a live record that has it, and whether the caller may see that or the import has made it.
    pub holders: &'static str,
}

impl Key {
    /// Where a value of it stands in a record.
    pub fn pointer(&self, (first, _): &(String, String)) -> String {
        match self.field {
            // The ids are members, by the names of their systems.
            "external_ids" => format!("/external_ids/{}", escaped(first)),
            field => format!("/{field}"),
        }
    }
}

/// Parts of an e-mail address, a phone number, a postal address.
pub const EMAIL: &[&str] = &["address", "kind", "is_primary"];
pub const PHONE: &[&str] = &["number", "kind", "is_primary"];
pub const ADDRESS: &[&str] = &["street", "city", "region", "postal_code", "country", "kind"];

/// Lists and texts that more than one object has.
pub const PHONES: List = List { field: "phones", same: Some("number"), parts: PHONE, most: 10 };
pub const ADDRESSES: List = List { field: "addresses", same: None, parts: ADDRESS, most: 10 };
pub const TAGS: Texts = Texts { field: "tags", most: 50 };

/// Systems in which one record has an id.
pub const MOST_EXTERNAL_IDS: usize = 20;

/// What an object says that has nothing of its own to say.
pub fn nothing_named(_: &ReadRow, _: &mut Violations) {}

/// What an object says whose names depend on no record.
pub fn settled(_: Option<&Record>, _: &mut ReadRow) {}

impl Imports {
    /// The object of this name, if its records come out of files here.
    pub(crate) fn find(&self, object: &str) -> Option<&'static Importable> {
        self.objects.iter().copied().find(|importable| importable.object.name == object)
    }

    /// The object that a request names, which is refused if its records do not come out of files.
    pub(crate) fn named(&self, object: &str) -> Result<&'static Importable, Error> {
        self.find(object).ok_or_else(|| {
            Error::validation(vec![Violation::new("/object", Reason::UNKNOWN_OBJECT, expected())])
        })
    }
}

/// The objects that some service imports, for people.
pub(crate) fn expected() -> String {
    let imported = proto::OBJECTS.iter().filter(|object| object.actions.contains(&"import"));
    let names: Vec<&str> = imported.map(|object| object.name).collect();
    format!("one of {} is expected", names.join(", "))
}

impl Importable {
    /// The list of this name.
    pub fn list(&self, field: &str) -> Option<&'static List> {
        self.lists.iter().find(|list| list.field == field)
    }

    /// The side table in which the values of a key are found.
    pub fn side(&self, key: &Key) -> Option<&'static SideTable> {
        self.object.sides.iter().find(|side| side.field == key.field)
    }

    /// The values of a key that fields have.
    pub fn pairs(&self, key: &Key, fields: &Fields) -> Vec<(String, String)> {
        let value = fields.get(key.field);
        self.side(key).zip(value).map(|(side, value)| (side.pairs)(value)).unwrap_or_default()
    }

    /// So many values a field holds at most; `None` where it holds one.
    pub fn most(&self, field: &str) -> Option<usize> {
        let texts = self.texts.iter().find(|texts| texts.field == field).map(|texts| texts.most);
        let list = || self.list(field).map(|list| list.most);
        let join = || self.joins.iter().find(|join| join.field == field).map(|join| join.most);
        texts.or_else(list).or_else(join).or_else(|| (field == "external_ids").then_some(MOST_EXTERNAL_IDS))
    }
}
