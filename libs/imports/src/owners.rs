//! Owners that rows name by their e-mail addresses. They are looked up once for a batch. An address that nobody has whom the caller may
//! see is an error of its row.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use auth::{Context, Future};
use error::{Error, Reason};
use rpc::identity::Identity;
use uuid::Uuid;

use super::row::ReadRow;

/// Asks identity for the users of the caller's tenant who have these addresses: address and id.
pub type FindUsers =
    Arc<dyn Fn(Context, Vec<String>) -> Future<Result<Vec<(String, Uuid)>, Error>> + Send + Sync>;

/// Asks identity.
pub fn users(identity: Identity) -> FindUsers {
    Arc::new(move |cx, addresses| {
        let identity = identity.clone();
        Box::pin(async move {
            let found = identity.users_by_email(&cx, addresses).await?;
            Ok(found.into_iter().map(|(address, id)| (address, id.uuid())).collect())
        })
    })
}

/// Finds the owners. Asks identity, so it comes before the transaction.
pub(super) async fn find(users: &FindUsers, cx: &Context, rows: &mut [Option<ReadRow>]) -> Result<(), Error> {
    let addresses: BTreeSet<String> = rows.iter().flatten().filter_map(|row| row.owner.clone()).collect();
    if addresses.is_empty() {
        return Ok(());
    }
    let found: HashMap<String, Uuid> =
        users(cx.clone(), addresses.into_iter().collect()).await?.into_iter().collect();
    for row in rows.iter_mut().flatten() {
        let Some(address) = &row.owner else { continue };
        if let Some(id) = found.get(address) {
            row.fields.insert("owner_id".to_owned(), id.to_string().into());
        } else {
            let text = "no active user that you may see has this e-mail address";
            row.violations.note("/owner_id", Reason::REFERENCE_NOT_FOUND, text);
        }
    }
    Ok(())
}
