//! Takes a record out of the trash.

use auth::Context;
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::{Code, Error};
use query::RowScope;

use super::change::Author;
use super::conflict::{self, Base};
use super::get::parse_id;
use super::{Answer, Object, store, unique, write};
use crate::App;

/// Takes a record out of the trash. Who may delete it may restore it. Errors: 404; 403; 409 for a live record, and for one
/// whose unique values another live record has by now; 412.
pub(crate) async fn restore(
    app: &App,
    cx: &Context,
    object: &Object,
    rpc: &'static str,
    request: Vec<u8>,
    id: &str,
) -> Result<Answer, Error> {
    let predicate = cx.authorize(object.name, "delete")?;
    let set = app.definitions.for_keys(cx, object, []).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let id = parse_id(object, id)?;
    let author = Author::of(cx, &app.clock);
    let mut tx = TenantTx::begin(&app.db, cx.tenant).await?;
    db::fence::check(&mut tx, cx).await?;
    let claim = idempotency::claim(&mut tx, cx, rpc, &request).await?;
    if let Claim::Replay(kept) = &claim {
        return Answer::replay(kept, mask);
    }
    let found = store::lock(&mut tx, object, id).await?;
    let visible = found.filter(|record| cx.reaches(object.name, "read", &record.facts()));
    let record = visible.ok_or_else(|| Error::not_found(object.not_found))?;
    if !record.is_deleted() {
        return Err(Error::new(
            Code::FailedPrecondition,
            object.not_deleted,
            "the record is not in the trash",
        ));
    }
    if !cx.reaches(object.name, "delete", &record.facts()) {
        return Err(Error::permission_denied(object.name, "delete"));
    }
    if conflict::stale(cx.call.if_match, record.version).is_some() {
        return Err(conflict::version_stale(record.version, &[], &Base::new()));
    }
    unique::check(&mut tx, cx, object, &set, &record).await?;
    let record =
        write::set_deleted(&mut tx, &author, object, record, false, &RowScope::from(&predicate)).await?;
    claim.keep(&mut tx, &Answer::kept(&record)?, author.now).await?;
    tx.commit().await?;
    app.wake.notify();
    Ok(Answer::new(record, mask))
}
