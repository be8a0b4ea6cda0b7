//! A record as one caller sees it, on its way to the wire.

use std::borrow::Cow;
use std::collections::BTreeMap;

use auth::FieldMask;
use error::Error;
use prost::bytes::Bytes;
use serde_json::Value;
use time::OffsetDateTime;

use super::Record;
use super::cells::{Cell, Cells};
use super::custom_json;

/// Where the values are.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// In a record that an operation has read, changed or kept.
    Record(&'a Record),
    /// In a row of a page: nothing is made of it but the answer.
    Row(&'a Cells<'a>),
}

/// A record through the caller's field rules. What is hidden, unset or was not asked for comes out as unset.
#[derive(Clone, Copy)]
pub struct View<'a> {
    pub(crate) source: Source<'a>,
    pub(crate) mask: &'a FieldMask,
    /// Custom keys asked for by name: `null` when unset.
    pub(crate) asked: &'a [String],
    /// The moment of the call.
    pub(crate) now: OffsetDateTime,
}

/// Records are people's data and stay out of logs.
impl std::fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("version", &self.version()).finish_non_exhaustive()
    }
}

impl<'a> View<'a> {
    fn get(&self, name: &str) -> Option<Cow<'a, Cell<'a>>> {
        if self.mask.hides(name) {
            return None;
        }
        match self.source {
            Source::Record(record) => record.fields.get(name).map(|value| Cow::Owned(Cell::of(value))),
            Source::Row(cells) => cells.get(name).map(Cow::Borrowed),
        }
    }

    pub fn id(&self) -> String {
        match self.source {
            Source::Record(record) => record.id,
            Source::Row(cells) => cells.keys.id,
        }
        .to_string()
    }

    pub fn version(&self) -> i64 {
        match self.source {
            Source::Record(record) => record.version,
            Source::Row(cells) => cells.keys.version,
        }
    }

    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    pub fn integer(&self, name: &str) -> Option<i32> {
        match *self.get(name)? {
            Cell::Integer(integer) => i32::try_from(integer).ok(),
            _ => None,
        }
    }

    pub fn flag(&self, name: &str) -> bool {
        self.get(name).is_some_and(|cell| matches!(*cell, Cell::Flag(true)))
    }

    pub fn moment(&self, name: &str) -> Option<prost_types::Timestamp> {
        self.get(name)?.moment().map(proto::timestamp)
    }

    /// Whether a moment has passed, see [`super::Standard::passed`].
    pub fn passed(&self, name: &str) -> bool {
        self.get(name).and_then(|cell| cell.moment()).is_some_and(|moment| moment <= self.now)
    }

    /// A value of an enum whose full names begin with `prefix`.
    pub fn choice(&self, name: &str, prefix: &str) -> Option<String> {
        let mut full = prefix.to_owned();
        match *self.get(name)? {
            Cell::Text(text) => full.extend(text.chars().map(|c| c.to_ascii_uppercase())),
            _ => return None,
        }
        Some(full)
    }

    pub fn list<T>(&self, name: &str, item: fn(&Value) -> T) -> Vec<T> {
        let Some(cell) = self.get(name) else { return Vec::new() };
        let items = cell.json().and_then(Value::as_array);
        items.map(|items| items.iter().map(item).collect()).unwrap_or_default()
    }

    /// What is read of a value that is JSON.
    pub(crate) fn json<T>(&self, name: &str, read: impl FnOnce(&Value) -> T) -> Option<T> {
        self.get(name)?.json().map(read)
    }

    pub fn texts(&self, name: &str) -> Vec<String> {
        self.list(name, |item| item.as_str().unwrap_or_default().to_owned())
    }

    pub fn map(&self, name: &str) -> BTreeMap<String, String> {
        let Some(cell) = self.get(name) else { return BTreeMap::new() };
        let members = cell.json().and_then(Value::as_object).into_iter().flatten();
        members.filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    }

    pub fn money(&self, name: &str) -> Option<proto::common::v1::Money> {
        let cell = self.get(name)?;
        let value = cell.json()?;
        let (amount_minor, currency) =
            (value["amount_minor"].as_i64()?, value["currency"].as_str()?.to_owned());
        Some(proto::common::v1::Money { amount_minor: Some(amount_minor), currency: Some(currency) })
    }

    /// Custom values as a JSON object.
    pub fn custom(&self) -> Result<Bytes, Error> {
        let shown = |key: &str| !self.mask.hides_custom(key);
        let record = match self.source {
            Source::Record(record) => record,
            Source::Row(cells @ Cells { custom: Some(stored), .. }) => {
                let written = custom_json::write(stored, shown, self.asked).map_err(Error::internal)?;
                cells.count_custom(written.len());
                return Ok(written.into());
            }
            Source::Row(Cells { custom: None, .. }) => return Ok(Bytes::from_static(b"{}")),
        };
        let null = Value::Null;
        let asked = self.asked.iter().filter(|key| shown(key)).map(|key| (key.as_str(), &null));
        let set = record.custom.iter().filter(|(key, _)| shown(key));
        // What is set wins over what was asked for.
        let values: BTreeMap<&str, &Value> =
            asked.chain(set.map(|(key, value)| (key.as_str(), value))).collect();
        serde_json::to_vec(&values).map(Bytes::from).map_err(Error::internal)
    }
}
