//! A record's message: how it is read and shown, a line for each field.

use std::collections::BTreeMap;

use error::{Error, Reason};
use field_types::FieldError;
use field_types::moment::datetime_text;
use field_types::phone::Region;
use input::{Input, Mask, Part, choice};
use prost::bytes::Bytes;
use prost_types::Timestamp;
use proto::Resource;
use proto::common::v1::{Access, Money};
use serde_json::Value;
use time::OffsetDateTime;

use super::view::View;
use super::{Env, Included, Object};

/// An object on the wire. A service implements it for a type of its own, as its messages belong to `proto`.
pub trait Wire {
    /// The message.
    type Message: Resource + Default + Send + Sync;

    /// The object.
    fn object() -> &'static Object;
    /// Reads what was sent, in the order of the members' numbers.
    fn read(sent: &Self::Message, reader: &mut Reader<'_>);
    /// The record as its caller sees it.
    fn show(view: View<'_>, access: Option<Access>) -> Result<Self::Message, Error>;
    /// Puts the names of what the record refers to into its message, and what is missing of them.
    fn include(message: &mut Self::Message, included: Included);
    /// Custom values, a JSON object.
    fn custom(sent: &Self::Message) -> &Bytes;
    /// The same, to be brought into one form.
    fn custom_mut(sent: &mut Self::Message) -> &mut Bytes;
    /// The version that the change starts from.
    fn etag(sent: &Self::Message) -> Option<&str>;
}

/// Reads the fields of a body that are to be written, and keeps what is wrong with them.
#[derive(Debug)]
pub struct Reader<'a> {
    names: &'a [&'a str],
    /// What of them; `None`: all.
    mask: Option<&'a Mask>,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// The moment of the call.
    pub now: OffsetDateTime,
    input: Input,
}

impl<'a> Reader<'a> {
    /// Reads the fields of these names as a whole.
    pub fn read<W: Wire>(env: &Env, sent: &W::Message, names: &'a [&'a str]) -> Input {
        Self::read_by::<W>((env.region, env.clock.now()), sent, names, None)
    }

    /// Reads what the mask names of the fields of these names. `surroundings` are the region of phone numbers, and the moment of the call.
    pub(crate) fn read_by<W: Wire>(
        (region, now): (Option<Region>, OffsetDateTime),
        sent: &W::Message,
        names: &'a [&'a str],
        mask: Option<&'a Mask>,
    ) -> Input {
        let mut reader = Self { names, mask, region, now, input: Input::default() };
        W::read(sent, &mut reader);
        reader.input
    }

    fn part(&self, name: &str) -> Part<'a> {
        self.mask.map_or(Part::Whole, |mask| mask.part(name))
    }

    /// Whether the field is to be written.
    fn wants(&self, name: &str) -> bool {
        self.names.contains(&name)
    }

    /// A field that is read in a way of its own.
    pub fn with(&mut self, name: &str, read: impl FnOnce(&mut Input)) {
        if self.wants(name) {
            read(&mut self.input);
        }
    }

    /// One line of text.
    pub fn line(&mut self, name: &str, sent: &Option<String>, max_chars: usize) {
        self.with(name, |input| input.line(name, sent.as_deref(), max_chars));
    }

    /// Many lines of text.
    pub fn lines(&mut self, name: &str, sent: &Option<String>, max_chars: usize) {
        self.with(name, |input| input.lines(name, sent.as_deref(), max_chars));
    }

    /// An id.
    pub fn id(&mut self, name: &str, sent: &Option<String>) {
        self.with(name, |input| input.id(name, sent.as_deref()));
    }

    /// Text checked by `read`.
    pub fn checked(
        &mut self,
        name: &str,
        sent: &Option<String>,
        read: impl Fn(&str) -> Result<String, FieldError>,
    ) {
        self.with(name, |input| input.checked(name, sent.as_deref(), read));
    }

    /// A list of texts, each checked by `read`.
    pub fn texts(
        &mut self,
        name: &str,
        sent: &[String],
        read: impl Fn(&str) -> Result<Option<String>, FieldError>,
    ) {
        self.with(name, |input| input.texts(name, sent, read));
    }

    /// A moment; none clears.
    pub fn moment(&mut self, name: &str, sent: Option<&Timestamp>) {
        self.with(name, |input| match sent.map(proto::moment) {
            None => input.set(name, Value::Null),
            Some(Some(moment)) => input.set(name, datetime_text(moment)),
            Some(None) => {
                let error =
                    FieldError::new(Reason::TIMESTAMP_INVALID, "a moment of the years 1 to 9999 is expected");
                input.refuse(format!("/{name}"), error);
            }
        });
    }

    /// A number or a flag; `null` clears.
    pub fn value(&mut self, name: &str, sent: impl Into<Value>) {
        self.with(name, |input| input.set(name, sent));
    }

    /// A value of an enum whose full names begin with `prefix`; the unspecified one clears.
    pub fn choice<E>(
        &mut self,
        name: &str,
        sent: Option<i32>,
        full_name: fn(&E) -> &'static str,
        prefix: &str,
    ) where
        E: TryFrom<i32> + Default + PartialEq,
    {
        self.with(name, |input| match choice::<E>(sent.unwrap_or_default()) {
            Ok(value) if value == E::default() => input.set(name, Value::Null),
            Ok(value) => input.set(name, short_name(full_name(&value), prefix)),
            Err(error) => input.refuse(format!("/{name}"), error),
        });
    }

    /// An amount that is not negative.
    pub fn money(&mut self, name: &str, sent: Option<&Money>) {
        let part = self.part(name);
        self.with(name, |input| match part {
            Part::Whole => read_money(input, name, sent),
            part => drop(input.merges.insert(name.to_owned(), money_patch(sent, part))),
        });
    }

    /// Tags.
    pub fn tags(&mut self, sent: &[String]) {
        self.with("tags", |input| input.tags(sent));
    }

    /// Ids in other systems.
    pub fn external_ids(&mut self, sent: &BTreeMap<String, String>) {
        let part = self.part("external_ids");
        self.with("external_ids", |input| match part {
            Part::Whole => input.external_ids(sent),
            Part::Named(systems) => input.merge_external_ids(systems.iter().map(|s| (s, sent.get(s)))),
            Part::Set => input.merge_external_ids(sent.iter().map(|(system, id)| (system, Some(id)))),
        });
    }
}

