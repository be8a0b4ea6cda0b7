//! A record as one caller sees it, on its way to the wire.

use std::collections::BTreeMap;

use auth::FieldMask;
use field_types::moment;
use serde_json::Value;

use super::Record;
use super::points::timestamp;

/// A record through the caller's field rules. What is hidden, unset or was not asked for comes out as unset.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View<'a> {
    pub(crate) record: &'a Record,
    pub(crate) mask: &'a FieldMask,
    /// Custom keys asked for by name: `null` when unset.
    pub(crate) asked: &'a [String],
}

impl View<'_> {
    fn get(&self, name: &str) -> Option<&Value> {
        self.record.fields.get(name).filter(|_| !self.mask.hides(name))
    }

    pub(crate) fn id(&self) -> String {
        self.record.id.to_string()
    }

    pub(crate) fn version(&self) -> i64 {
        self.record.version
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.as_str().map(str::to_owned)
    }

    pub(crate) fn integer(&self, name: &str) -> Option<i32> {
        self.get(name)?.as_i64().and_then(|n| i32::try_from(n).ok())
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        self.get(name).and_then(Value::as_bool).unwrap_or_default()
    }

    pub(crate) fn moment(&self, name: &str) -> Option<prost_types::Timestamp> {
        moment::datetime(self.get(name)?.as_str()?).ok().map(timestamp)
    }

    /// A value of an enum whose full names begin with `prefix`.
    pub(crate) fn choice(&self, name: &str, prefix: &str) -> Option<String> {
        Some(format!("{prefix}{}", self.get(name)?.as_str()?.to_ascii_uppercase()))
    }

    pub(crate) fn list<T>(&self, name: &str, item: fn(&Value) -> T) -> Vec<T> {
        self.get(name)
            .and_then(Value::as_array)
            .map(|items| items.iter().map(item).collect())
            .unwrap_or_default()
    }

    pub(crate) fn texts(&self, name: &str) -> Vec<String> {
        self.list(name, |item| item.as_str().unwrap_or_default().to_owned())
    }

    pub(crate) fn map(&self, name: &str) -> BTreeMap<String, String> {
        let Some(Value::Object(members)) = self.get(name) else { return BTreeMap::new() };
        members.iter().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    }

    pub(crate) fn money(&self, name: &str) -> Option<proto::common::v1::Money> {
        let value = self.get(name)?;
        let currency = value["currency"].as_str()?.to_owned();
        Some(proto::common::v1::Money { amount_minor: value["amount_minor"].as_i64()?, currency })
    }

    /// Custom values as a JSON object.
    pub(crate) fn custom(&self) -> prost::bytes::Bytes {
        let shown = |key: &str| !self.mask.hides(&format!("custom.{key}"));
        let null = Value::Null;
        let asked = self.asked.iter().filter(|key| shown(key)).map(|key| (key.as_str(), &null));
        let set = self.record.custom.iter().filter(|(key, _)| shown(key));
        // Borrowed: most of a page is custom values. What is set wins over what was asked for.
        let values: BTreeMap<&str, &Value> =
            asked.chain(set.map(|(key, value)| (key.as_str(), value))).collect();
        // Writing JSON values into memory cannot fail.
        serde_json::to_vec(&values).unwrap_or_default().into()
    }
}
