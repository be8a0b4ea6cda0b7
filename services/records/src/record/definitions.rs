//! The definitions of custom fields as this service holds them: a projection by version, refreshed before it refuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth::{Context, FieldMask, Future};
use error::Error;
use field_types::{FieldOption, FieldType, SlotColumn};
use prost::Message;
use proto::fields::v1 as pb;
use query::CustomField;
use serde_json::Value;
use tokio::time::Instant;
use uuid::Uuid;

use super::Object;
use super::object::with_hidden;

/// After this long the version is asked for again, should an invalidation have been lost.
const CONFIRM_AFTER: Duration = Duration::from_secs(30);
/// Sets held at once.
const MAX_SETS: usize = 10_000;

/// Asks the fields service for the definitions of an object: the caller, the object, the version held (0: none).
pub type Fetch =
    Arc<dyn Fn(Context, &'static str, i64) -> Future<Result<pb::GetFieldSetResponse, Error>> + Send + Sync>;

/// One definition.
#[derive(Clone, Debug)]
pub(crate) struct Definition {
    pub(crate) id: Uuid,
    pub(crate) key: String,
    pub(crate) field_type: FieldType,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pub(crate) options: Vec<FieldOption>,
    pub(crate) default: Option<Value>,
    pub(crate) state: pb::FieldState,
    pub(crate) slot: Option<SlotColumn>,
    pub(crate) lookup_object: String,
}

impl Definition {
    /// Whether values are read and written.
    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.state, pb::FieldState::Active | pb::FieldState::Deprecated)
    }
}

/// The definitions of one object.
#[derive(Debug, Default)]
pub(crate) struct FieldSet {
    version: i64,
    /// As it came: what a later reader of the fence reads.
    wire: Vec<u8>,
    definitions: Vec<Definition>,
    by_key: HashMap<String, usize>,
    queryable: Vec<CustomField>,
}

impl FieldSet {
    /// Reads the wire form. A definition that this version of the service does not understand is left out.
    pub(crate) fn from_wire(wire: pb::GetFieldSetResponse) -> Self {
        let bytes = wire.encode_to_vec();
        let definitions: Vec<Definition> = wire.fields.into_iter().filter_map(definition).collect();
        let by_key = definitions.iter().enumerate().map(|(index, d)| (d.key.clone(), index)).collect();
        let queryable = definitions.iter().filter(|d| d.is_usable());
        let queryable = queryable
            .map(|d| CustomField { key: d.key.clone(), field_type: d.field_type, slot: d.slot })
            .collect();
        Self { version: wire.version, wire: bytes, definitions, by_key, queryable }
    }

    /// Reads the bytes of [`FieldSet::wire`].
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, Error> {
        pb::GetFieldSetResponse::decode(bytes).map(Self::from_wire).map_err(Error::internal)
    }

    /// The version of the definitions.
    pub(crate) fn version(&self) -> i64 {
        self.version
    }

    /// The set as bytes.
    pub(crate) fn wire(&self) -> &[u8] {
        &self.wire
    }

    /// Whether there is a field of this key, archived or not.
    pub(crate) fn knows(&self, key: &str) -> bool {
        self.by_key.contains_key(key)
    }

    /// The field of this key, if values are read and written.
    pub(crate) fn usable(&self, key: &str) -> Option<&Definition> {
        self.by_key.get(key).and_then(|index| self.definitions.get(*index)).filter(|d| d.is_usable())
    }

    /// Every definition, archived ones included.
    pub(crate) fn all(&self) -> &[Definition] {
        &self.definitions
    }

    /// The unique fields.
    pub(crate) fn uniques(&self) -> Vec<Uuid> {
        self.definitions.iter().filter(|d| d.unique).map(|d| d.id).collect()
    }

    /// What filters and orders may use.
    pub(crate) fn queryable(&self) -> &[CustomField] {
        &self.queryable
    }

