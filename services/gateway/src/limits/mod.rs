//! Rate limits: a sliding window per tenant and per principal, shared through Redis, counted here when Redis is away.

mod lease;
mod redis_window;
mod window;

use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::time::Duration;

use error::{Code, Error};
use ids::Clock;
use tokio_util::sync::CancellationToken;

use lease::Leases;
use redis_window::RedisWindows;
use window::LocalWindows;

/// The window of every tier.
const WINDOW: Duration = Duration::from_secs(60);
/// Failures in a row after which Redis is left alone for [`PAUSE_MILLIS`].
const FAILURES_TO_OPEN: u32 = 5;
/// How often ended leases are looked for.
const GIVE_BACK_EVERY: Duration = Duration::from_millis(lease::LIFE_MILLIS.unsigned_abs());
const PAUSE_MILLIS: i64 = 1_000;

/// One counter that a request is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// `tenant`, `principal`, `address`.
    pub(crate) name: &'static str,
    /// The counter's key; holds the tenant in braces, so that all keys of a tenant live on one Redis node.
    pub(crate) key: String,
    /// Requests in a window.
    pub(crate) limit: u32,
}

/// How a tier stands after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// Seconds until the window has room again.
    pub(crate) reset: u64,
    pub(crate) allowed: bool,
}

/// The limiter.
#[derive(Debug)]
pub(crate) struct Limits {
    clock: Clock,
    redis: Option<RedisWindows>,
    leases: Leases,
    local: LocalWindows,
    failures: AtomicU32,
    closed_until: AtomicI64,
}

impl Limits {
    pub(crate) fn new(
        redis_url: Option<&secrecy::SecretString>,
        clock: Clock,
    ) -> Result<Self, redis::RedisError> {
        Ok(Self {
            clock,
            redis: redis_url.map(RedisWindows::new).transpose()?,
            leases: Leases::default(),
            local: LocalWindows::default(),
            failures: AtomicU32::new(0),
            closed_until: AtomicI64::new(0),
        })
    }

    /// Charges one request to every tier, or to none when one is full. Gives the tightest standing.
    pub(crate) async fn charge(&self, tiers: &[Tier]) -> (&'static str, Standing) {
        let now = self.now_millis();
        let (tier, standing) = match self.shared(tiers, now).await {
            Some(standing) => standing,
            None => tightest(&self.local.charge(tiers, now)),
        };
        (tiers.get(tier).map_or("none", |tier| tier.name), standing)
    }

    /// Whether the shared counters are in use.
    pub(crate) fn is_shared(&self) -> bool {
        self.redis.is_some() && self.closed_until.load(Ordering::Relaxed) <= self.now_millis()
    }

    async fn shared(&self, tiers: &[Tier], now: i64) -> Option<(usize, Standing)> {
        let redis = self.redis.as_ref()?;
        if let Some(leased) = self.leases.take(tiers, now) {
            return Some(leased);
        }
        if self.closed_until.load(Ordering::Relaxed) > now {
            return None;
        }
        match redis.charge(tiers, self.leases.order(tiers, now)).await {
            Ok(granted) => {
                self.failures.store(0, Ordering::Relaxed);
                if granted.requests > 0 {
                    self.leases.keep(tiers, &granted, now);
                }
                let (tier, standing) = tightest(&granted.standings);
                let ahead = granted.requests.saturating_sub(1);
                Some((tier, Standing { remaining: standing.remaining.saturating_add(ahead), ..standing }))
            }
            Err(error) => {
                let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
                if failures >= FAILURES_TO_OPEN {
                    self.closed_until.store(now + PAUSE_MILLIS, Ordering::Relaxed);
                }
                tracing::debug!(error = %error, failures, "rate limits are counted locally");
                None
            }
        }
    }

    /// Gives back what ended leases have left, until `shutdown` and then once more.
    pub(crate) async fn give_back(&self, shutdown: CancellationToken) {
        let Some(redis) = &self.redis else { return };
        let mut last = false;
        while !last {
            last = shutdown.run_until_cancelled(tokio::time::sleep(GIVE_BACK_EVERY)).await.is_none();
            let now = if last { i64::MAX } else { self.now_millis() };
            for (tiers, order) in self.leases.ended(now) {
                // Redis is away: the rest stays charged until its window is over.
                if let Err(error) = redis.charge(&tiers, order).await {
                    tracing::debug!(%error, "leased requests were not given back");
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
    let open = Standing { limit: u32::MAX, remaining: u32::MAX, reset: 0, allowed: true };
    let all = standings.iter().copied().enumerate();
    all.min_by_key(|(_, s)| (s.allowed, s.remaining)).unwrap_or((usize::MAX, open))
}

/// The refusal of a full tier.
pub(crate) fn refused(tier: &str, standing: Standing) -> Error {
    Error::new(
        Code::ResourceExhausted,
        "RATE_LIMITED",
        format!("the {tier} may make {} requests a minute", standing.limit),
    )
    .with_metadata("tier", tier)
    .with_retry_after(Duration::from_secs(standing.reset.max(1)))
}
