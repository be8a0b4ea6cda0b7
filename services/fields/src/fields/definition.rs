//! What a custom field is.

use std::str::FromStr;

use error::{Code, Reason};
use field_types::{FieldOption, FieldType, SlotColumn};
use fleet::{FLEET, Member};
use ids::FieldId;
use serde_json::{Value, json};
use time::OffsetDateTime;
use uuid::Uuid;

/// An object whose records have custom fields, by the catalogue of objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Object(&'static proto::Object);

/// A name that stands for nothing here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown name")]
pub(crate) struct UnknownName;

impl Object {
    /// All of them, by name.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        proto::OBJECTS.iter().filter(|object| object.has_custom).map(Self)
    }

    pub(crate) fn as_str(self) -> &'static str {
        self.0.name
    }

    /// What a lookup of its records may point to: objects that its service keeps, or whose service it asks.
    pub(crate) fn targets(self) -> impl Iterator<Item = Self> {
        let own = self.service();
        let asks = own.map_or(&[][..], |own| own.calls);
        Self::all().filter(move |target| {
            let keeper = target.service();
            keeper.is_some_and(|keeper| {
                own.is_some_and(|own| own.role == keeper.role) || asks.contains(&keeper.role)
            })
        })
    }

    /// Whether a field can get its slot when records have values, or what another field has left there: the service that keeps the
    /// records has an operation that fills it.
    pub(crate) fn fills_slots(self) -> bool {
        self.service().is_some_and(|keeper| keeper.fills_indexes)
    }

    /// The service that keeps its records.
    fn service(self) -> Option<&'static Member> {
        let package = self.0.package;
        FLEET.iter().find(|member| {
            member.service.is_some_and(|name| name.rsplit_once('.').is_some_and(|(p, _)| p == package))
        })
    }

    /// The object that a path names. Errors: 404 `OBJECT_NOT_FOUND`.
    pub(crate) fn in_path(name: &str) -> error::Result<Self> {
        name.parse().map_err(|UnknownName| error::Error::not_found(Reason::OBJECT_NOT_FOUND))
    }

    /// The names of the object's standard fields: no custom field may be mistaken for one of them.
    pub(crate) fn standard_fields(self) -> &'static [&'static str] {
        self.0.fields
    }
}

impl FromStr for Object {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::all().find(|object| object.as_str() == name).ok_or(UnknownName)
    }
}

/// Where a field stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Active,
    Deprecated,
    Archived,
}

/// A step in the life of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Deprecate,
    Archive,
    Restore,
}

impl State {
    pub(crate) const ALL: [Self; 3] = [Self::Active, Self::Deprecated, Self::Archived];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Deprecated => "deprecated",
            Self::Archived => "archived",
        }
    }

    /// The state after a step. Errors: 409 `FIELD_STATE_INVALID`.
    pub(crate) fn after(self, step: Step) -> error::Result<Self> {
        match (self, step) {
            (Self::Active, Step::Deprecate) => Ok(Self::Deprecated),
            (Self::Active | Self::Deprecated, Step::Archive) => Ok(Self::Archived),
            (Self::Deprecated | Self::Archived, Step::Restore) => Ok(Self::Active),
            (state, step) => Err(state.refuses(step.verb())),
        }
    }

    /// An archived field is not changed before it is restored. Errors: 409 `FIELD_STATE_INVALID`.
    pub(crate) fn check_changeable(self) -> error::Result<()> {
        match self {
            Self::Active | Self::Deprecated => Ok(()),
            Self::Archived => Err(self.refuses("changed")),
        }
    }

    fn refuses(self, verb: &str) -> error::Error {
        let state = self.as_str();
        let article = if self == Self::Deprecated { "a" } else { "an" };
        let text = format!("{article} {state} field cannot be {verb}");
        error::Error::new(Code::FailedPrecondition, Reason::FIELD_STATE_INVALID, text)
            .with_metadata("state", state)
    }
}

impl FromStr for State {
    type Err = UnknownName;

