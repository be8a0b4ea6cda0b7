//! The same windows in Redis: one script per charge, all tiers or none, by the server's clock.

use std::path::Path;
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo, RedisError, Script, TlsCertificates};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OnceCell;

use super::lease::Order;
use super::{Standing, Tier, WINDOW};

/// An answer of Redis that takes longer is none. Requests do not wait for it so long (`super::DEADLINE`).
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(1);

/// KEYS: one per tier. ARGV: the length of a window in milliseconds, the requests wanted, those charged before and not made
/// (less than 0: so many more are charged), the window that those were charged to, then one limit per tier. Answer: the requests granted (0: a tier is full), the
/// seconds until the window ends, its number, and what each tier has used.
const CHARGE: &str = r"
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local length, granted, unused, charged = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local window = math.floor(now / length)
local into = now % length
local used, back = {}, {}
for i, key in ipairs(KEYS) do
  local current = tonumber(redis.call('GET', key .. ':' .. window) or '0')
  local previous = tonumber(redis.call('GET', key .. ':' .. (window - 1)) or '0')
  back[i] = 0
  if unused < 0 then
    back[i] = unused
  elseif charged == window then
    back[i] = math.min(unused, current)
  elseif charged == window - 1 and math.min(unused, previous) > 0 then
    local late = math.min(unused, previous)
    redis.call('DECRBY', key .. ':' .. charged, late)
    previous = previous - late
  end
  used[i] = current - back[i] + math.floor(previous * (length - into) / length)
  granted = math.max(math.min(granted, tonumber(ARGV[i + 4]) - used[i]), 0)
end
for i, key in ipairs(KEYS) do
  used[i] = used[i] + granted
  if granted ~= back[i] then
    redis.call('INCRBY', key .. ':' .. window, granted - back[i])
    redis.call('PEXPIRE', key .. ':' .. window, length * 2)
  end
end
local answer = {granted, math.ceil((length - into) / 1000), window}
for i, count in ipairs(used) do answer[i + 3] = count end
return answer
";

/// What a charge came to.
#[derive(Debug)]
pub(super) struct Granted {
    /// At most those wanted.
    pub(super) requests: u32,
    /// The window that they are charged to.
    pub(super) window: i64,
    /// How each tier stands with them.
    pub(super) standings: Vec<Standing>,
}

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
    /// With a file of certificates by TLS, which nothing else than these vouches for.
    pub(crate) fn new(url: &SecretString, ca_file: Option<&Path>) -> Result<Self, RedisError> {
        // One small packet each way: waiting for more to send would only cost time.
        let info = url.expose_secret().into_connection_info()?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = match ca_file {
            None => Client::open(info)?,
            Some(file) => {
                let certificates =
                    TlsCertificates { client_tls: None, root_cert: Some(std::fs::read(file)?) };
                Client::build_with_tls(info, certificates)?
            }
        };
        Ok(Self { client, connection: OnceCell::new(), charge: Script::new(CHARGE) })
    }

    /// Charges all tiers or none.
    pub(super) async fn charge(&self, tiers: &[Tier], order: Order) -> Result<Granted, RedisError> {
        let answer = self.run(tiers, order).await?;
        let number = |place: usize| answer.get(place).and_then(|n| u32::try_from(*n).ok());
        let (requests, reset) = (number(0).unwrap_or(0), number(1).unwrap_or(1));
        let standing = |(place, tier): (usize, &Tier)| {
            let used = number(place + 3).unwrap_or(u32::MAX);
            Standing {
                limit: tier.limit,
                remaining: tier.limit.saturating_sub(used),
                reset: reset.into(),
                allowed: requests > 0 || used < tier.limit,
            }
        };
        let standings = tiers.iter().enumerate().map(standing).collect();
        Ok(Granted { requests, window: answer.get(2).copied().unwrap_or(0), standings })
    }

    async fn run(&self, tiers: &[Tier], order: Order) -> Result<Vec<i64>, RedisError> {
        let mut connection = self.connection.get_or_try_init(|| self.connect()).await?.clone();
        let mut call = self.charge.prepare_invoke();
        for tier in tiers {
            call.key(&tier.key);
        }
        call.arg(WINDOW.as_millis() as i64).arg(order.wanted).arg(order.unused).arg(order.window);
        for tier in tiers {
            call.arg(tier.limit);
        }
        call.invoke_async(&mut connection).await
    }

    async fn connect(&self) -> Result<ConnectionManager, RedisError> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(RESPONSE_TIMEOUT))
            .set_response_timeout(Some(RESPONSE_TIMEOUT))
            .set_number_of_retries(1);
        ConnectionManager::new_with_config(self.client.clone(), config).await
    }
}
