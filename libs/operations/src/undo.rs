//! What an operation that takes another back must know of it.

use auth::Context;
use db::TenantTx;
use error::{Code, Error, Reason};
use uuid::Uuid;

use crate::id::{not_found, parse, public};
use crate::{Env, store};

/// An operation that is to be taken back, locked.
#[derive(Debug)]
pub struct Undone {
    /// Its id.
    pub id: Uuid,
    /// Which work it was.
    pub kind: String,
    /// What was asked for, as it was queued.
    pub request: Vec<u8>,
}

/// Locks an operation of the caller that is over and that nobody has taken back yet; what a cancelled or failed undo has left may be taken back by another. Errors: 404; 409 `OPERATION_NOT_OVER`,
/// `OPERATION_UNDONE`.
pub async fn lock(env: &Env, tx: &mut TenantTx, cx: &Context, id: &str) -> Result<Undone, Error> {
    let id = parse(env.role, id)?;
    let found = store::lock_over(tx, id, cx.principal.id).await?.ok_or_else(not_found)?;
    if !found.has_ended {
        let text = "the operation is not over: cancel it first, or wait";
        return Err(Error::new(Code::FailedPrecondition, Reason::OPERATION_NOT_OVER, text));
    }
    if let Some(by) = found.undone_by {
        let text = "the operation has been undone already";
        return Err(Error::new(Code::FailedPrecondition, Reason::OPERATION_UNDONE, text)
            .with_metadata("undone_by", public(env.role, by)));
    }
    Ok(Undone { id, kind: found.kind, request: found.request })
}

/// Notes which operation takes another back.
pub async fn mark(tx: &mut TenantTx, undone: &Undone, by: Uuid) -> Result<(), Error> {
    Ok(store::mark_undone(tx, undone.id, by).await?)
}

/// The request of an operation of the caller's tenant, and which operation has taken it back.
pub async fn read(tx: &mut TenantTx, ids: &[Uuid]) -> Result<Vec<(Uuid, Vec<u8>, Option<Uuid>)>, Error> {
    Ok(store::requests(tx, ids).await?)
}

/// The public id of an operation.
pub fn public_id(env: &Env, id: Uuid) -> String {
    public(env.role, id)
}

/// The id of a public id. Errors: 404.
pub fn own_id(env: &Env, id: &str) -> Result<Uuid, Error> {
    parse(env.role, id)
}
