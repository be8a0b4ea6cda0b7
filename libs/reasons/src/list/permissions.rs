//! What a caller may do.

use crate::entries::reasons;

reasons! {
    /// Your roles do not grant the permission that `meta.permission` names, or not for this record.
    PERMISSION_DENIED [403, violation, operation] "Permission denied",
        "Ask an administrator for a role that grants it.";
    /// You may read, but not change, the fields that `meta.fields` names.
    FIELD_READ_ONLY [403, violation] "Field read-only",
        "Leave these fields out.";
    /// Your permissions changed while the request ran. Nothing was written.
    PERMISSIONS_CHANGED [409] "Permissions changed",
        "Send the request again.";
    /// Your permissions cannot be confirmed at the moment, so that nothing is allowed.
    PERMISSIONS_UNAVAILABLE [503] "Permissions unavailable",
        "Wait for `Retry-After` and send the request again.";
    /// The role grants, or its holder could do, more than you may yourself.
    ROLE_EXCEEDS_CALLER [403] "Role exceeds caller",
        "Ask an administrator who may do all of it.";
    /// The change of a team would let someone do more than you may yourself.
    TEAM_EXCEEDS_CALLER [403] "Team exceeds caller",
        "Ask an administrator who may do all of it.";
    /// The change of a manager would let someone see more than you may yourself.
    MANAGER_EXCEEDS_CALLER [403] "Manager exceeds caller",
        "Ask an administrator who may do all of it.";
    /// The key's scopes, which `meta.scopes` names, go beyond what you may yourself.
    SCOPE_EXCEEDS_CALLER [403] "Scope exceeds caller",
        "Leave these scopes out.";
}
