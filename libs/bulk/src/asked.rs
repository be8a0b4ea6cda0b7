//! What is asked for, read as a call about one record would be.

use bytes::{Bytes, BytesMut};
use error::{Error, Reason, Violation};
use input::Violations;
use record::definitions::FieldSet;
use record::many::{self, Known};
use record::{Env, Fields, Object, Sent};
use serde_json::Value;
use transcode::{RequestError, Route};

use auth::{Access, Context, FieldMask};

use crate::Bulk;

/// An object whose records can be changed in bulk.
pub struct Target {
    /// The object.
    pub object: &'static Object,
    /// Reads the request of the RPC that changes one record, in wire form.
    pub open: Open,
    /// Whether its records are moved along: the action `move`.
    pub moves: bool,
}

/// Reads the wire form of an `Update…Request` as what it changes.
pub type Open = fn(&Env, Bytes, &FieldSet, &FieldMask) -> Result<Sent, Error>;

impl std::fmt::Debug for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Target").field("object", &self.object.name).finish_non_exhaustive()
    }
}

impl Target {
    /// The name in paths, such as `deals`.
    pub(crate) fn plural(&self) -> &'static str {
        self.object.table.rsplit('.').next().unwrap_or(self.object.name)
    }
}

/// Bytes of `changes`: they are kept and shown with the operation.
const MAX_CHANGES: usize = 64 << 10;

/// What is done with each record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Update,
    Delete,
    Restore,
    Transfer,
    Tag,
    Move,
}

impl Action {
    const ALL: [(&'static str, Self); 6] = [
        ("update", Self::Update),
        ("delete", Self::Delete),
        ("restore", Self::Restore),
        ("transfer", Self::Transfer),
        ("tag", Self::Tag),
        ("move", Self::Move),
    ];

    fn named(name: &str, target: &Target) -> Option<Self> {
        let found = Self::ALL.into_iter().find(|(known, _)| *known == name).map(|(_, action)| action);
        found.filter(|action| target.moves || *action != Self::Move)
    }

    /// The members that `changes` may have; `None`: those of the record.
    fn members(self) -> Option<&'static [&'static str]> {
        match self {
            Self::Update => None,
            Self::Delete | Self::Restore => Some(&[]),
            Self::Transfer => Some(&["owner_id", "team_id"]),
            Self::Tag => Some(&["add", "remove"]),
            Self::Move => Some(&["stage_id", "reason"]),
        }
    }

    /// The permission on each record.
    pub(crate) fn permission(self) -> &'static str {
        match self {
            Self::Delete | Self::Restore => "delete",
            _ => "update",
        }
    }
}

/// What is to be done, as far as the request alone says it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) target: &'static Target,
    pub(crate) action: Action,
    /// `changes`, an object.
    changes: Fields,
}

/// What is to be done, by the definitions and permissions of a moment.
#[derive(Debug)]
pub(crate) enum Change {
    Update(Box<(Sent, Known)>),
    Tag {
        add: Vec<String>,
        remove: Vec<String>,
    },
    Delete,
    Restore,
    /// With the names of the fields that were written.
    Revert(Vec<String>),
}

impl Change {
    pub(crate) fn of_each(&self) -> many::Change<'_> {
        match self {
            Self::Update(update) => many::Change::Update(&update.0, &update.1),
            Self::Tag { add, remove } => many::Change::Tag { add, remove },
            Self::Delete => many::Change::Delete,
            Self::Restore => many::Change::Restore,
            Self::Revert(written) => many::Change::Revert(written),
        }
    }
}

