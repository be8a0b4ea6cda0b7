//! The outbox: an event commits with the change it tells of.
//!
//! **Invariant of the hole rule.** A transaction owns a transaction id before it draws a number: a relay that sees number
//! `n + 1` may then conclude from its snapshot alone that the writer of `n` is older than that snapshot's `xmax`. `nextval`
//! does not give an id by itself (it does only when it writes WAL, once in 32 numbers). The rule therefore lives where no
//! caller can pass it by: numbers come from the schema's function `outbox_next(lane)`, PL/pgSQL, which runs
//! `pg_current_xact_id()` and then `nextval`, in this order, and the sequences do not cache.
//!
//! Append after the statement that raised the record's version: its row lock then keeps the numbers of one record in the
//! order of its versions.

use db::{DbError, TenantTx};

use crate::NewEvent;

mod store;

/// Writes one event into the schema of the transaction.
pub async fn append(tx: &mut TenantTx, event: &NewEvent) -> Result<(), DbError> {
    append_many(tx, std::slice::from_ref(event)).await
}

/// Writes events in their order, in one statement.
pub async fn append_many(tx: &mut TenantTx, events: &[NewEvent]) -> Result<(), DbError> {
    for events in events.chunks(store::CHUNK) {
        store::insert(tx, events).await?;
    }
    Ok(())
}
