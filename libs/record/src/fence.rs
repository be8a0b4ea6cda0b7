//! The definitions fence: slots and unique values are written from definitions that are current when the write commits.
//!
//! Per tenant and object one row holds the newest definitions that anybody has written by, with their version. Whoever writes
//! rows takes it for share in the statement of the write, so that nothing is written by definitions older than those. Whoever
//! holds newer ones raises it first, in a transaction of its own, which waits at most 300 ms for the writers that hold it, because it
//! holds a place and a connection meanwhile; after that the caller gets 409 `DEFINITIONS_CHANGED` and may retry. So what is written
//! by one version is committed before anything by the next one begins, and a value of a field is never rewritten by who does
//! not know the field. All of it rests on the row itself: neither on events nor on how old a cache may be.

mod store;

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason};

use super::Object;
use super::definitions::FieldSet;
use crate::Env;

/// 409: the definitions that a write was judged by are not those of the fence.
const CHANGED: Reason = Reason::DEFINITIONS_CHANGED;
/// How often an operation is judged anew before its caller is asked to try again.
const MAX_TRIES: u32 = 4;

/// Counts how often an operation was judged.
#[derive(Debug, Default)]
pub struct Tries(u32);

impl Tries {
    /// Whether the operation failed for its definitions alone, and may be judged by newer ones. Then [`renew`] comes first.
    pub fn again(&mut self, error: &Error) -> bool {
        self.0 += 1;
        error.reason() == CHANGED && self.0 < MAX_TRIES
    }
}

/// Refuses a write by other definitions than the fence has. Without a row nobody waits for this writer, and a row with older
/// ones lets their writers go on: both must be raised first.
pub(crate) fn judge(fence: Option<i64>, set: &FieldSet) -> Result<(), Error> {
    if fence == Some(set.version()) {
        return Ok(());
    }
    Err(changed())
}

fn changed() -> Error {
    Error::new(Code::Aborted, CHANGED, "the custom fields changed while this ran; try again")
}

/// Takes the fence for share, to write several records under it, and refuses a write by other definitions.
pub async fn check(tx: &mut TenantTx, object: &Object, set: &FieldSet) -> Result<(), Error> {
    judge(store::share(tx, object).await?, set)
}

/// Brings the definitions held and the fence together, after its share was given back: raises the fence if it has older ones,
/// and asks for newer ones if it has those.
pub async fn renew(env: &Env, cx: &Context, object: &Object) -> Result<(), Error> {
    let held = env.definitions.for_keys(cx, object, []).await?;
    if raise(env, cx, object, &held).await? {
        return Ok(());
    }
    let newer = env.definitions.renew(cx, object).await?;
    raise(env, cx, object, &newer).await.map(|_| ())
}

/// Raises the fence to a set, if it is not there already: then nothing is waited for. `false` if it has a newer one.
async fn raise(env: &Env, cx: &Context, object: &Object, set: &FieldSet) -> Result<bool, Error> {
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    let stands = store::version(&mut tx, object).await?;
    if stands.is_none_or(|stands| stands < set.version()) {
        match store::raise(&mut tx, object, set.version(), set.wire()).await {
            // Writers with older definitions are still running.
            Err(error) if error.is_lock_timeout() => return Err(changed()),
            raised => raised?,
        }
        tx.commit().await?;
    }
    Ok(stands.is_none_or(|stands| stands <= set.version()))
}

/// The definitions of the fence, taken for share. `None` before the first write.
pub(crate) async fn read(tx: &mut TenantTx, object: &Object) -> Result<Option<FieldSet>, Error> {
    match store::read(tx, object).await? {
        Some(bytes) => FieldSet::from_bytes(&bytes).map(Some),
        None => Ok(None),
    }
}
