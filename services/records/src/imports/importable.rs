//! What of an object comes out of files, and by which values a row finds the record that it repeats.
//!
//! The engine is the same for every object; an object says here what is its own.

use error::{Error, Reason, Violation};
use input::{Input, escaped};
use record::{Env, Fields, Object, SideTable};

use super::cells::Cells;
use crate::companies::import::COMPANIES;
use crate::contacts::import::CONTACTS;

/// An object whose records come out of files.
#[derive(Debug)]
pub(crate) struct Importable {
    /// The object.
    pub(crate) object: &'static Object,
    /// Fields that hold one value, and what a cell of theirs is.
    pub(crate) values: &'static [(&'static str, Kind)],
    /// Fields that hold lists of texts: a cell has them with `;` between, and several columns may feed one list.
    pub(crate) texts: &'static [Texts],
    /// Fields that hold lists of entries with parts.
    pub(crate) lists: &'static [List],
    /// Whether a row may name the company that its record is linked to.
    pub(crate) has_company: bool,
    /// The fields of which a record has at least one, as a mapping names them.
    pub(crate) needs: &'static [&'static str],
    /// By what a row finds the record that it repeats; what says most comes first.
    pub(crate) keys: &'static [Key],
    /// Reads the cells of a row as the object's message is read.
    pub(crate) read: fn(&Env, Cells) -> Input,
}

/// What a cell of a field with one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
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
    /// An amount with its currency.
    Money,
}

/// A field that holds a list of texts.
#[derive(Debug)]
pub(crate) struct Texts {
    pub(crate) field: &'static str,
    /// So many it holds at most.
    pub(crate) most: usize,
}

/// A field that holds a list of entries.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) field: &'static str,
    /// The part by which an entry is the same as another; `None` where all parts that a row sends must be.
    pub(crate) same: Option<&'static str>,
    /// The parts that columns feed.
    pub(crate) parts: &'static [&'static str],
    /// So many it holds at most.
    pub(crate) most: usize,
}

/// Values by which a row finds a record.
#[derive(Debug)]
pub(crate) struct Key {
    /// The field that holds them; its side table says how they are found.
    pub(crate) field: &'static str,
    /// Whether one live record alone may have a value.
    pub(crate) is_unique: bool,
    /// SQL: `$2` `$3` the pairs, `$4` to `$6` the scope of what the caller may read, `$7` `$8` who imports and since when: each
    /// pair with a live record that has it, and whether the caller may see that or the import has made it.
    pub(crate) holders: &'static str,
}

impl Key {
    /// Where a value of it stands in a record.
    pub(crate) fn pointer(&self, (first, _): &(String, String)) -> String {
        match self.field {
            // The ids are members, by the names of their systems.
            "external_ids" => format!("/external_ids/{}", escaped(first)),
            field => format!("/{field}"),
        }
    }
}

/// Parts of an e-mail address, a phone number, a postal address.
pub(crate) const EMAIL: &[&str] = &["address", "kind", "is_primary"];
pub(crate) const PHONE: &[&str] = &["number", "kind", "is_primary"];
pub(crate) const ADDRESS: &[&str] = &["street", "city", "region", "postal_code", "country", "kind"];

/// Lists and texts that more than one object has.
pub(crate) const PHONES: List = List { field: "phones", same: Some("number"), parts: PHONE, most: 10 };
pub(crate) const ADDRESSES: List = List { field: "addresses", same: None, parts: ADDRESS, most: 10 };
pub(crate) const TAGS: Texts = Texts { field: "tags", most: 50 };

/// Systems in which one record has an id.
pub(crate) const MOST_EXTERNAL_IDS: usize = 20;

static ALL: [&Importable; 2] = [&CONTACTS, &COMPANIES];

/// The object of this name, if its records come out of files.
pub(crate) fn find(object: &str) -> Option<&'static Importable> {
    ALL.into_iter().find(|importable| importable.object.name == object)
}

