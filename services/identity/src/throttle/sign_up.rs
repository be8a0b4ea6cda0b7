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

/// Counts a sign-up from a network in its hour and its day, also one that fails for a slug that is taken; and what the network may make
/// in those of the wide network: one network alone must not use that up. Errors: 429 `SIGN_UP_THROTTLED`.
///
/// A sign-up refused for the wide network is not counted: it has up to 65,536 networks, and each could add rows and use up the
/// global daily limit.
pub(crate) async fn count(
    db: &Db,
    network: &str,
    limits: SignUpConfig,
    now: OffsetDateTime,
) -> Result<(), Error> {
    let wide = crate::network::wide(network);
    let of_wide = |limit: u32| limit.saturating_mul(NETWORKS_OF_WIDE);
    let of_wide = SignUpConfig { per_hour: of_wide(limits.per_hour), per_day: of_wide(limits.per_day) };
    let mut tx = TenantTx::begin(db, crate::directory::nobody()).await?;
    // In this order for all, so that two sign-ups never wait for each other crosswise.
    let of_network = count_in(&mut tx, ("sign-up", network), limits, now).await?;
    let of_all = match of_network {
        None => count_in(&mut tx, ("sign-up wide", &wide), of_wide, now).await?,
        Some(_) => None,
    };
    match of_all {
        None => tx.commit().await?,
        Some(_) => tx.rollback().await?,
    }
    match of_network.or(of_all).and_then(|end| Duration::try_from(end - now).ok()) {
        None => Ok(()),
        Some(wait) => {
            let text = "too many organizations were created from this network; wait before the next";
            Err(Error::new(Code::ResourceExhausted, Reason::SIGN_UP_THROTTLED, text).with_retry_after(wait))
        }
    }
}

/// Counts in the hour and the day of a network; gives the end of the later one that is full.
async fn count_in(
    tx: &mut TenantTx,
    (kind, network): (&str, &str),
    limits: SignUpConfig,
    now: OffsetDateTime,
) -> Result<Option<OffsetDateTime>, Error> {
    let mut full = None;
    for (seconds, limit) in [(3_600, limits.per_hour), (86_400, limits.per_day)] {
        let window = now.unix_timestamp().div_euclid(seconds);
        let end = OffsetDateTime::from_unix_timestamp((window + 1) * seconds).map_err(Error::internal)?;
        let key = key(&[kind, network, &seconds.to_string(), &window.to_string()]);
        let (count, _) = store::count(tx, &key, now, end).await?;
        if i64::from(count) > i64::from(limit) {
            full = full.max(Some(end));
        }
    }
    Ok(full)
}
