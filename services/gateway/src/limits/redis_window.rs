//! The same windows in Redis: one script per request, all tiers or none, by the server's clock.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, RedisError, Script};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::{Standing, Tier, WINDOW};

/// A request waits this long for Redis and then counts locally.
const DEADLINE: Duration = Duration::from_millis(20);

/// KEYS: one per tier. ARGV: the window in milliseconds, then one limit per tier. Answer: per tier used and reset, and
/// first whether all were charged.
const CHARGE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length = tonumber(ARGV[1])
local window = math.floor(now / length)
local into = now % length
local used, allowed = {}, 1
for i, key in ipairs(KEYS) do
  local current = tonumber(redis.call('GET', key .. ':' .. window) or '0')
  local previous = tonumber(redis.call('GET', key .. ':' .. (window - 1)) or '0')
  used[i] = current + math.floor(previous * (length - into) / length)
  if used[i] >= tonumber(ARGV[i + 1]) then allowed = 0 end
end
if allowed == 1 then
  for i, key in ipairs(KEYS) do
    redis.call('INCR', key .. ':' .. window)
    redis.call('PEXPIRE', key .. ':' .. window, length * 2)
    used[i] = used[i] + 1
  end
end
local answer = {allowed, math.ceil((length - into) / 1000)}
for i, count in ipairs(used) do answer[i + 2] = count end
return answer
";

pub(crate) struct RedisWindows {
    client: Client,
    connection: OnceCell<ConnectionManager>,
    charge: Script,
}

impl std::fmt::Debug for RedisWindows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisWindows").finish_non_exhaustive()
    }
}

impl RedisWindows {
    pub(crate) fn new(url: &SecretString) -> Result<Self, RedisError> {
        Ok(Self {
            client: Client::open(url.expose_secret())?,
            connection: OnceCell::new(),
            charge: Script::new(CHARGE),
        })
    }

    /// Charges all tiers or none.
    pub(crate) async fn charge(&self, tiers: &[Tier]) -> Result<Vec<Standing>, RedisError> {
        let late = || RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut));
        let answer = tokio::time::timeout(DEADLINE, self.run(tiers)).await.map_err(|_| late())??;
        let (allowed, reset) = (answer.first() == Some(&1), answer.get(1).copied().unwrap_or(1));
        Ok(tiers
            .iter()
            .zip(answer.iter().skip(2))
            .map(|(tier, used)| {
                let used = u32::try_from(*used).unwrap_or(u32::MAX);
                let full = used >= tier.limit;
                Standing {
                    limit: tier.limit,
                    remaining: tier.limit.saturating_sub(used),
                    reset: u64::try_from(reset).unwrap_or(1),
                    allowed: allowed || !full,
                }
            })
            .collect())
    }

    async fn run(&self, tiers: &[Tier]) -> Result<Vec<i64>, RedisError> {
        let mut connection = self.connection.get_or_try_init(|| self.connect()).await?.clone();
        let mut call = self.charge.prepare_invoke();
        for tier in tiers {
            call.key(&tier.key);
        }
        call.arg(WINDOW.as_millis() as i64);
        for tier in tiers {
            call.arg(tier.limit);
        }
        call.invoke_async(&mut connection).await
    }

    async fn connect(&self) -> Result<ConnectionManager, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(DEADLINE * 10))
            .set_response_timeout(Some(DEADLINE))
            .set_number_of_retries(1);
        ConnectionManager::new_with_config(self.client.clone(), config).await
    }
}
