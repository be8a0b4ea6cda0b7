//! The brake on sign-ups: each makes an organisation for ever.

use std::time::Duration;

use db::{Db, TenantTx};
use error::{Code, Error, Reason};
use time::OffsetDateTime;

use super::{key, store};
use crate::config::SignUpConfig;

/// Counts a sign-up from a network in its hour and its day, also one that fails for a slug that is taken. Errors: 429
/// `SIGN_UP_THROTTLED`.
pub(crate) async fn count(
    db: &Db,
    network: &str,
    limits: SignUpConfig,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let windows = [(3_600, limits.per_hour), (86_400, limits.per_day)];
    let mut refused = None;
    let mut tx = TenantTx::begin(db, crate::directory::nobody()).await?;
    for (seconds, limit) in windows {
        let window = now.unix_timestamp().div_euclid(seconds);
        let end = OffsetDateTime::from_unix_timestamp((window + 1) * seconds).map_err(Error::internal)?;
        let key = key(&["sign-up", network, &seconds.to_string(), &window.to_string()]);
        let (count, _) = store::count(&mut tx, &key, now, end).await?;
        if i64::from(count) > i64::from(limit) {
            refused = refused.max(Some(end));
        }
    }
    tx.commit().await?;
    match refused.and_then(|end| Duration::try_from(end - now).ok()) {
        None => Ok(()),
        Some(wait) => {
            let text = "too many organisations were created from this network; wait before the next";
            Err(Error::new(Code::ResourceExhausted, Reason::SIGN_UP_THROTTLED, text).with_retry_after(wait))
        }
    }
}
