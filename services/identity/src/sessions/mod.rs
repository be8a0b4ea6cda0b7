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
pub(crate) mod succession;

use std::time::Duration;

/// A session ends this long after it began.
pub(crate) const SESSION_TTL: Duration = Duration::from_secs(30 * 86_400);
/// A refresh token ends this long after it was made: a session unused for so long is over.
pub(crate) const IDLE_TTL: Duration = Duration::from_secs(14 * 86_400);

/// A refresh token that was spent is answered again for this long.
pub(crate) const ANSWERED_AGAIN: Duration = Duration::from_secs(10);

/// Live sessions of one user; one more ends the oldest.
pub(crate) const MOST_SESSIONS: i64 = 100;
