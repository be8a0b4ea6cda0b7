//! `fields.field.*`: every instance drops the definitions it holds of the tenant.

use events::broadcast::Notice;

use crate::record::definitions::Definitions;

/// What is listened to.
pub(crate) const PATTERNS: &[&str] = &["fields.field.*.v1"];

/// Drops what may be old. While the connection was away anything may have changed.
pub(crate) fn forget(definitions: &Definitions, notice: Notice) {
    match notice {
        Notice::Event(event) => definitions.forget(event.tenant.uuid()),
        Notice::Connected => definitions.forget_all(),
    }
}