    /// The caller's rules for the object with archived fields hidden, as they do not exist for anybody.
    pub(crate) fn mask(&self, object: &Object, given: &FieldMask) -> FieldMask {
        let archived =
            self.definitions.iter().filter(|d| !d.is_usable()).map(|d| format!("custom.{}", d.key));
        with_hidden(&object.mask(given), archived)
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
        slot: wire.slot.parse().ok(),
        lookup_object: wire.lookup_object,
        key: wire.key,
    })
}

/// The projections of all tenants. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Definitions(Arc<Inner>);

struct Inner {
    fetch: Fetch,
    sets: Mutex<HashMap<(Uuid, &'static str), Slot>>,
}

/// The lock lets one fetch serve all who wait.
type Slot = Arc<tokio::sync::Mutex<Option<(Arc<FieldSet>, Instant)>>>;

impl std::fmt::Debug for Definitions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Definitions").finish_non_exhaustive()
    }
}

impl Definitions {
    pub(crate) fn new(fetch: Fetch) -> Self {
        Self(Arc::new(Inner { fetch, sets: Mutex::default() }))
    }

    /// The definitions of an object, refreshed once when the caller names a key that they do not have. A hidden key
    /// refreshes too: what it costs must not tell it from an unknown one.
    pub(crate) async fn for_keys<'k>(
        &self,
        cx: &Context,
        object: &Object,
        keys: impl IntoIterator<Item = &'k str>,
    ) -> Result<Arc<FieldSet>, Error> {
        let set = self.load(cx, object.name, false).await?;
        let mask = cx.mask(object.name);
        let known = |key: &str| set.usable(key).is_some() && !mask.hides_custom(key);
        if keys.into_iter().all(known) { Ok(set) } else { self.load(cx, object.name, true).await }
    }

    /// The definitions of an object as the fields service has them now.
    pub(crate) async fn renew(&self, cx: &Context, object: &Object) -> Result<Arc<FieldSet>, Error> {
        self.load(cx, object.name, true).await
    }

    /// Drops what is held of a tenant.
    pub(crate) fn forget(&self, tenant: Uuid) {
        let mut sets = self.0.sets.lock().unwrap_or_else(PoisonError::into_inner);
        sets.retain(|(held, _), _| *held != tenant);
    }

    /// Drops everything that is held.
    pub(crate) fn forget_all(&self) {
        self.0.sets.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    async fn load(&self, cx: &Context, object: &'static str, refresh: bool) -> Result<Arc<FieldSet>, Error> {
        let slot = self.slot((cx.tenant.id().uuid(), object));
        let arrived = Instant::now();
        let mut held = slot.lock().await;
        let asked_at = Instant::now();
        // What was asked for while this caller waited is as fresh as an answer of its own.
        let is_fresh = |at: &Instant| if refresh { *at >= arrived } else { at.elapsed() < CONFIRM_AFTER };
        if let Some((set, at)) = held.as_ref()
            && is_fresh(at)
        {
            return Ok(set.clone());
        }
        let version = held.as_ref().map_or(0, |(set, _)| set.version);
        let set = match ((self.0.fetch)(cx.clone(), object, version).await, held.as_ref()) {
            (Ok(answer), Some((set, _))) if set.version == answer.version => set.clone(),
            (Ok(answer), _) => Arc::new(FieldSet::from_wire(answer)),
            // What is held was true a moment ago and decides no permission: better than no answer at all.
            (Err(error), Some((set, _))) if !refresh => {
                tracing::warn!(object, %error, "definitions could not be confirmed; the held ones are used");
                set.clone()
            }
            (Err(error), _) => return Err(error),
        };
        *held = Some((set.clone(), asked_at));
        Ok(set)
    }

    fn slot(&self, key: (Uuid, &'static str)) -> Slot {
        let mut sets = self.0.sets.lock().unwrap_or_else(PoisonError::into_inner);
        if sets.len() >= MAX_SETS && !sets.contains_key(&key) {
            sets.clear();
        }
        sets.entry(key).or_default().clone()
    }
}

/// The keys of custom fields that texts like filters name.
pub(crate) fn keys_in<'t>(texts: &[&'t str]) -> Vec<&'t str> {
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
