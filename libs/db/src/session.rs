//! A connection in a transaction, from before its first byte until after the last answer.
//!
//! Whoever waits for PostgreSQL may be dropped at any point: a client that goes, a deadline. So the guard stands before
//! `BEGIN` is sent, and a connection goes back to its pool by itself only after the answer to `COMMIT` or `ROLLBACK`. From
//! every other state it is handed to a task that takes it to rest first (`rest.rs`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Postgres, Row};
use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::DbError;
use crate::login::{self, Logins};
use crate::long_turn::LongTurn;
use crate::metrics::{Astray, Counters, Outcome, Used};
use crate::rest;
use crate::shares::Place;

/// A transaction begins in the message that says `BEGIN`: when it is older than this message, it is another's.
pub(crate) const BEGUN: &str = "SELECT pg_backend_pid(), now() = statement_timestamp()";
/// Begins a transaction in which every statement sees the same state.
pub(crate) const SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";
/// In a transaction whose statements have one best plan for all values: it is made once for a connection. It may not sort: a precaution,
/// as the plan for the average tenant serves the largest as well.
pub(crate) const KEPT_PLANS: &str =
    ", set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_sort', 'off', true)";
/// In a transaction whose statements look at single records: a plan is kept when it costs no more than one made for the values.
pub(crate) const PLANS_THAT_PAY: &str = ", set_config('plan_cache_mode', 'auto', true)";
/// Fails when the transaction has failed, where a bare `COMMIT` would roll back and say nothing; and there must be one.
const COMMIT: &str = "SELECT now() <> statement_timestamp(); COMMIT";
/// Ends a transaction that only read: there is nothing that could have failed to be written.
const END: &str = "COMMIT";

/// What sessions of one pool share.
#[derive(Debug)]
pub(crate) struct Home {
    pub(crate) pool: PgPool,
    /// One connection beside the pool, from which statements are cancelled.
    pub(crate) canceller: PgPool,
    /// How both log in.
    pub(crate) logins: Logins,
    pub(crate) counters: Counters,
    /// How long a caller waits for a connection.
    pub(crate) acquire: Duration,
}

/// What is known of a session's transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Begun; a statement may be running.
    Open,
    /// Beginning or ending: it may have begun, or be over.
    Unsure,
    /// Over: the answer has come.
    Over,
}

/// The connection, and what must stay with it until it is at rest.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) conn: PoolConnection<Postgres>,
    pub(crate) home: Arc<Home>,
    pub(crate) state: State,
    /// The server's process, once it has told.
    pub(crate) pid: Option<i32>,
    /// Kept as long as the connection, so that what a tenant has left running counts as its own.
    pub(crate) _place: Option<Place>,
    /// The turn of a long statement.
    pub(crate) turn: Option<LongTurn>,
    pub(crate) began: Instant,
    pub(crate) _used: Used,
}

/// A connection in a transaction.
#[derive(Debug)]
pub(crate) struct Session(Option<Held>);

impl Session {
    /// Takes a connection and sends `text`, which begins a transaction and has [`BEGUN`] as its first query.
    pub(crate) async fn begin(home: &Arc<Home>, place: Option<Place>, text: String) -> Result<Self, DbError> {
        let (conn, place) = connection(home, place).await?;
        let held = Held {
            conn,
            home: home.clone(),
            state: State::Unsure,
            pid: None,
            _place: place,
            turn: None,
            began: Instant::now(),
            _used: home.counters.connections().used(),
        };
        let mut session = Self(Some(held));
        let held = session.held();
        #[allow(clippy::disallowed_methods, reason = "made of constants, numbers and ids of UUIDs")]
        let rows = sqlx::raw_sql(AssertSqlSafe(text)).fetch_all(&mut *held.conn).await;
        let rows = rows.inspect_err(|error| held.note_failed(error))?;
        let first = rows.first().ok_or(sqlx::Error::RowNotFound)?;
        held.pid = Some(first.try_get(0)?);
        held.state = State::Open;
        if !first.try_get::<bool, _>(1)? {
            held.home.counters.astray(Astray::Open);
            return Err(astray("a transaction was open before this one began"));
        }
        Ok(session)
    }

    /// Keeps a turn as long as the connection.
    pub(crate) fn keep(&mut self, turn: LongTurn) {
        self.held().turn = Some(turn);
    }

