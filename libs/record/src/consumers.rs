//! `fields.field.*`: every instance drops the definitions it holds of the tenant.

use events::broadcast::Notice;
use fleet::Role;
use service::Frame;

use crate::definitions::Definitions;

/// Drops definitions of custom fields as they change, in this instance.
pub fn follow_definitions(frame: &Frame, role: Role, definitions: &Definitions) {
    let definitions = definitions.clone();
    frame.broadcast(role.names().definitions, &["fields.field.*.v1"], move |notice| match notice {
        Notice::Event(event) => definitions.forget(event.tenant.uuid()),
        // While the connection was away anything may have changed.
        Notice::Connected => definitions.forget_all(),
    });
}
