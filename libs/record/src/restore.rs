//! Takes a record out of the trash.

use auth::Context;
use db::TenantTx;
use db::idempotency::{self, Claim};
use error::{Code, Error};
use input::Violations;
use query::RowScope;
use uuid::Uuid;

use super::change::Author;
use super::commit::commit;
use super::get::parse_id;
use super::prepare::{Path, Plan, Proposal, Stored, prepare};
use super::{Answer, Object, Record, purge, store, write};
use crate::Env;

/// Takes a record out of the trash. Who may delete it may restore it. Errors: 404; 403; 409 for a live record, and for one
/// whose unique values another live record has by now; 412.
pub(crate) async fn restore(
    env: &Env,
    cx: &Context,
    object: &'static Object,
    rpc: &'static str,
    request: Vec<u8>,
    id: &str,
) -> Result<Answer, Error> {
    let set = env.definitions.for_keys(cx, object, []).await?;
    let mask = set.mask(object, cx.mask(object.name));
    let id = parse_id(object, id)?;
    let author = Author::of(env, cx);
    let plan = Plan { env, cx, object, set: &set, mask: &mask, author: &author, path: Path::Restore };
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let result = store(&mut tx, &plan, (rpc, request), id).await;
    match commit(env, tx, result).await? {
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

async fn store(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    (rpc, request): (&'static str, Vec<u8>),
    id: Uuid,
) -> Result<Kept, Error> {
    let Plan { cx, object, .. } = *plan;
    db::fence::check(tx, cx).await?;
    let claim = idempotency::claim(tx, cx, rpc, &request, plan.author.now).await?;
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
    if purge::store::is_purging(tx, object, id).await? {
        return Err(Error::not_found(object.not_found));
    }
    if !cx.reaches(object.name, "delete", &record.facts()) {
        return Err(Error::permission_denied(object.name, "delete"));
    }
    cx.check_version(record.version)?;
    let proposal = Proposal::beside(record, Vec::new());
    let prepared = prepare(tx, plan, proposal, &mut Stored).await?.map_err(Violations::into_error)?;
    let restored = write::restore(tx, plan, vec![prepared], &RowScope::from(cx.reached())).await?;
    let Some((_, record)) = restored.into_iter().next() else {
        return Err(Error::not_found(object.not_found));
    };
    claim.keep(tx, &Answer::kept(&record)?).await?;
    Ok(Kept::New(record))
}
