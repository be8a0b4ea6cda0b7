//! Rate limits: a sliding window per tenant and principal, or network and address ([`Tier`]), shared through Redis, and counted here
//! as well.
//!
//! Both counts run all the time and the tighter one decides. So one gateway never lets more through than the limit, however slow
//! Redis is or how often it goes and comes; several of them share the limit while Redis answers, and have one each while it does
//! not. What the windows allow is spread over the minute ([`pace`]).

mod accounts;
mod lease;
mod pace;
mod redis_window;
mod tier;
mod window;

use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use error::{Code, Error, Reason};
use ids::Clock;
use tokio_util::sync::CancellationToken;

use accounts::{Accounts, Judged};
use lease::{Leases, Order, Shared};
use redis_window::RedisWindows;
pub(crate) use tier::{Limit, Tier};

/// The window of every tier.
const WINDOW: Duration = Duration::from_secs(60);
/// Whoever goes on after many refusals waits so long for the next ones: a refusal costs little, and a caller who gets thousands of
/// them in a second takes the processor from others all the same.
const LATE: Duration = Duration::from_secs(1);
/// A request waits this long for Redis.
const DEADLINE: Duration = Duration::from_millis(20);
/// Callers with costs to be charged at once; beyond it those of newcomers are charged here alone.
const MAX_OWING: usize = 10_000;
/// Failures in a row after which Redis is left alone for [`PAUSE_MILLIS`].
const FAILURES_TO_OPEN: u32 = 5;
/// How often ended leases, what is owed and lapsed accounts are looked for, and how long one of the former may take.
const SETTLE_EVERY: Duration = Duration::from_millis(lease::LIFE_MILLIS.unsigned_abs());
const SETTLE_DEADLINE: Duration = Duration::from_millis(500);
const PAUSE_MILLIS: i64 = 1_000;

/// How a tier stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until the window has room again.
    pub(crate) reset: u64,
    pub(crate) allowed: bool,
}

/// How no tier stands.
const OPEN: Standing = Standing { limit: u32::MAX, remaining: u32::MAX, reset: 0, allowed: true };

/// Where a request was charged: there it can be given back, once.
#[derive(Debug)]
pub(crate) struct Receipt {
    /// The time at which it was charged here.
    at: i64,
    /// The window that Redis has charged it to; `None` where Redis did not answer in time.
    window: Option<i64>,
}

/// How requests end.
#[derive(Debug)]
pub(crate) struct Charged {
    /// The tightest tier's name.
    pub(crate) tier: &'static str,
    pub(crate) standing: Standing,
    /// Before it goes on, or before its refusal is answered.
    pub(crate) wait: Duration,
    /// Of one that may go on.
    pub(crate) receipt: Option<Receipt>,
}

/// The limiter.
#[derive(Debug)]
pub(crate) struct Limits {
    clock: Clock,
    redis: Option<Arc<RedisWindows>>,
    leases: Arc<Leases>,
    local: Accounts,
    /// What requests cost beyond one, to be charged to Redis with the next round.
    owing: Mutex<HashMap<String, (Vec<Tier>, u32)>>,
    failures: AtomicU32,
    closed_until: AtomicI64,
    tasks: host::Tasks,
}

impl Limits {
    pub(crate) fn new(
        redis_url: Option<&secrecy::SecretString>,
        redis_ca_file: Option<&Path>,
        clock: Clock,
        tasks: host::Tasks,
    ) -> Result<Self, redis::RedisError> {
        Ok(Self {
            clock,
            redis: redis_url.map(|url| RedisWindows::new(url, redis_ca_file)).transpose()?.map(Arc::new),
            leases: Arc::default(),
            local: Accounts::default(),
            owing: Mutex::default(),
            failures: AtomicU32::new(0),
            closed_until: AtomicI64::new(0),
            tasks,
        })
    }

    /// Charges one request to every tier, or to none when one is full or the request is far ahead of its turn.
    pub(crate) async fn charge(&self, tiers: &[Tier]) -> Charged {
        let now = self.now_millis();
        let Judged { mut tier, mut standing, mut wait } = self.local.charge(tiers, now);
        let mut receipt = Receipt { at: now, window: None };
        if standing.allowed
            && let Some(shared) = self.shared(tiers, now).await
        {
            receipt.window = Some(shared.window);
            if !shared.standing.allowed {
                self.local.give_back(tiers, now, self.now_millis());
            }
            if !shared.standing.allowed || shared.standing.remaining < standing.remaining {
                (tier, standing) = (shared.tier, shared.standing);
            }
        }
        if !standing.allowed {
            let late = tiers.get(tier).is_some_and(|tier| self.local.refuse(tier, now));
            wait = if late { LATE } else { Duration::ZERO };
        }
        let receipt = standing.allowed.then_some(receipt);
        Charged { tier: tiers.get(tier).map_or("none", |tier| tier.name), standing, wait, receipt }
    }

    /// Gives one request back that was charged: here, and to Redis only if that has charged it, too.
    pub(crate) fn give_one_back(&self, tiers: &[Tier], receipt: Option<Receipt>) {
        let Some(Receipt { at, window }) = receipt else { return };
        self.local.give_back(tiers, at, self.now_millis());
        if let Some(window) = window {
            self.leases.give_back(tiers, window);
        }
    }