/// The object that a request names, which is refused if its records do not come out of files.
pub(crate) fn named(object: &str) -> Result<&'static Importable, Error> {
    find(object).ok_or_else(|| {
        let text = format!("one of {} is expected", names());
        Error::validation(vec![Violation::new("/object", Reason::UNKNOWN_OBJECT, text)])
    })
}

/// The names of all of them, for people.
pub(crate) fn names() -> String {
    ALL.map(|importable| importable.object.name).join(", ")
}

impl Importable {
    /// The list of this name.
    pub(crate) fn list(&self, field: &str) -> Option<&'static List> {
        self.lists.iter().find(|list| list.field == field)
    }

    /// The side table in which the values of a key are found.
    pub(crate) fn side(&self, key: &Key) -> Option<&'static SideTable> {
        self.object.sides.iter().find(|side| side.field == key.field)
    }

    /// The values of a key that fields have.
    pub(crate) fn pairs(&self, key: &Key, fields: &Fields) -> Vec<(String, String)> {
        let value = fields.get(key.field);
        self.side(key).zip(value).map(|(side, value)| (side.pairs)(value)).unwrap_or_default()
    }

    /// So many values a field holds at most; `None` where it holds one.
    pub(crate) fn most(&self, field: &str) -> Option<usize> {
        let texts = self.texts.iter().find(|texts| texts.field == field).map(|texts| texts.most);
        let list = || self.list(field).map(|list| list.most);
        texts.or_else(list).or_else(|| (field == "external_ids").then_some(MOST_EXTERNAL_IDS))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use prost::Message;
    use proto::descriptor::FileDescriptorSet;

    use super::*;

    /// The members of a message of this service by the descriptors.
    fn members(name: &str) -> Vec<String> {
        let set = FileDescriptorSet::decode(proto::DESCRIPTORS).unwrap();
        let files = set.file.into_iter().filter(|file| file.package == "globcrm.records.v1");
        let message = files.flat_map(|file| file.message_type).find(|m| m.name == name).unwrap();
        message.field.into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn every_field_that_callers_write_can_be_imported_and_no_other() {
        for importable in ALL {
            let values = importable.values.iter().map(|(name, _)| *name);
            let texts = importable.texts.iter().map(|texts| texts.field);
            let lists = importable.lists.iter().map(|list| list.field);
            let fields: BTreeSet<&str> = values.chain(texts).chain(lists).chain(["external_ids"]).collect();
            let writable: BTreeSet<&str> = importable.object.writable().iter().copied().collect();
            assert_eq!(fields, writable, "{}", importable.object.name);
        }
    }

    #[test]
    fn every_part_of_an_entry_can_be_imported_and_no_other() {
        let messages = [
            ("emails", "EmailAddress"),
            ("phones", "PhoneNumber"),
            ("addresses", "PostalAddress"),
            ("consents", "Consent"),
        ];
        for list in ALL.iter().flat_map(|importable| importable.lists) {
            let message = messages.iter().find(|(field, _)| *field == list.field).unwrap().1;
            let parts: BTreeSet<String> = list.parts.iter().map(|part| (*part).to_owned()).collect();
            assert_eq!(parts, members(message).into_iter().collect(), "{}", list.field);
        }
    }

    #[test]
    fn the_values_of_every_key_stand_in_a_side_table() {
        for importable in ALL {
            for key in importable.keys {
                let side = importable.side(key).unwrap_or_else(|| panic!("{} has none", key.field));
                assert_eq!(side.holders.is_some(), key.is_unique, "{}", key.field);
            }
            // What one record alone may have is a key: else a row that repeats it would end the whole import.
            let unique = importable.object.sides.iter().filter(|side| side.holders.is_some());
            assert!(unique.map(|s| s.field).all(|f| importable.keys.iter().any(|key| key.field == f)));
        }
    }
}
