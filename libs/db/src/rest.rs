//! Brings a connection to rest whose caller has gone: its statement ended, its transaction taken back.
//!
//! The connection is in nobody's hands meanwhile, so a cancellation can meet no statement but the one that was left. It is
//! asked for once more after the cancellation was sent, and goes back to the pool when that answer has come: a signal that is
//! late has been met by then. There are never more of these tasks than connections.

use std::pin::pin;
use std::time::Duration;

use sqlx::{PgConnection, Row};
use tokio::runtime::Handle;
use tokio::time::timeout;

use crate::session::{Held, State, sqlstate};

/// How long a statement may go on by itself: most are over by then.
const GRACE: Duration = Duration::from_millis(20);
/// How long a cancelled one may take to end.
const LIMIT: Duration = Duration::from_secs(5);
/// Questions until a connection that answers only with errors is given up: one for what the caller left, one for each way in
/// which a cancellation can be late.
const QUESTIONS: usize = 8;
/// At rest there is no transaction, so the one that this message makes is as old as the message.
const AT_REST: &str = "SELECT now() = statement_timestamp()";

/// Takes the connection to rest in a task of its own.
pub(crate) fn spawn(held: Held) {
    let orphan = Orphan(Some(held));
    match Handle::try_current() {
        #[allow(clippy::disallowed_methods, reason = "a drop cannot wait; the connection owns the task")]
        Ok(_) => drop(tokio::spawn(bring(orphan))),
        // The process ends: the connection is closed.
        Err(_) => drop(orphan),
    }
}

/// Closed when dropped, and not given to the pool in whatever state it is.
struct Orphan(Option<Held>);

impl Drop for Orphan {
    fn drop(&mut self) {
        if let Some(held) = self.0.take() {
            drop(held.conn.detach());
        }
    }
}

async fn bring(mut orphan: Orphan) {
    let Some(held) = &mut orphan.0 else { return };
    let (home, pid) = (held.home.clone(), held.pid);
    let (signal, ended) = {
        let mut ended = pin!(settle(&mut held.conn, held.state == State::Open));
        if let Ok(ended) = timeout(GRACE, &mut ended).await {
            (Signal::NotSent, ended.is_ok())
        } else {
            let (signal, ended) = tokio::join!(cancel(&home.canceller, pid), timeout(LIMIT, &mut ended));
            (signal, matches!(ended, Ok(Ok(()))))
        }
    };
    let rested = match signal {
        Signal::NotSent => ended,
        Signal::Sent => {
            home.counters.cancelled();
            // The signal may come after the end of what it was meant for: it is met by one more question.
            ended && matches!(timeout(LIMIT, settle(&mut held.conn, false)).await, Ok(Ok(())))
        }
        // It may come at any time, also to the next caller's statement.
        Signal::Unknown => false,
    };
    if rested {
        // Back to the pool.
        drop(orphan.0.take());
    } else {
        home.counters.given_up();
        tracing::warn!("a connection is closed: its transaction was not taken back in time");
    }
}

/// Hears out what the caller left, and rolls back where a transaction is `open`, or may be.
async fn settle(conn: &mut PgConnection, mut open: bool) -> Result<(), sqlx::Error> {
    for _ in 0..QUESTIONS {
        let answer = if open {
            sqlx::raw_sql("ROLLBACK").execute(&mut *conn).await.map(|_| true)
        } else {
            let rows = sqlx::raw_sql(AT_REST).fetch_all(&mut *conn).await;
            rows.and_then(|rows| rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get(0))
        };
        match answer {
            Ok(true) => return Ok(()),
            Ok(false) => open = true,
            // What the caller did not hear any more, or a cancellation that met the question.
            Err(error @ sqlx::Error::Database(_)) => open |= sqlstate(&error).as_deref() == Some("25P02"),
            Err(error) => return Err(error),
        }
    }
    Err(sqlx::Error::Protocol("the connection answers with errors only".to_owned()))
}

/// What became of a cancellation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    /// There is nobody to send it to.
    NotSent,
    /// The server has sent it.
    Sent,
    /// It may have been sent, or may still be.
    Unknown,
}

/// Cancels what the server's process `pid` is doing.
async fn cancel(canceller: &sqlx::PgPool, pid: Option<i32>) -> Signal {
    let Some(pid) = pid else { return Signal::NotSent };
    let told = sqlx::query_scalar::<_, bool>("SELECT pg_cancel_backend($1)").bind(pid).fetch_one(canceller);
    match timeout(LIMIT, told).await {
        Ok(Ok(_)) => Signal::Sent,
        Ok(Err(error)) => {
            tracing::warn!(error = %error::chain(&error), "a statement that nobody waits for was not cancelled");
            Signal::Unknown
        }
        Err(_) => Signal::Unknown,
    }
}
