//! Moves a record to the trash.

use auth::Context;
use db::TenantTx;
use error::Error;
use query::RowScope;
use uuid::Uuid;

use super::change::Author;
use super::commit::commit;
use super::get::parse_id;
use super::update::lock_live;
use super::{Object, write};
use crate::Env;

/// Moves a live record to the trash. Errors: 404, 403, 412.
pub(crate) async fn delete(env: &Env, cx: &Context, object: &Object, id: &str) -> Result<(), Error> {
    let id = parse_id(object, id)?;
    let author = Author::of(env, cx);
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let result = store(&mut tx, cx, object, id, &author, &RowScope::from(cx.reached())).await;
    commit(env, tx, result).await
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
    write::set_deleted(tx, author, object, vec![record], true, scope).await?;
    Ok(())
}
