//! Which fields of an object a principal may see and change.

use std::collections::{HashMap, HashSet};

/// How far a principal reaches into a field. The order is that of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Access {
    /// The field does not exist for the principal.
    None,
    /// Seen, not changed.
    Read,
    /// Seen and changed.
    Edit,
}

/// The field rules of one object. A field without a rule can be edited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldMask {
    rules: HashMap<String, Access>,
    /// Custom fields without access, by key.
    hidden_custom: HashSet<String>,
}

impl FieldMask {
    /// From field names (`custom.<key>` for custom fields) with their access.
    pub fn new(rules: impl IntoIterator<Item = (String, Access)>) -> Self {
        let rules: HashMap<String, Access> = rules.into_iter().collect();
        let hidden = rules.iter().filter(|(_, access)| **access == Access::None);
        let hidden_custom =
            hidden.filter_map(|(field, _)| field.strip_prefix("custom.").map(str::to_owned)).collect();
        Self { rules, hidden_custom }
    }

    /// The access to a field.
    pub fn access(&self, field: &str) -> Access {
        self.rules.get(field).copied().unwrap_or(Access::Edit)
    }

    /// Whether the field does not exist for the principal.
    pub fn hides(&self, field: &str) -> bool {
        self.access(field) == Access::None
    }

    /// As [`FieldMask::hides`] for a custom field's key: asked for every value of a page.
    pub fn hides_custom(&self, key: &str) -> bool {
        self.hidden_custom.contains(key)
    }

    /// The keys of custom fields that do not exist for the principal, sorted.
    pub fn hidden_custom_keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.hidden_custom.iter().cloned().collect();
        keys.sort();
        keys
    }

    /// The same rules with more hidden fields.
    #[must_use]
    pub fn hiding(&self, names: impl IntoIterator<Item = String>) -> Self {
        let rules = self.rules.iter().map(|(name, access)| (name.clone(), *access));
        Self::new(rules.chain(names.into_iter().map(|name| (name, Access::None))))
    }

    /// The names with exactly this access, sorted.
    pub fn names(&self, access: Access) -> Vec<String> {
        let mut names: Vec<String> =
            self.rules.iter().filter(|(_, a)| **a == access).map(|(name, _)| name.clone()).collect();
        names.sort();
        names
    }
}
