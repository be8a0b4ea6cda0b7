//! Sessions: opened by password, invitation or sign-up, kept alive by refresh tokens, ended by their user or the system.

pub(crate) mod delete;
pub(crate) mod end;
pub(crate) mod get_me;
pub(crate) mod list;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod open;
pub(crate) mod refresh;
pub(crate) mod store;

use std::time::Duration;

use auth::{Context, PrincipalKind};
use error::Error;

/// A session ends this long after it began.
pub(crate) const SESSION_TTL: Duration = Duration::from_secs(30 * 86_400);
/// A refresh token ends this long after it was made: a session unused for so long is over.
pub(crate) const IDLE_TTL: Duration = Duration::from_secs(14 * 86_400);

/// Live sessions of one user; one more ends the oldest.
pub(crate) const MOST_SESSIONS: i64 = 100;

/// Sessions are their user's own, and no permission decides about them. An API key is not its user: it needs the scope.
/// Errors: 403.
fn permit(cx: &Context, action: &str) -> Result<(), Error> {
    match cx.principal.kind {
        PrincipalKind::ApiKey => cx.authorize("session", action).map(drop),
        PrincipalKind::User | PrincipalKind::Service => Ok(()),
    }
}
