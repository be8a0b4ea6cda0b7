//! Takes a record out of the trash.

use auth::Context;
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::{Code, Error};
use query::RowScope;
use uuid::Uuid;

use super::change::Author;
use super::commit::commit;
use super::definitions::FieldSet;
use super::get::parse_id;
use super::{Answer, Object, Record, store, unique, write};
use crate::Env;

/// Takes a record out of the trash. Who may delete it may restore it. Errors: 404; 403; 409 for a live record, and for one
/// whose unique values another live record has by now; 412.
pub(crate) async fn restore(
    env: &Env,
    cx: &Context,
    object: &Object,
    rpc: &'static str,
    request: Vec<u8>,
    id: &str,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, []).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let id = parse_id(object, id)?;
    let author = Author::of(env, cx);
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let result =
        store(&mut tx, cx, object, &set, (rpc, request), id, &author, &RowScope::from(cx.reached())).await;
    let kept = commit(env, tx, result).await?;
    match kept {
        Kept::New(record) => Ok(Answer::new(record, mask)),
        Kept::Before(kept) => Answer::replay(&kept, mask),
    }
}

/// What an answer is made of.
enum Kept {
    New(Record),
    /// The answer of an earlier call.
    Before(Vec<u8>),
}

#[allow(clippy::too_many_arguments, reason = "one step of one operation: each argument is another thing")]
async fn store(
    tx: &mut TenantTx,
    cx: &Context,
    object: &Object,
    set: &FieldSet,
    (rpc, request): (&'static str, Vec<u8>),
    id: Uuid,
    author: &Author,
    scope: &RowScope,
) -> Result<Kept, Error> {
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, rpc, &request).await?;
    if let Claim::Replay(kept) = claim {
        return Ok(Kept::Before(kept));
    }
    let found = store::lock(tx, object, id).await?;
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
    cx.check_version(record.version)?;
    unique::check(tx, cx, object, set, &record).await?;
    let record = write::set_deleted(tx, author, object, record, false, scope).await?;
    claim.keep(tx, &Answer::kept(&record)?, author.now).await?;
    Ok(Kept::New(record))
}