/// `LIFECYCLE_LEAD` -> `lead`.
fn short_name(full: &str, prefix: &str) -> String {
    full.strip_prefix(prefix).unwrap_or(full).to_ascii_lowercase()
}

fn read_money(input: &mut Input, name: &str, sent: Option<&Money>) {
    let Some(sent) = sent else { return input.set(name, Value::Null) };
    let members = [
        ("amount_minor", sent.amount_minor.map(Value::from)),
        ("currency", sent.currency.as_deref().map(Value::from)),
    ];
    let set = members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
    match amount(&Value::Object(set.collect())) {
        Ok(amount) => input.set(name, amount),
        Err(errors) => errors.into_iter().for_each(|error| input.refuse(format!("/{name}"), error)),
    }
}

/// The members of an amount that are changed; `null` removes.
fn money_patch(sent: Option<&Money>, part: Part<'_>) -> Value {
    let members = [
        ("amount_minor", sent.and_then(|sent| sent.amount_minor).map(Value::from)),
        ("currency", sent.and_then(|sent| sent.currency.as_deref()).map(Value::from)),
    ];
    let is_named = |name: &str, value: &Option<Value>| match part {
        Part::Named(names) => names.contains(name),
        Part::Whole | Part::Set => value.is_some(),
    };
    let named = members.into_iter().filter(|(name, value)| is_named(name, value));
    Value::Object(named.map(|(name, value)| (name.to_owned(), value.into())).collect())
}

/// The canonical form of an amount that is not negative.
pub(crate) fn amount(value: &Value) -> Result<Value, Vec<FieldError>> {
    let amount = field_types::money::parse(value)?;
    if amount.amount_minor < 0 {
        let error = FieldError::new(Reason::OUT_OF_RANGE, "must not be negative");
        return Err(vec![error.at("/amount_minor")]);
    }
    Ok(amount.to_json())
}
