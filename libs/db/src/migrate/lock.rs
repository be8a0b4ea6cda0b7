//! The lock of a migrator: tried again and again, and never waited for inside the server.

use std::time::{Duration, Instant};

use sqlx::PgConnection;

use super::MigrateError;

/// The first and the longest pause between two tries.
const PAUSES: [Duration; 2] = [Duration::from_millis(50), Duration::from_secs(1)];

/// Tries at what others hold, with longer and longer pauses in between.
pub(super) struct Tries {
    begun: Instant,
    patience: Duration,
    pause: Duration,
}

impl Tries {
    pub(super) fn begin(patience: Duration) -> Self {
        Self { begun: Instant::now(), patience, pause: PAUSES[0] }
    }

    /// Since the first.
    pub(super) fn waited(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Whether more than half of the patience is gone.
    pub(super) fn is_late(&self) -> bool {
        self.waited() >= self.patience / 2
    }

    /// Waits for the next try; `false` at once where patience is at its end.
    pub(super) async fn again(&mut self) -> bool {
        if self.waited() + self.pause > self.patience {
            return false;
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(PAUSES[1]);
        true
    }
}

/// For how long the lock is held.
#[derive(Clone, Copy)]
pub(super) enum Scope {
    /// Until it is given back.
    Session,
    /// To the end of the transaction.
    Transaction,
}

/// Takes the advisory lock of this name, which is about `what`, or says who holds it when patience is at its end.
pub(super) async fn take(
    conn: &mut PgConnection,
    key: &str,
    scope: Scope,
    what: &str,
    patience: Duration,
) -> Result<(), MigrateError> {
    let mut tries = Tries::begin(patience);
    loop {
        let attempt = match scope {
            Scope::Session => sqlx::query_scalar("SELECT pg_try_advisory_lock(hashtextextended($1, 0))"),
            Scope::Transaction => {
                sqlx::query_scalar("SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))")
            }
        };
        let is_ours: bool = attempt.bind(key).fetch_one(&mut *conn).await?;
        if is_ours {
            return Ok(());
        }
        if !tries.again().await {
            let holder = holder(conn, key).await?;
            return Err(MigrateError::Locked { what: what.to_owned(), holder, waited: tries.waited() });
        }
    }
}

/// Who holds it, by what an administrator finds it in `pg_stat_activity`.
async fn holder(conn: &mut PgConnection, key: &str) -> Result<String, MigrateError> {
    let found: Option<String> = sqlx::query_scalar(
        "SELECT format('%s, process %s of the database server, since %s', a.application_name, a.pid,
             to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS UTC'))
         FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
         WHERE l.locktype = 'advisory' AND l.granted
             AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
             AND ((l.classid::bigint << 32) | l.objid::bigint) = hashtextextended($1, 0)",
    )
    .bind(key)
    .fetch_optional(conn)
    .await?;
    Ok(found.unwrap_or_else(|| "it has just ended".to_owned()))
}
