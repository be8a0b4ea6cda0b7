//! How a pool logs in, and how it goes on when the password changes.
//!
//! A password changes in two places, one after the other: in its file and in the database. In between, connections that are open stay so,
//! and a new one would be refused with whichever the pool knows last. So it knows two, and a log-in that is refused is tried with the other.

use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::DbError;
use crate::session::sqlstate;

/// How long a cancellation may take.
pub(crate) const CANCEL_TIMEOUT: Duration = Duration::from_secs(2);

/// What a pool's connections are called and may do, whoever logs in.
#[derive(Clone, Debug)]
pub(crate) struct Manner {
    /// The service, and its schema.
    pub(crate) service: String,
    /// `app` or `worker`.
    pub(crate) kind: &'static str,
    /// How long a statement may run.
    pub(crate) timeout: Duration,
}

/// The options that a URL has, for whoever logs in.
pub(crate) fn options(url: &str) -> Result<PgConnectOptions, sqlx::Error> {
    let options = PgConnectOptions::from_str(url)?;
    // What a URL without `sslmode` means to sqlx protects from nobody who comes between: TLS is asked for, or not used.
    Ok(match options.get_ssl_mode() {
        PgSslMode::Allow | PgSslMode::Prefer => options.ssl_mode(PgSslMode::Disable),
        _ => options,
    })
}

/// Options of the pool, and of the one from which its statements are cancelled.
#[derive(Clone)]
pub(crate) struct Login {
    pub(crate) pool: PgConnectOptions,
    pub(crate) canceller: PgConnectOptions,
}

impl Manner {
    /// The options for a URL.
    pub(crate) fn login(&self, url: &str) -> Result<Login, DbError> {
        let pool = self.options(url, self.kind, self.timeout)?;
        let canceller = self.options(url, &format!("{}-cancel", self.kind), CANCEL_TIMEOUT)?;
        Ok(Login { pool, canceller })
    }

    fn options(&self, url: &str, kind: &str, timeout: Duration) -> Result<PgConnectOptions, DbError> {
        Ok(options(url)?.application_name(&format!("globcrm-{}-{kind}", self.service)).options([
            // A generic plan cannot see the tenant: 6 to 24 times slower on skewed data (design: tenancy, finding 5).
            ("plan_cache_mode", "force_custom_plan".to_owned()),
            ("search_path", self.service.clone()),
            ("statement_timeout", timeout.as_millis().to_string()),
            ("idle_in_transaction_session_timeout", "60000".to_owned()),
            // A statement whose client is gone ends, instead of running to its end for nobody.
            ("client_connection_check_interval", "1000".to_owned()),
            ("jit", "off".to_owned()),
        ]))
    }
}

/// The log-in in force, and the one before.
pub(crate) struct Logins {
    manner: Manner,
    known: Mutex<Known>,
}

struct Known {
    url: Arc<str>,
    now: Login,
    other: Option<Login>,
}

impl fmt::Debug for Logins {
    /// Without the log-ins: they have passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Logins").field("manner", &self.manner).finish_non_exhaustive()
    }
}

impl Logins {
    pub(crate) fn new(manner: Manner, url: &str, now: Login) -> Self {
        Self { manner, known: Mutex::new(Known { url: url.into(), now, other: None }) }
    }

    /// Connections to come log in by this URL; if it is refused, by the one before.
    pub(crate) fn renew(&self, url: &str, pools: [&PgPool; 2]) -> Result<(), DbError> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if &*known.url == url {
            return Ok(());
        }
        let now = self.manner.login(url)?;
        known.url = url.into();
        known.other = Some(std::mem::replace(&mut known.now, now));
        put(&known.now, pools);
        Ok(())
    }

    /// After a log-in with the options `tried` was refused: whether there is another to try.
    pub(crate) fn try_other(&self, tried: &Arc<PgConnectOptions>, pools: [&PgPool; 2]) -> bool {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Somebody else's was refused before, and the pool has the other already.
        if !Arc::ptr_eq(tried, &pools[0].connect_options()) {
            return true;
        }
        let Some(other) = known.other.take() else { return false };
        known.other = Some(std::mem::replace(&mut known.now, other));
        put(&known.now, pools);
        tracing::warn!(
            role = self.manner.service,
            kind = self.manner.kind,
            "the database refused a password; the one before or after it is tried"
        );
        true
    }
}

fn put(login: &Login, [pool, canceller]: [&PgPool; 2]) {
    pool.set_connect_options(login.pool.clone());
    canceller.set_connect_options(login.canceller.clone());
}

/// Whether this is what PostgreSQL says to a wrong password.
pub(crate) fn is_refused(error: &sqlx::Error) -> bool {
    matches!(sqlstate(error).as_deref(), Some("28P01" | "28000"))
}
