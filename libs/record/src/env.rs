//! What operations on records work with.

use db::Db;
use events::Wake;
use field_types::phone::Region;
use fleet::Role;
use ids::Clock;
use query::CursorKey;

use crate::Object;
use crate::definitions::Definitions;
use crate::reference::References;

/// What operations on records work with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Env {
    /// The service: its name is the source of events.
    pub role: Role,
    /// The objects whose records are kept here.
    pub objects: &'static [&'static Object],
    /// The app role's pool.
    pub db: Db,
    /// Time and ids.
    pub clock: Clock,
    /// Wakes the relay.
    pub wake: Wake,
    /// Signs page tokens.
    pub cursor_key: CursorKey,
    /// Where phone numbers without country code belong.
    pub region: Option<Region>,
    /// The definitions of custom fields.
    pub definitions: Definitions,
    /// What other services keep: users, teams, and records of other objects.
    pub references: References,
}

impl Env {
    /// The object of this name, if its records are kept here.
    pub fn object(&self, name: &str) -> Option<&'static Object> {
        named(self.objects, name)
    }
}

pub(crate) fn named(objects: &[&'static Object], name: &str) -> Option<&'static Object> {
    objects.iter().copied().find(|object| object.name == name)
}