impl Asked {
    /// Reads what a request names. Errors: 422 at `/object`, `/action`, `/changes`.
    pub(crate) fn read(
        targets: &'static [Target],
        (object, action, changes): (&str, &str, &[u8]),
    ) -> Result<Self, Error> {
        let named = targets.iter().find(|target| [target.object.name, target.plural()].contains(&object));
        let target = named.ok_or_else(|| {
            // Over REST all services are one.
            let records = proto::OBJECTS.iter().filter(|object| object.has_custom);
            unknown("/object", &records.map(|object| object.name).collect::<Vec<_>>())
        })?;
        let action = Action::named(action, target).ok_or_else(|| {
            let known = Action::ALL.iter().map(|(name, _)| *name);
            unknown(
                "/action",
                &known.filter(|name| Action::named(name, target).is_some()).collect::<Vec<_>>(),
            )
        })?;
        let changes: Fields = match changes {
            [] => Fields::new(),
            long if long.len() > MAX_CHANGES => {
                return Err(refuse("/changes", Reason::TOO_LONG, "at most 64 KiB"));
            }
            json => serde_json::from_slice(json)
                .map_err(|_| refuse("/changes", Reason::TYPE_MISMATCH, "an object is expected"))?,
        };
        let asked = Self { target, action, changes };
        asked.check_members()?;
        Ok(asked)
    }

    fn check_members(&self) -> Result<(), Error> {
        let mut violations = Violations::default();
        if self.changes.contains_key("etag") {
            violations.note("/changes/etag", Reason::UNKNOWN_FIELD, "many records have no version in common");
        }
        if let Some(members) = self.action.members() {
            for name in self.changes.keys().filter(|name| !members.contains(&name.as_str())) {
                violations.unknown(format!("/changes{}", input::pointer(name)));
            }
        }
        match self.action {
            Action::Move if self.changes.get("stage_id").is_none_or(Value::is_null) => {
                violations.note(
                    "/changes/stage_id",
                    Reason::REQUIRED,
                    "a move names the stage that it goes to",
                );
            }
            Action::Update | Action::Transfer | Action::Tag if self.changes.is_empty() => {
                violations.note("/changes", Reason::REQUIRED, "name at least one field to change");
            }
            _ => {}
        }
        violations.into_result()
    }

    /// The fields that it writes: `custom.<key>` for custom ones.
    pub(crate) fn written(&self) -> Vec<String> {
        if self.action == Action::Tag {
            return vec!["tags".to_owned()];
        }
        let standard = self.changes.keys().filter(|name| *name != "custom").cloned();
        standard.chain(self.custom_keys().into_iter().map(|key| format!("custom.{key}"))).collect()
    }

    /// The keys of custom fields that it names.
    pub(crate) fn custom_keys(&self) -> Vec<&str> {
        let custom = self.changes.get("custom").and_then(Value::as_object);
        custom.into_iter().flat_map(|custom| custom.keys().map(String::as_str)).collect()
    }

    /// What is to be done with each record. Errors: 422 with pointers below `/changes`; 403 `FIELD_READ_ONLY` where the caller could
    /// change no record.
    pub(crate) async fn change(
        &self,
        bulk: &Bulk,
        cx: &Context,
        (set, mask): (&FieldSet, &FieldMask),
    ) -> Result<Change, Error> {
        match self.action {
            Action::Delete => Ok(Change::Delete),
            Action::Restore => Ok(Change::Restore),
            Action::Tag => self.tags(mask),
            Action::Update | Action::Transfer | Action::Move => {
                let sent = self.sent(bulk, set, mask).map_err(|error| self.placed(error))?;
                let known = many::look_up(&bulk.env, cx, self.target.object, (set, mask), &sent).await?;
                let refusals: Vec<Violation> = known.refusals().cloned().collect();
                if !refusals.is_empty() {
                    return Err(self.placed(Error::validation(refusals)));
                }
                Ok(Change::Update(Box::new((sent, known))))
            }
        }
    }

    /// A refusal with the places of `changes`.
    fn placed(&self, error: Error) -> Error {
        if error.violations().is_empty() {
            return error;
        }
        let place = |violation: &Violation| {
            let mut placed = violation.clone();
            placed.pointer = match violation.pointer.as_str() {
                "/stage_reason" if self.action == Action::Move => "/changes/reason".to_owned(),
                at => format!("/changes{at}"),
            };
            placed
        };
        Error::validation(error.violations().iter().map(place).collect())
    }

