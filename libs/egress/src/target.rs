//! URLs that may be called.

use std::fmt;
use std::net::IpAddr;

use http::HeaderValue;
use http::uri::PathAndQuery;
use tokio_rustls::rustls::pki_types::ServerName;
use url::{Host, Url};

use crate::{AddressPolicy, Failure, REFUSED_ADDRESS};

/// Longest URL, in bytes.
pub const MOST_URL_BYTES: usize = 2_048;

/// Above 1023 all ports may be called but for those of services that answer whoever reaches them: databases, brokers, caches, orchestration.
const REFUSED_PORTS: [u16; 46] = [
    1433, 1521, 1719, 1720, 1723, 1883, 2049, 2181, 2375, 2376, 2379, 2380, 3306, 3389, 3659, 4045, 4190,
    4369, 5060, 5061, 5432, 5671, 5672, 5900, 5984, 6000, 6379, 6380, 6443, 6566, 6667, 6697, 8086, 8500,
    9042, 9092, 9200, 9300, 10080, 10250, 10255, 11211, 15671, 15672, 25672, 27017,
];

/// What customers' URLs and addresses must be like.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// `http://` is allowed, too.
    pub allow_http: bool,
    /// Which addresses may be called.
    pub addresses: AddressPolicy,
}

/// Why a URL is not called. The text follows the name of the field, and is for whoever gave the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlRefusal {
    /// Too long.
    #[error("must have at most {MOST_URL_BYTES} bytes")]
    TooLong,
    /// It cannot be read, or has characters that programs read differently.
    #[error("must be a URL like https://example.com/path, without spaces and backslashes")]
    NotAUrl,
    /// Another scheme than https.
    #[error("must begin with https://")]
    NotHttps,
    /// Another scheme than https and http, where both are allowed.
    #[error("must begin with https:// or http://")]
    NotHttp,
    /// It has a user's name or a password.
    #[error("must have no user name and no password")]
    UserInfo,
    /// It has a part behind `#`, which no server sees.
    #[error("must have no part behind a #")]
    Fragment,
    /// The name of the host has an end, a length or characters that names do not have.
    #[error("must have a host name like example.com, without a dot at its end")]
    Host,
    /// A port of services that are not called this way.
    #[error("has a port that may not be called: take 443, 8443, or another one above 1023")]
    Port,
    /// An address that may not be called.
    #[error("{REFUSED_ADDRESS}")]
    Address,
}

/// A URL that was looked at: what is called is what was looked at.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    host: Host<String>,
    port: u16,
    is_secure: bool,
    authority: HeaderValue,
    path: PathAndQuery,
    name: ServerName<'static>,
}

impl fmt::Debug for Target {
    /// The path of a URL can be all that keeps strangers from calling it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Target {
    /// Reads a URL, by the rules that browsers follow (WHATWG): `0x7f.1`, `2130706433`, `%31%32%37.0.0.1` and `１２７.0.0.1` are all addresses, and
    /// looked at as such.
    pub fn read(text: &str, policy: &Policy) -> Result<Self, UrlRefusal> {
        if text.len() > MOST_URL_BYTES {
            return Err(UrlRefusal::TooLong);
        }
        // The parser would take them out, or take one for a slash.
        if text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(UrlRefusal::NotAUrl);
        }
        let url = Url::parse(text).map_err(|_| UrlRefusal::NotAUrl)?;
        let is_secure = match (url.scheme(), policy.allow_http) {
            ("https", _) => true,
            ("http", true) => false,
            (_, true) => return Err(UrlRefusal::NotHttp),
            (_, false) => return Err(UrlRefusal::NotHttps),
        };
        if !url.username().is_empty() || url.password().is_some() {
            return Err(UrlRefusal::UserInfo);
        }
        if url.fragment().is_some() {
            return Err(UrlRefusal::Fragment);
        }
        let host = url.host().ok_or(UrlRefusal::NotAUrl)?.to_owned();
        let port = url.port_or_known_default().ok_or(UrlRefusal::NotAUrl)?;
        if !is_callable(port, policy) {
            return Err(UrlRefusal::Port);
        }
        let name = match &host {
            Host::Domain(name) if !is_name(name) => return Err(UrlRefusal::Host),
            Host::Domain(name) => ServerName::try_from(name.clone()),
            Host::Ipv4(address) => ServerName::try_from(address.to_string()),
            Host::Ipv6(address) => ServerName::try_from(address.to_string()),
        };
        let name = name.map_err(|_| UrlRefusal::Host)?;
        let address: Option<IpAddr> = match host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        };
        if address.is_some_and(|address| !policy.addresses.permits(address)) {
            return Err(UrlRefusal::Address);
        }
        let shown = url.host_str().ok_or(UrlRefusal::NotAUrl)?;
        // `port` is none where it is the scheme's own.
        let authority = url.port().map_or_else(|| shown.to_owned(), |port| format!("{shown}:{port}"));
        let authority = HeaderValue::try_from(authority).map_err(|_| UrlRefusal::Host)?;
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let path = format!("{}{query}", url.path());
        let path = PathAndQuery::try_from(path).map_err(|_| UrlRefusal::NotAUrl)?;
        Ok(Self { host, port, is_secure, authority, path, name })
    }

    /// The host, as it is resolved.
    pub(crate) fn host(&self) -> &Host<String> {
        &self.host
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// What the certificate must be for.
    pub(crate) fn server_name(&self) -> ServerName<'static> {
        self.name.clone()
    }

    /// The header `Host`.
    pub(crate) fn authority(&self) -> HeaderValue {
        self.authority.clone()
    }

    pub(crate) fn path(&self) -> PathAndQuery {
        self.path.clone()
    }
}

impl From<UrlRefusal> for Failure {
    /// Of a URL that was taken once and is refused now, as the policy has changed.
    fn from(refusal: UrlRefusal) -> Self {
        match refusal {
            UrlRefusal::Address => Self::Address,
            other => Self::Url(other),
        }
    }
}

fn is_callable(port: u16, policy: &Policy) -> bool {
    match port {
        443 => true,
        80 => policy.allow_http,
        0..1024 => false,
        _ => !REFUSED_PORTS.contains(&port),
    }
}

/// A host name as DNS has it (RFC 1123), with the underscores that some have; what is international is ASCII by now. The dot at the end would make
/// another name of the same host.
fn is_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.chars().all(fits)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.split('.').all(is_label)
}