    fn from_str(name: &str) -> Result<Self, UnknownName> {
        Self::ALL.into_iter().find(|state| state.as_str() == name).ok_or(UnknownName)
    }
}

impl Step {
    /// The participle in event types (`fields.field.archived.v1`) and texts.
    pub(crate) fn verb(self) -> &'static str {
        match self {
            Self::Deprecate => "deprecated",
            Self::Archive => "archived",
            Self::Restore => "restored",
        }
    }
}

/// The definition of a custom field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Definition {
    pub(crate) id: FieldId,
    pub(crate) object: Object,
    pub(crate) key: String,
    pub(crate) label: String,
    pub(crate) field_type: FieldType,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pub(crate) options: Vec<FieldOption>,
    /// Canonical.
    pub(crate) default: Option<Value>,
    pub(crate) description: Option<String>,
    pub(crate) state: State,
    pub(crate) lookup_object: Option<Object>,
    /// Set for an indexed field, and kept while it is archived, until another field needs it.
    pub(crate) slot: Option<SlotColumn>,
    /// The slot is written and not read yet.
    pub(crate) filling: bool,
    /// Number of the assignment of the slot: the version of the object's definitions at which it was made.
    pub(crate) slot_assignment: i64,
    /// Number within the object, from 0, never reused.
    pub(crate) ordinal: i32,
    pub(crate) version: i64,
    pub(crate) created_at: OffsetDateTime,
    pub(crate) created_by: Uuid,
    pub(crate) updated_at: OffsetDateTime,
    pub(crate) updated_by: Uuid,
}

impl Definition {
    /// The name in field rules of roles.
    pub(crate) fn rule_name(&self) -> String {
        format!("custom.{}", self.key)
    }

    /// Whether filters and orders use its slot.
    pub(crate) fn is_indexed(&self) -> bool {
        self.slot.is_some() && !self.filling
    }

    /// What events tell, by name, in the order of the contract. The first two name the field and are in every event.
    pub(crate) fn facts(&self) -> [(&'static str, Value); 13] {
        [
            ("object", json!(self.object.as_str())),
            ("key", json!(self.key)),
            ("label", json!(self.label)),
            ("type", json!(self.field_type.as_str())),
            ("required", json!(self.required)),
            ("unique", json!(self.unique)),
            ("indexed", json!(self.is_indexed())),
            ("options", json!(self.options)),
            ("default", json!(self.default)),
            ("description", json!(self.description)),
            ("state", json!(self.state.as_str())),
            ("lookup_object", json!(self.lookup_object.map(Object::as_str))),
            ("filling", json!(self.filling)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_steps_of_the_life_cycle_are_possible() {
        let mut possible = Vec::new();
        for state in State::ALL {
            for step in [Step::Deprecate, Step::Archive, Step::Restore] {
                match state.after(step) {
                    Ok(next) => possible.push((state, step, next)),
                    Err(refused) => {
                        assert_eq!((refused.reason(), refused.code().http("")), ("FIELD_STATE_INVALID", 409));
                    }
                }
            }
        }
        assert_eq!(
            possible,
            [
                (State::Active, Step::Deprecate, State::Deprecated),
                (State::Active, Step::Archive, State::Archived),
                (State::Deprecated, Step::Archive, State::Archived),
                (State::Deprecated, Step::Restore, State::Active),
                (State::Archived, Step::Restore, State::Active),
            ]
        );
    }

    #[test]
    fn an_archived_field_is_not_changed() {
        assert!(State::Active.check_changeable().is_ok() && State::Deprecated.check_changeable().is_ok());
        let refused = State::Archived.check_changeable().unwrap_err();
        assert_eq!(refused.message(), "an archived field cannot be changed");
    }

    #[test]
    fn an_unknown_object_is_not_found() {
        assert_eq!(Object::in_path("company").unwrap().as_str(), "company");
        for name in ["", "ticket", "user", "Contact", "contacts", "*"] {
            assert_eq!(Object::in_path(name).unwrap_err().reason(), "OBJECT_NOT_FOUND", "{name}");
        }
    }
}
