//! The brake on sign-ups: each makes an organisation for ever.

use std::time::Duration;

use db::{Db, TenantTx};
use error::{Code, Error, Reason};
use time::OffsetDateTime;

use super::{key, store};
use crate::config::SignUpConfig;

/// What one wide network (an IPv4 /24, an IPv6 /48) may make, in limits of a network. It may be several customers of a provider, so it
/// has several times as much; but what is made stays for ever, and whoever has a whole wide network has 256 or 65,536 networks. That
/// is why IPv4 is counted by /24 too, where requests are not: nobody makes organisations all day.
const NETWORKS_OF_WIDE: u32 = 8;

/// Counts a sign-up from a network in its hour and its day, and in those of the wide network, also one that fails for a slug that is
/// taken. Errors: 429 `SIGN_UP_THROTTLED`.
pub(crate) async fn count(
    db: &Db,
    network: &str,
    limits: SignUpConfig,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let wide = crate::network::wide(network);
    let of_wide = |limit: u32| limit.saturating_mul(NETWORKS_OF_WIDE);
    // In this order for all, so that two sign-ups never wait for each other crosswise.
    let windows = [
        ("sign-up", network, 3_600, limits.per_hour),
        ("sign-up", network, 86_400, limits.per_day),
        ("sign-up wide", &wide, 3_600, of_wide(limits.per_hour)),
        ("sign-up wide", &wide, 86_400, of_wide(limits.per_day)),
    ];
    let mut refused = None;
    let mut tx = TenantTx::begin(db, crate::directory::nobody()).await?;
    for (kind, network, seconds, limit) in windows {
        let window = now.unix_timestamp().div_euclid(seconds);
        let end = OffsetDateTime::from_unix_timestamp((window + 1) * seconds).map_err(Error::internal)?;
        let key = key(&[kind, network, &seconds.to_string(), &window.to_string()]);
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
