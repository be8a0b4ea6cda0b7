//! Makes the timelines of an organization anew from the journal: after a change of what follows from facts, or where entries were lost. Each fact
//! takes a transaction, in which its entries are replaced; so readers miss none meanwhile, and new facts are taken as ever.

use auth::VerifiedTenant;
use db::{Db, DbError, TenantTx};
use uuid::Uuid;

use super::{store, take};

/// Facts read at once, and entries looked at.
const PAGE: i64 = 500;

/// What was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rebuilt {
    /// Facts taken again.
    pub facts: u64,
    /// Entries of no fact, which are gone.
    pub strays: u64,
}

/// Makes the timelines of a tenant anew. It may be broken off and begun again.
pub async fn rebuild(db: &Db, tenant: VerifiedTenant) -> Result<Rebuilt, DbError> {
    let mut rebuilt = Rebuilt::default();
    let mut after = Some((Uuid::nil(), Uuid::nil()));
    while let Some(place) = after {
        let mut tx = TenantTx::begin_job(db, tenant).await?;
        let facts = store::facts(&mut tx, place, PAGE).await?;
        tx.commit().await?;
        after = facts.last().map(|fact| (fact.record_id, fact.event_id));
        for fact in &facts {
            let mut tx = TenantTx::begin_job(db, tenant).await?;
            // It may have gone with its record.
            if store::is_kept(&mut tx, fact).await? {
                take::again(&mut tx, fact).await?;
                rebuilt.facts += 1;
            }
            tx.commit().await?;
        }
    }
    let mut after = Some(store::Key::default());
    while let Some(place) = after {
        let mut tx = TenantTx::begin_job(db, tenant).await?;
        let swept = store::sweep(&mut tx, &place, PAGE).await?;
        tx.commit().await?;
        after = swept.map(|(last, strays)| {
            rebuilt.strays += strays.unsigned_abs();
            last
        });
    }
    Ok(rebuilt)
}
