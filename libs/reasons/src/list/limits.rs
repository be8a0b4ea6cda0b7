//! Limits and places.

use crate::entries::reasons;

reasons! {
    /// You, your organization, your address or the network around it sends more requests than its limit allows, or sends them faster than its pace.
    RATE_LIMITED [429] "Rate limited",
        "Wait for `Retry-After`; the `X-RateLimit-*` headers show the room that is left.";
    /// This user or API key has as much in work at once as it may have.
    PRINCIPAL_SHARE_USED [429] "Principal's share used",
        "Let requests end before you send more.";
    /// This organization has as much in work at once as it may have.
    TENANT_SHARE_USED [429] "Organization's share used",
        "Wait for `Retry-After` and send the request again.";
    /// This address, or the network around it, has as much in work at once as it may have.
    ADDRESS_SHARE_USED [429] "Address's share used",
        "Let requests end before you send more.";
    /// The organization has as many calls at the database at once as it may have.
    TENANT_BUSY [429] "Organization busy",
        "Wait for `Retry-After` and send the request again.";
    /// Too many failed logins.
    LOGIN_THROTTLED [429] "Login throttled",
        "Wait for `Retry-After` before the next attempt.";
    /// Too many sign-ups from this address or the network around it.
    SIGN_UP_THROTTLED [429] "Sign-up throttled",
        "Wait for `Retry-After` before the next attempt.";
    /// Too many passwords are being checked at once.
    LOGIN_BUSY [503] "Login busy",
        "Wait for `Retry-After` and log in again.";
    /// The installation has as much in work at once as it can have.
    OVERLOADED [503] "Overloaded",
        "Wait for `Retry-After` and send the request again.";
}