    /// The connection.
    pub(crate) fn conn(&mut self) -> &mut PgConnection {
        &mut self.held().conn
    }

    /// Commits what was written. Dropped meanwhile, it may have committed or not.
    pub(crate) async fn commit(mut self) -> Result<(), DbError> {
        let held = self.held();
        held.state = State::Unsure;
        let rows = sqlx::raw_sql(COMMIT).fetch_all(&mut *held.conn).await;
        let rows = rows.inspect_err(|error| held.note_failed(error))?;
        held.over(Outcome::Committed);
        let begun = rows.first().ok_or(sqlx::Error::RowNotFound)?.try_get::<bool, _>(0)?;
        if !begun {
            held.home.counters.astray(Astray::Missing);
            return Err(astray("there was no transaction to commit"));
        }
        Ok(())
    }

    /// Ends a transaction that only read.
    pub(crate) async fn end(mut self) -> Result<(), DbError> {
        let held = self.held();
        held.state = State::Unsure;
        sqlx::raw_sql(END).execute(&mut *held.conn).await?;
        held.over(Outcome::Committed);
        Ok(())
    }

    /// Rolls back and waits for it.
    pub(crate) async fn rollback(mut self) -> Result<(), DbError> {
        let held = self.held();
        held.state = State::Unsure;
        sqlx::raw_sql("ROLLBACK").execute(&mut *held.conn).await?;
        held.over(Outcome::RolledBack);
        Ok(())
    }

    fn held(&mut self) -> &mut Held {
        match &mut self.0 {
            Some(held) => held,
            None => unreachable!("only the drop takes it"),
        }
    }
}

/// A connection of the pool. One that must be made first is made apart from the caller: a caller who goes meanwhile leaves it to the
/// next. Made by the caller itself it would be thrown away half-made, and callers who go early, one after the other, would keep the
/// server busy with log-ins that come to nothing. The maker keeps the place, so there are no more makers than places.
///
/// A log-in gives way to all other tasks some eight hundred times (sqlx yields between the digests of SCRAM), which took it over two
/// seconds on a busy runtime while idle connections were there again. So it has a thread.
async fn connection(
    home: &Arc<Home>,
    place: Option<Place>,
) -> Result<(PoolConnection<Postgres>, Option<Place>), DbError> {
    let connections = home.counters.connections();
    if let Some(conn) = home.pool.try_acquire() {
        connections.at_once();
        return Ok((conn, place));
    }
    let _waiting = connections.wait();
    let (give, given) = oneshot::channel();
    let (opening, runtime) = (home.clone(), Handle::current());
    #[allow(
        clippy::disallowed_methods,
        reason = "the one way to a connection; ends within the pool's own time"
    )]
    let make = async move {
        let tried = opening.pool.connect_options();
        let mut made = opening.pool.acquire().await;
        if made.as_ref().is_err_and(login::is_refused)
            && opening.logins.try_other(&tried, [&opening.pool, &opening.canceller])
        {
            made = opening.pool.acquire().await;
        }
        drop(give.send((made, place)));
    };
    drop(tokio::task::spawn_blocking(move || runtime.block_on(make)));
    let (conn, place) = given.await.map_err(|_| sqlx::Error::PoolClosed)?;
    let conn = conn.inspect_err(|error| {
        if matches!(error, sqlx::Error::PoolTimedOut) {
            connections.timed_out();
        }
    })?;
    Ok((conn, place))
}

impl Held {
    /// The answer to the end of the transaction has come.
    fn over(&mut self, outcome: Outcome) {
        self.state = State::Over;
        self.home.counters.ended(self.began, outcome);
    }

    /// Counts a statement refused because the transaction had failed before.
    fn note_failed(&self, error: &sqlx::Error) {
        if sqlstate(error).as_deref() == Some("25P02") {
            self.home.counters.astray(Astray::Failed);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(held) = self.0.take() else { return };
        if held.state == State::Over {
            return;
        }
        held.home.counters.ended(held.began, Outcome::Dropped);
        rest::spawn(held);
    }
}

/// The code of an error that the server told.
pub(crate) fn sqlstate(error: &sqlx::Error) -> Option<String> {
    error.as_database_error().and_then(|e| e.code()).map(std::borrow::Cow::into_owned)
}

fn astray(text: &str) -> DbError {
    DbError::Other(sqlx::Error::Protocol(text.to_owned()))
}