    fn sent(&self, bulk: &Bulk, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
        let wire = self.wire()?;
        let sent = (self.target.open)(&bulk.env, wire, set, mask)?;
        let mut violations = sent.violations.clone();
        if violations.is_empty() && sent.is_empty() {
            violations.note("", Reason::REQUIRED, "none of these fields can be changed");
        }
        many::check_for_many(&bulk.env, self.target.object, (set, mask), &sent, &mut violations);
        violations.into_result()?;
        if !sent.read_only.is_empty() {
            let names: Vec<&str> = sent.read_only.iter().map(String::as_str).collect();
            return Err(record::read_only(&names));
        }
        Ok(sent)
    }

    /// The request that would change one record so.
    fn wire(&self) -> Result<Bytes, Error> {
        let mut body = self.changes.clone();
        if let Some(reason) = body.remove("reason").filter(|_| self.action == Action::Move) {
            body.insert("stage_reason".to_owned(), reason);
        }
        let path = format!("/api/v1/{}/{}", self.target.plural(), uuid::Uuid::nil());
        let Route::Found { method, params } = crate::api()?.route("PATCH", &path) else {
            return Err(Error::internal(format!("no call changes {}", self.target.plural())));
        };
        let body = Value::Object(body).to_string();
        let mut wire = BytesMut::new();
        crate::api()?
            .encode_request(method, &params, "", Some(body.as_bytes()), &mut wire)
            .map_err(refused)?;
        Ok(wire.freeze())
    }

    fn tags(&self, mask: &FieldMask) -> Result<Change, Error> {
        match mask.access("tags") {
            Access::Edit => {}
            Access::Read => return Err(record::read_only(&["tags"])),
            Access::None => return Err(refuse("/action", Reason::UNKNOWN_FIELD, "no such field")),
        }
        let mut violations = Violations::default();
        let [add, remove] = ["add", "remove"].map(|name| self.tag_list(name, &mut violations));
        violations.into_result()?;
        Ok(Change::Tag { add, remove })
    }

    fn tag_list(&self, name: &str, violations: &mut Violations) -> Vec<String> {
        let Some(value) = self.changes.get(name) else { return Vec::new() };
        let texts = value.as_array().and_then(|tags| {
            tags.iter().map(|tag| tag.as_str().map(str::to_owned)).collect::<Option<Vec<String>>>()
        });
        let Some(texts) = texts else {
            violations.note(format!("/changes/{name}"), Reason::TYPE_MISMATCH, "a list of texts is expected");
            return Vec::new();
        };
        if texts.len() > many::MAX_TAGS {
            let text = format!("at most {} tags", many::MAX_TAGS);
            violations.note(format!("/changes/{name}"), Reason::TOO_MANY_ITEMS, text);
        }
        let mut read = input::Input::default();
        read.tags(&texts);
        for violation in &read.violations {
            let mut placed = violation.clone();
            placed.pointer = placed.pointer.replacen("/tags", &format!("/changes/{name}"), 1);
            violations.push(placed);
        }
        let tags = read.fields.get("tags").and_then(Value::as_array);
        tags.into_iter().flatten().filter_map(|tag| tag.as_str().map(str::to_owned)).collect()
    }
}

fn refuse(pointer: &str, reason: Reason, text: &'static str) -> Error {
    Error::validation(vec![Violation::new(pointer, reason, text)])
}

fn unknown(pointer: &str, known: &[&str]) -> Error {
    let text = format!("one of {} is expected", known.join(", "));
    Error::validation(vec![Violation::new(pointer, Reason::ENUM_VALUE_UNKNOWN, text)])
}

/// What the contract of the call about one record refuses.
fn refused(error: RequestError) -> Error {
    let violations = match error {
        RequestError::Invalid(violations) | RequestError::Query(violations) => violations
            .into_iter()
            .map(|violation| Violation::new(violation.place, violation.reason, violation.detail))
            .collect(),
        RequestError::Json(error) => vec![Violation::new("", Reason::TYPE_MISMATCH, error.to_string())],
        RequestError::Body(error) => vec![Violation::new("", Reason::TYPE_MISMATCH, error.to_string())],
    };
    Error::validation(violations)
}
