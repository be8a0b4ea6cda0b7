//! The definitions of custom fields as this service holds them: a projection by version, refreshed before it refuses.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use auth::{Context, FieldMask, Future};
use cache::{Fresh, Held, Terms};
use error::{Code, Error, Reason};
use field_types::{FieldOption, FieldType, SlotColumn};
use prost::Message;
use proto::fields::v1 as pb;
use query::CustomField;
use serde_json::Value;
use uuid::Uuid;

use super::Object;

/// After this long the version is asked for again, should an invalidation have been lost.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);
/// Sets held at once.
const MAX_SETS: usize = 10_000;
/// A channel ends its calls after two seconds; whatever else of a fetch hangs ends here.
const FETCH_DEADLINE: Duration = Duration::from_secs(3);
/// A fetch that was too late before this ran out of its own caller's time.
const LATE_FOR_ALL: Duration = Duration::from_secs(1);

/// Asks the fields service for the definitions of an object: the caller, the object, the version held (0: none).
pub type Fetch =
    Arc<dyn Fn(Context, &'static str, i64) -> Future<Result<pb::GetFieldSetResponse, Error>> + Send + Sync>;

/// One definition.
#[derive(Clone, Debug)]
pub struct Definition {
    pub id: Uuid,
    pub key: String,
    pub field_type: FieldType,
    pub required: bool,
    pub unique: bool,
    pub options: Vec<FieldOption>,
    pub default: Option<Value>,
    pub state: pb::FieldState,
    pub slot: Option<SlotColumn>,
    /// The slot is written and not read yet.
    pub filling: bool,
    /// Number of the assignment of the slot.
    pub slot_assignment: i64,
    pub lookup_object: String,
}

impl Definition {
    /// Whether values are read and written.
    pub fn is_usable(&self) -> bool {
        matches!(self.state, pb::FieldState::Active | pb::FieldState::Deprecated)
    }
}

/// The definitions of one object.
#[derive(Debug, Default)]
pub struct FieldSet {
    version: i64,
    /// As it came: what a later reader of the fence reads.
    wire: Vec<u8>,
    definitions: Vec<Definition>,
    by_key: HashMap<String, usize>,
    queryable: Vec<CustomField>,
}

impl FieldSet {
    /// Reads the wire form. A definition that this version of the service does not understand is left out.
    pub fn from_wire(wire: pb::GetFieldSetResponse) -> Self {
        let bytes = wire.encode_to_vec();
        let definitions: Vec<Definition> = wire.fields.into_iter().filter_map(definition).collect();
        let by_key = definitions.iter().enumerate().map(|(index, d)| (d.key.clone(), index)).collect();
        let queryable = definitions.iter().filter(|d| d.is_usable());
        let queryable = queryable
            .map(|d| CustomField {
                key: d.key.clone(),
                field_type: d.field_type,
                slot: d.slot.filter(|_| !d.filling),
                options: d.options.iter().map(|option| option.key.clone()).collect(),
            })
            .collect();
        Self { version: wire.version, wire: bytes, definitions, by_key, queryable }
    }

    /// Reads the bytes of [`FieldSet::wire`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        pb::GetFieldSetResponse::decode(bytes).map(Self::from_wire).map_err(Error::internal)
    }

    /// The version of the definitions.
    pub fn version(&self) -> i64 {
        self.version
    }

    /// The set as bytes.
    pub fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Whether there is a field of this key, archived or not.
    pub fn knows(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The field of this key, if values are read and written.
    pub fn usable(&self, key: &str) -> Option<&Definition> {
        self.by_key.get(key).and_then(|index| self.definitions.get(*index)).filter(|d| d.is_usable())
    }

    /// Every definition, archived ones included.
    pub fn all(&self) -> &[Definition] {
        &self.definitions
    }

    /// The unique fields.
    pub fn uniques(&self) -> Vec<Uuid> {
        self.definitions.iter().filter(|d| d.unique).map(|d| d.id).collect()
    }

    /// What filters and orders may use.
    pub fn queryable(&self) -> &[CustomField] {
        &self.queryable
    }

    /// The caller's rules for the object with archived fields hidden, as they do not exist for anybody.
    pub fn mask(&self, object: &Object, given: &FieldMask) -> FieldMask {
        let archived =
            self.definitions.iter().filter(|d| !d.is_usable()).map(|d| format!("custom.{}", d.key));
        object.mask(given).hiding(archived)
    }
}

fn definition(wire: pb::FieldProjection) -> Option<Definition> {
    let name = pb::FieldType::try_from(wire.r#type).ok()?.as_str_name();
    let default = serde_json::from_slice(&wire.default).ok().filter(|value: &Value| !value.is_null());
    Some(Definition {
        id: Uuid::try_parse(&wire.id).ok()?,
        field_type: name.strip_prefix("FIELD_TYPE_")?.to_ascii_lowercase().parse().ok()?,
        required: wire.required,
        unique: wire.unique,
        options: wire
            .options
            .into_iter()
            .map(|o| FieldOption { key: o.key, label: o.label, retired: o.retired })
            .collect(),
        default,
        state: pb::FieldState::try_from(wire.state).unwrap_or_default(),
        slot: if wire.filling_slot.is_empty() { &wire.slot } else { &wire.filling_slot }.parse().ok(),
        filling: wire.filling,
        slot_assignment: wire.slot_assignment,
        lookup_object: wire.lookup_object,
        key: wire.key,
    })
}

/// The projections of all tenants. Cheap to clone.
#[derive(Clone)]
pub struct Definitions(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    sets: Held<(Uuid, &'static str), Arc<FieldSet>, Error>,
}

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}

impl Definitions {
    pub fn new(fetch: Fetch) -> Self {
        let terms = Terms {
            limit: MAX_SETS,
            deadline: FETCH_DEADLINE,
            late: || {
                Error::new(Code::DeadlineExceeded, Reason::DEADLINE_EXCEEDED, "the service did not answer")
            },
            again: for_others,
            // What is held was true a moment ago and decides no permission: better than no answer at all.
            stale_if_error: Some(CONFIRM_AFTER),
        };
        Self(Arc::new(Inner { fetch, sets: Held::new(terms) }))
    }

    /// The definitions of an object, refreshed once when the caller names a key that they do not have. A hidden key
    /// refreshes too: what it costs must not tell it from an unknown one.
    pub async fn for_keys<'k>(
        &self,
        cx: &Context,
        object: &Object,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<Arc<FieldSet>, Error> {
        let set = self.load(cx, object.name, Fresh::Held).await?;
        let mask = cx.mask(object.name);
        let known = |key: &str| set.usable(key).is_some() && !mask.hides_custom(key);
        if keys.into_iter().all(known) { Ok(set) } else { self.load(cx, object.name, Fresh::Anew).await }
    }

    /// The definitions of an object of another service.
    pub async fn of_peer(&self, cx: &Context, object: &'static str) -> Result<Arc<FieldSet>, Error> {
        self.load(cx, object, Fresh::Held).await
    }

    /// The definitions of an object as the fields service has them now.
    pub async fn renew(&self, cx: &Context, object: &Object) -> Result<Arc<FieldSet>, Error> {
        self.load(cx, object.name, Fresh::Anew).await
    }

    /// Drops what is held of a tenant.
    pub fn forget(&self, tenant: Uuid) {
        self.0.sets.forget_where(|(of, _)| *of == tenant);
    }

    /// Drops everything that is held.
    pub(crate) fn forget_all(&self) {
        self.0.sets.clear();
    }

    async fn load(&self, cx: &Context, object: &'static str, fresh: Fresh) -> Result<Arc<FieldSet>, Error> {
        let fetch = async |held: Option<Arc<FieldSet>>| {
            let version = held.as_ref().map_or(0, |set| set.version);
            let answer = (self.0.fetch)(cx.clone(), object, version).await.inspect_err(|error| {
                if held.is_some() && fresh == Fresh::Held {
                    tracing::warn!(object, error = %error::chain(&error), "definitions could not be confirmed; the held ones are used");
                }
            })?;
            let set = match held {
                Some(set) if set.version == answer.version => set,
                _ => Arc::new(FieldSet::from_wire(answer)),
            };
            Ok((set, CONFIRM_AFTER))
        };
        self.0.sets.get((cx.tenant.id().uuid(), object), fresh, fetch).await
    }
}

/// The failure of a fetch for others of the tenant who waited for it: what concerns the token or the time of its own caller is
/// none of theirs.
fn for_others(error: &Error, took: Duration) -> Option<Error> {
    let is_own = match error.code() {
        Code::Unauthenticated | Code::PermissionDenied | Code::Cancelled => true,
        Code::DeadlineExceeded => took < LATE_FOR_ALL,
        _ => false,
    };
    (!is_own).then(|| error.again())
}

/// The definitions by which a list that was refused may be read: its filter may name an option that is newer than those held. Errors: the refusal,
/// where it is for something else, or there are no newer ones.
pub(crate) async fn newer(
    env: &crate::Env,
    cx: &Context,
    object: &'static Object,
    (keys, held): (&[&str], &FieldSet),
    refused: Error,
) -> Result<Arc<FieldSet>, Error> {
    if keys.is_empty() || refused.reason() != Reason::FILTER_TYPE_MISMATCH.as_str() {
        return Err(refused);
    }
    let newer = env.definitions.renew(cx, object).await?;
    if newer.version() == held.version() { Err(refused) } else { Ok(newer) }
}

/// The keys of custom fields that texts like filters name.
pub fn keys_in<'t>(texts: &[&'t str]) -> Vec<&'t str> {
    let mut keys = Vec::new();
    for text in texts {
        for (at, prefix) in text.match_indices("custom.") {
            let rest = &text[at + prefix.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
            keys.push(&rest[..end]);
        }
    }
    keys
}

#[cfg(test)]
mod tests;
