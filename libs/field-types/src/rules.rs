use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::phone::Region;

/// A choice of a picklist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldOption {
    /// Immutable; what records store.
    pub key: String,
    /// What people read; may change.
    pub label: String,
    /// Kept by records that hold it, refused for new values.
    #[serde(default)]
    pub retired: bool,
}

/// What a definition and its surroundings demand of a value.
#[derive(Debug, Clone, Copy, Default)]
pub struct FieldRules<'a> {
    /// Whether an unset value is a violation.
    pub required: bool,
    /// The choices of a picklist or multi-picklist.
    pub options: &'a [FieldOption],
    /// Where a phone number without country code belongs; without it such a number is refused.
    pub region: Option<Region>,
    /// The canonical value stored now: a retired option is accepted if it stands here.
    pub current: Option<&'a Value>,
}

impl FieldRules<'_> {
    pub(crate) fn holds_now(&self, key: &str) -> bool {
        match self.current {
            Some(Value::String(held)) => held == key,
            Some(Value::Array(held)) => held.iter().any(|item| item.as_str() == Some(key)),
            _ => false,
        }
    }
}
