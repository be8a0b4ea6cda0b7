//! `Sync`: the next of what a caller follows.

use std::time::Duration;

use auth::Context;
use db::TenantTx;
use error::Error;
use proto::notifications::v1 as pb;
use tokio::time::Instant;

use super::changes::{self, Told};
use super::cursor::Cursor;
use super::{objects, state};
use crate::app::App;
use crate::journal::{self, Head};

/// Changes of an answer at most.
const MOST: i32 = 500;
/// How often those who wait look for what another instance has written.
const LOOK: Duration = Duration::from_secs(1);
/// What of a call's time is left to tell what has come.
const TO_TELL: Duration = Duration::from_secs(4);

/// The next changes behind a cursor. Errors: 400 for types and cursors, 410 `CURSOR_EXPIRED`, 503 with the reason of the service that does not
/// answer; then the same cursor is good for the next call.
#[tracing::instrument(name = "notifications.sync", skip_all)]
pub(crate) async fn sync(
    app: &App,
    cx: &Context,
    request: pb::SyncRequest,
) -> Result<pb::SyncResponse, Error> {
    let named = objects::read(&request.types)?;
    let limit = request.limit.unwrap_or(MOST).clamp(1, MOST) as usize;
    let mut cursor = if request.cursor.is_empty() {
        let types = objects::to_follow(cx, named)?;
        // Before the state is read: what is written meanwhile comes again behind it.
        Cursor::begin(cx, &types, head(app, cx).await?)
    } else {
        let cursor = Cursor::open(cx, &app.cursor_key, &request.cursor, named.as_deref())?;
        cursor.check(head(app, cx).await?)?;
        cursor
    };
    let resync = cursor.look(cx);
    let (changes, has_more) = if !resync.is_empty() {
        (Vec::new(), true)
    } else if let Some(stage) = cursor.state.take() {
        (state::next(app, cx, &mut cursor, stage, limit).await?, true)
    } else {
        match changes::next(app, cx, &mut cursor, limit).await? {
            (changes, false) if changes.is_empty() => wait(app, cx, &mut cursor, limit, request.wait).await?,
            told => told,
        }
    };
    let next_cursor = cursor.seal(&app.cursor_key)?;
    Ok(pb::SyncResponse { changes, next_cursor, has_more, position: cursor.number, resync })
}

async fn head(app: &App, cx: &Context) -> Result<Head, Error> {
    let mut tx = TenantTx::begin_snapshot(&app.db, cx.tenant).await?;
    let head = journal::head(&mut tx).await?;
    tx.commit().await?;
    Ok(head)
}

/// Waits until there is something to tell. Where too many wait, it does not.
async fn wait(
    app: &App,
    cx: &Context,
    cursor: &mut Cursor,
    limit: usize,
    seconds: Option<i32>,
) -> Result<Told, Error> {
    let nothing = || (Vec::new(), false);
    let asked = Duration::from_secs(seconds.and_then(|s| u64::try_from(s).ok()).unwrap_or(0));
    let most = host::deadline::remaining().map_or(asked, |left| asked.min(left.saturating_sub(TO_TELL)));
    if most.is_zero() {
        return Ok(nothing());
    }
    let Some(waiter) = app.waiting.enter(cx.tenant.id()) else { return Ok(nothing()) };
    let until = Instant::now() + most;
    loop {
        // Before looking: what is committed after the look wakes it.
        let mut moved = Box::pin(waiter.moved());
        moved.as_mut().enable();
        let (changes, more) = changes::next(app, cx, cursor, limit).await?;
        if more || !changes.is_empty() {
            return Ok((changes, more));
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(nothing());
        }
        tokio::select! {
            () = moved => {}
            () = tokio::time::sleep(left.min(LOOK)) => {}
        }
    }
}
