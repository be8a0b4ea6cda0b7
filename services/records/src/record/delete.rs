//! Moves a record to the trash.

use auth::Context;
use db::TenantTx;
use error::Error;
use query::RowScope;
use uuid::Uuid;

use super::change::Author;
use super::ending::end;
use super::get::parse_id;
use super::update::lock_live;
use super::{Object, write};
use crate::App;

/// Moves a live record to the trash. Errors: 404, 403, 412.
pub(crate) async fn delete(app: &App, cx: &Context, object: &Object, id: &str) -> Result<(), Error> {
    let id = parse_id(object, id)?;
    let author = Author::of(cx, &app.clock);
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    let result = store(&mut tx, cx, object, id, &author, &RowScope::from(cx.reached())).await;
    end(app, tx, result).await
}

async fn store(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    id: Uuid,
    author: &Author,
    scope: &RowScope,
) -> Result<(), Error> {
    db::fence::check(tx, cx).await?;
    let record = lock_live(tx, cx, object, id, "delete").await?;
    cx.check_version(record.version)?;
    write::set_deleted(tx, author, object, record, true, scope).await?;
    Ok(())
}
