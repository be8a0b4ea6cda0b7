//! Makes the timelines of an organization anew from the journal: after a change of what follows from facts, or where entries were lost. Each fact
//! takes a transaction, in which its entries are replaced; so readers miss none meanwhile, and new facts are taken in between.

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx};
use uuid::Uuid;

use super::store::{self, entries, journal};
use super::take;

/// Facts read at once, and entries looked at.
const PAGE: i64 = 500;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Facts taken again.
    pub facts: u64,
    /// Entries of no fact, which are deleted.
    pub strays: u64,
}

/// Makes the timelines of a tenant anew. It may be broken off and begun again.
pub async fn rebuild(db: &Db, tenant: VerifiedTenant) -> Result<Rebuilt, DbError> {
    let mut rebuilt = Rebuilt::default();
    let mut after = Some((Uuid::nil(), Uuid::nil()));
    while let Some(place) = after {
        let mut tx = TenantTx::begin_job(db, tenant).await?;
        let keys = journal::keys(&mut tx, place, PAGE).await?;
        tx.commit().await?;
        after = keys.last().copied();
        for key in keys {
            let mut tx = TenantTx::begin_job(db, tenant).await?;
            store::alone(&mut tx).await?;
            // It may have gone with its record, and a purge may have found further records.
            if let Some(fact) = journal::fact(&mut tx, key).await? {
                take::again(&mut tx, &fact).await?;
                rebuilt.facts += 1;
            }
            tx.commit().await?;
        }
    }
    let mut after = Some(entries::Key::default());
    while let Some(place) = after {
        let mut tx = TenantTx::begin_job(db, tenant).await?;
        store::alone(&mut tx).await?;
        let swept = entries::sweep(&mut tx, &place, PAGE).await?;
        tx.commit().await?;
        after = swept.map(|(last, strays)| {
            rebuilt.strays += strays.unsigned_abs();
            last
        });
    }
    Ok(rebuilt)
}
