//! The selection of `fields=id,first_name,custom.tier`.

use crate::schema::{Kind, MessagePlan, Shape};

/// More keys of one JSON object are not told apart.
const MAX_KEYS: usize = 128;

/// Which members of a resource are printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldSelection {
    /// By place of the field.
    keep: Vec<bool>,
    /// Single members of a JSON object: the field's place and the keys wanted, in the order of the selection.
    keys: Vec<(usize, Vec<String>)>,
}

impl FieldSelection {
    /// Reads a comma-separated list; `None`: everything. Whether a name exists for the caller is for the service to
    /// say, so unknown names select nothing. A path into a message selects the whole member. Members that exist only
    /// when asked for in another way (`omit_unset`) are always kept.
    pub(crate) fn parse(resource: &MessagePlan, list: &str) -> Option<Self> {
        let mut names = list.split(',').map(str::trim).filter(|name| !name.is_empty()).peekable();
        names.peek()?;
        let mut keep: Vec<bool> = resource.fields.iter().map(|field| field.omit_unset).collect();
        let mut keys: Vec<(usize, Vec<String>)> = Vec::new();
        for name in names {
            let (member, key) = name.split_once('.').map_or((name, None), |(m, key)| (m, Some(key)));
            let Some(at) = resource.by_name(member) else { continue };
            let field = &resource.fields[at];
            let is_object = field.kind == Kind::JsonObject && field.shape != Shape::Repeated;
            match key {
                Some(key) if is_object => {
                    if !keys.iter().any(|(place, _)| *place == at) {
                        keys.push((at, Vec::new()));
                    }
                    let own = keys.iter_mut().find(|(place, _)| *place == at);
                    if let Some((_, own)) = own
                        && own.len() < MAX_KEYS
                        && !own.iter().any(|k| k == key)
                    {
                        own.push(key.to_owned());
                    }
                }
                _ => keep[at] = true,
            }
        }
        // The whole object goes before single members of it.
        keys.retain(|(at, _)| !keep[*at]);
        Some(Self { keep, keys })
    }

    pub(crate) fn keeps(&self, field: usize) -> Keep<'_> {
        if self.keep.get(field).copied().unwrap_or(false) {
            return Keep::Whole;
        }
        match self.keys.iter().find(|(at, _)| *at == field) {
            Some((_, keys)) => Keep::Keys(keys),
            None => Keep::Nothing,
        }
    }
}

/// How much of a member is printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Keep<'s> {
    Whole,
    Keys(&'s [String]),
    Nothing,
}
