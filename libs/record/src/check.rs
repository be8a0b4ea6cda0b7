//! Says which records that another service names do not exist for the caller.

use auth::Context;
use db::TenantTx;
use error::{Error, Reason};
use proto::common::v1::RecordIds;
use uuid::Uuid;

use super::Env;
use super::reference::reached;

/// Most ids in one call.
pub(crate) const MAX_IDS: usize = 1_000;

/// The ids that the caller may not refer to, in the order asked. Deleted records, records of other tenants, records that the caller may
/// not read, objects that this service does not store, and malformed ids cannot be distinguished. Errors: 400 above 1,000 ids.
pub async fn check(env: &Env, cx: &Context, asked: Vec<RecordIds>) -> Result<Vec<RecordIds>, Error> {
    if asked.iter().map(|records| records.ids.len()).sum::<usize>() > MAX_IDS {
        return Err(Error::malformed(Reason::TOO_MANY_IDS, format!("at most {MAX_IDS} ids in one call")));
    }
    let mut unknown = Vec::new();
    let mut tx = TenantTx::begin(&env.db, cx.tenant).await?;
    for RecordIds { object, ids: mut texts } in asked {
        let ids: Vec<Uuid> = texts.iter().filter_map(|text| Uuid::try_parse(text).ok()).collect();
        let found = reached(env, &mut tx, cx, &object, &ids).await?;
        texts.retain(|text| Uuid::try_parse(text).map_or(true, |id| !found.contains(&id)));
        if !texts.is_empty() {
            unknown.push(RecordIds { object, ids: texts });
        }
    }
    tx.commit().await?;
    Ok(unknown)
}
