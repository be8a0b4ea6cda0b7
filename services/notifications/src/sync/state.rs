//! The whole state: a page after the other of all records that the caller may see. What changes meanwhile comes again behind it.

use auth::Context;
use error::Error;
use proto::notifications::v1 as pb;

use super::changes::upsert;
use super::cursor::{Cursor, Stage};
use super::objects;
use super::owners::{Asked, Listed, page};
use crate::app::App;

/// Records of a list's page at most.
const PAGE: usize = 200;
/// An answer that has so many bytes takes no further page, which may have as many as a list gives.
const ENOUGH_BYTES: usize = 512 << 10;

/// The next records of the state, from `stage` on; the cursor comes behind them.
pub(super) async fn next(
    app: &App,
    cx: &Context,
    cursor: &mut Cursor,
    mut stage: Stage,
    limit: usize,
) -> Result<Vec<pb::SyncChange>, Error> {
    let (mut changes, mut bytes) = (Vec::new(), 0);
    while changes.len() < limit && bytes < ENOUGH_BYTES {
        let Some(followed) = cursor.types.get(stage.at) else {
            cursor.state = None;
            return Ok(changes);
        };
        let listed = match objects::named(&followed.object) {
            Some(synced) => {
                let page_size = PAGE.min(limit - changes.len());
                let asked = Asked { synced, ids: Vec::new(), page_size, page_token: stage.page_token };
                page(&app.ask, cx, asked).await?
            }
            // Of a program that knew more.
            None => Listed::default(),
        };
        bytes += listed.records.iter().map(|shown| shown.data.len()).sum::<usize>();
        changes.extend(listed.records.into_iter().map(|shown| upsert(&followed.object, shown)));
        stage = match listed.next_page_token {
            token if token.is_empty() => Stage { at: stage.at + 1, page_token: token },
            page_token => Stage { page_token, ..stage },
        };
    }
    cursor.state = Some(stage);
    Ok(changes)
}
