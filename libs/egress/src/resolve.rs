//! From host names to addresses.
//!
//! Not by the system's `getaddrinfo`: it holds a thread for as long as a name server that a customer chose takes to answer, a dropped call too; it
//! would try a name with each search domain of a cluster, and it reads `/etc/hosts`, where the names of the machine's neighbours are.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{LookupIpStrategy, ResolveHosts, ResolverOpts};

/// What a resolver gives, in time.
pub type Resolved<'a> = Pin<Box<dyn Future<Output = Result<Vec<IpAddr>, ResolveError>> + Send + 'a>>;

/// Knows the addresses of hosts. What it answers is what is connected to; nobody asks a second time.
pub trait Resolve: Send + Sync {
    /// All addresses of a host, whose name is in ASCII and has no dot at its end. The caller has a deadline of its own.
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a>;
}

/// Why a resolver has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address.
    #[error("the name has no address")]
    NoAddress,
    /// Nobody answered, or nobody could be asked. The text is for the log.
    #[error("names cannot be resolved: {0}")]
    Failed(String),
}

/// How long an answer may be kept, whatever it says of itself.
const LONGEST_KEPT: Duration = Duration::from_secs(300);
/// The same for "there is none", so that a name that was just made is found soon.
const LONGEST_MISSED: Duration = Duration::from_secs(10);
/// Answers that are kept: each of a few hundred bytes.
const MOST_KEPT: u64 = 4_096;
/// Questions at one time to a name server over one connection.
const MOST_QUESTIONS: usize = 512;

/// DNS by the name servers of `/etc/resolv.conf`, as it was when this was made.
pub struct Dns(TokioResolver);

impl fmt::Debug for Dns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Dns")
    }
}

impl Dns {
    /// Asks the system's name servers.
    pub fn of_system() -> Result<Self, ResolveError> {
        let mut builder = TokioResolver::builder_tokio().map_err(|error| failed(&error))?;
        limit(builder.options_mut());
        Ok(Self(builder.build().map_err(|error| failed(&error))?))
    }

    /// Asks one name server, where names have a search domain as in a cluster.
    #[cfg(test)]
    pub(crate) fn of_server(server: std::net::SocketAddr) -> Result<Self, ResolveError> {
        use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
        use hickory_resolver::net::runtime::TokioRuntimeProvider;
        use hickory_resolver::proto::rr::Name;

        let mut connection = ConnectionConfig::udp();
        connection.port = server.port();
        let server = NameServerConfig::new(server.ip(), true, vec![connection]);
        let mut config = ResolverConfig::from_name_servers(vec![server]);
        config.add_search(Name::from_ascii("cluster.local.").map_err(|error| failed(&error))?);
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        limit(builder.options_mut());
        Ok(Self(builder.build().map_err(|error| failed(&error))?))
    }
}

fn limit(options: &mut ResolverOpts) {
    options.ndots = 1;
    options.timeout = Duration::from_secs(1);
    options.attempts = 1;
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.cache_size = MOST_KEPT;
    options.positive_max_ttl = Some(LONGEST_KEPT);
    options.negative_max_ttl = Some(LONGEST_MISSED);
    options.max_active_requests = MOST_QUESTIONS;
}

fn failed(error: &impl fmt::Display) -> ResolveError {
    ResolveError::Failed(error.to_string())
}

impl Resolve for Dns {
    fn resolve<'a>(&'a self, host: &'a str) -> Resolved<'a> {
        Box::pin(async move {
            // With the dot no search domain is tried.
            match self.0.lookup_ip(format!("{host}.")).await {
                Ok(found) => Ok(found.iter().collect()),
                Err(error) if error.is_no_records_found() => Err(ResolveError::NoAddress),
                Err(error) => Err(failed(&error)),
            }
        })
    }
}