    /// Charges what a request that was let through cost beyond one.
    pub(crate) fn charge_more(&self, tiers: &[Tier], cost: u32) {
        let now = self.now_millis();
        self.local.add(tiers, cost, now);
        let Some(caller) = tiers.last().filter(|_| self.redis.is_some()) else { return };
        let mut owing = self.owing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, owed)) = owing.get_mut(&caller.key) {
            *owed = owed.saturating_add(cost);
        } else if owing.len() < MAX_OWING {
            owing.insert(caller.key.clone(), (tiers.to_vec(), cost));
        }
    }

    /// Whether the shared counters are in use.
    pub(crate) fn is_shared(&self) -> bool {
        self.redis.is_some() && self.closed_until.load(Ordering::Relaxed) <= self.now_millis()
    }

    async fn shared(&self, tiers: &[Tier], now: i64) -> Option<Shared> {
        let redis = self.redis.as_ref()?;
        if let Some(leased) = self.leases.take(tiers, now) {
            return Some(leased);
        }
        if self.closed_until.load(Ordering::Relaxed) > now {
            return None;
        }
        let (redis, order) = (redis.clone(), self.leases.order(tiers, now));
        let wanted = tiers.to_vec();
        let mut charge = Box::pin(async move { (redis.charge(&wanted, order).await, wanted) });
        let failed = match tokio::time::timeout(DEADLINE, &mut charge).await {
            Ok((Ok(granted), _)) => {
                self.failures.store(0, Ordering::Relaxed);
                if granted.requests > 0 {
                    self.leases.keep(tiers, &granted, now);
                }
                let (tier, standing) = tightest(&granted.standings);
                let ahead = granted.requests.saturating_sub(1);
                let remaining = standing.remaining.saturating_add(ahead);
                return Some(Shared {
                    tier,
                    standing: Standing { remaining, ..standing },
                    window: granted.window,
                });
            }
            Ok((Err(error), _)) => error::chain(&error).to_string(),
            Err(_) => {
                // What it charges when it comes after all is not lost: the request was let through by the count here, and the
                // rest is used or given back.
                let leases = self.leases.clone();
                drop(self.tasks.spawn("gateway.late-charge", async move {
                    match charge.await {
                        (Ok(granted), tiers) if granted.requests > 0 => leases.keep(&tiers, &granted, now),
                        (Ok(_), _) => {}
                        // Of a server that cannot be reached this is the only one that says why.
                        (Err(error), _) => {
                            tracing::debug!(error = %error::chain(&error), "rate limits are counted locally");
                        }
                    }
                }));
                "late".to_owned()
            }
        };
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures >= FAILURES_TO_OPEN {
            self.closed_until.store(now + PAUSE_MILLIS, Ordering::Relaxed);
        }
        if failures == FAILURES_TO_OPEN {
            // Once, until it answers again: what is wrong is told at each try, on `debug`.
            tracing::warn!("Redis does not answer in time: this gateway counts rate limits by itself");
        }
        tracing::debug!(error = failed, failures, "rate limits are counted locally");
        None
    }

    /// Forgets who has used nothing lately, gives back what ended leases have left and charges what is owed, until `shutdown` and then
    /// once more.
    pub(crate) async fn settle(&self, shutdown: CancellationToken) {
        let mut last = false;
        while !last {
            last = shutdown.run_until_cancelled(tokio::time::sleep(SETTLE_EVERY)).await.is_none();
            self.local.sweep(self.now_millis());
            let Some(redis) = &self.redis else { continue };
            let now = if last { i64::MAX } else { self.now_millis() };
            let owing = std::mem::take(&mut *self.owing.lock().unwrap_or_else(PoisonError::into_inner));
            let owing = owing.into_values().map(|(tiers, owed)| (tiers, Order::of_more(owed)));
            for (tiers, order) in self.leases.ended(now).into_iter().chain(owing) {
                // Redis is away: the rest stays charged until its window is over, and what is owed is charged here alone.
                let charged = tokio::time::timeout(SETTLE_DEADLINE, redis.charge(&tiers, order)).await;
                if !matches!(charged, Ok(Ok(_))) {
                    tracing::debug!("leased requests were not given back");
                    break;
                }
            }
        }
    }

    fn now_millis(&self) -> i64 {
        i64::try_from(self.clock.now().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
    }
}

/// The tier that leaves least, by its place.
fn tightest(standings: &[Standing]) -> (usize, Standing) {
    let all = standings.iter().copied().enumerate();
    all.min_by_key(|(_, s)| (s.allowed, s.remaining)).unwrap_or((usize::MAX, OPEN))
}

/// The refusal of a full tier.
pub(crate) fn refused(tier: &str, standing: Standing) -> Error {
    let whose = if tier == "api_key" { "API key" } else { tier };
    Error::new(
        Code::ResourceExhausted,
        Reason::RATE_LIMITED,
        format!(
            "the {whose} may make {} requests a minute, beyond an initial burst at an even pace",
            standing.limit
        ),
    )
    .with_metadata("tier", tier)
    .with_retry_after(Duration::from_secs(standing.reset.max(1)))
}

#[cfg(test)]
mod tests;
