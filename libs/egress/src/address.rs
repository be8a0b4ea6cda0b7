//! Which addresses may be called.
//!
//! The registries are IANA's of special-purpose addresses (RFC 6890 and what updates it). Of IPv6 only what is assigned for global unicast can be
//! public, so that a block that gets a special meaning tomorrow is refused already today.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde::Deserialize;

/// Most networks that an operator can allow.
pub const MOST_NETWORKS: usize = 64;

/// What an address is to a caller that does not trust whoever named it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Anybody's on the internet.
    Public,
    /// Of networks of the operator's, of examples or of nobody: only where the operator says so.
    Internal,
    /// Never: the machine itself by a detour, its neighbours on the link, metadata of clouds, many at once, or an address of IPv4 in disguise.
    Never,
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    let [a, b, c, d, e, f, g, h] = segments;
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, c, d, e, f, g, h), prefix)
}

const NEVER_V4: [Ipv4Net; 6] = [
    // "This network": on Linux 0.0.0.0 is the machine itself.
    v4(0, 0, 0, 0, 8),
    // Link-local, and in it the metadata of most clouds (169.254.169.254, 169.254.170.2).
    v4(169, 254, 0, 0, 16),
    // Metadata elsewhere: Alibaba, Oracle, and Azure, whose address looks public.
    v4(100, 100, 100, 200, 32),
    v4(192, 0, 0, 192, 32),
    v4(168, 63, 129, 16, 32),
    // Multicast.
    v4(224, 0, 0, 0, 4),
];

const INTERNAL_V4: [Ipv4Net; 12] = [
    // Private (RFC 1918).
    v4(10, 0, 0, 0, 8),
    v4(172, 16, 0, 0, 12),
    v4(192, 168, 0, 0, 16),
    // Loopback.
    v4(127, 0, 0, 0, 8),
    // Shared by carriers' NAT, and by pods of some clouds (RFC 6598).
    v4(100, 64, 0, 0, 10),
    // Protocols (RFC 6890), documentation (RFC 5737), 6to4 relays (RFC 7526), benchmarks (RFC 2544).
    v4(192, 0, 0, 0, 24),
    v4(192, 0, 2, 0, 24),
    v4(198, 51, 100, 0, 24),
    v4(203, 0, 113, 0, 24),
    v4(192, 88, 99, 0, 24),
    v4(198, 18, 0, 0, 15),
    // Reserved.
    v4(240, 0, 0, 0, 4),
];

/// An address of IPv4 stands in what follows, in the last 32 bits.
const NAT64: Ipv6Net = v6([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96);

const NEVER_V6: [Ipv6Net; 9] = [
    // IPv4 translated (RFC 2765), by a NAT64 of the operator's, where the place of the address is not known (RFC 8215), by 6to4 and Teredo.
    v6([0, 0, 0, 0, 0xffff, 0, 0, 0], 96),
    v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48),
    v6([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 32),
    // Link-local, multicast, discarded.
    v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10),
    v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8),
    v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64),
    // Metadata: Amazon, Google.
    v6([0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254], 128),
    v6([0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254], 128),
];

const GLOBAL_UNICAST: Ipv6Net = v6([0x2000, 0, 0, 0, 0, 0, 0, 0], 3);

/// What is not public within global unicast.
const INTERNAL_V6: [Ipv6Net; 3] = [
    // Protocols (RFC 2928): Teredo, benchmarks, ORCHIDs.
    v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    // Documentation (RFC 3849, RFC 9637).
    v6([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    v6([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// What an address is. One of IPv4 that is written as one of IPv6 (`::ffff:10.0.0.1`) is what it is as one of IPv4.
pub fn class_of(address: IpAddr) -> Class {
    match address.to_canonical() {
        IpAddr::V4(address) => class_of_v4(address),
        IpAddr::V6(address) => class_of_v6(address),
    }
}

fn class_of_v4(address: Ipv4Addr) -> Class {
    let within = |nets: &[Ipv4Net]| nets.iter().any(|net| net.contains(&address));
    if within(&NEVER_V4) || address.is_broadcast() {
        Class::Never
    } else if within(&INTERNAL_V4) {
        Class::Internal
    } else {
        Class::Public
    }
}

fn class_of_v6(address: Ipv6Addr) -> Class {
    let within = |nets: &[Ipv6Net]| nets.iter().any(|net| net.contains(&address));
    let [head @ .., _, _] = address.segments();
    if NAT64.contains(&address) {
        let [.., a, b, c, d] = address.octets();
        // Where only IPv6 is spoken, this is how all of the rest is reached: an operator may allow it, and it leads to what is public.
        return match class_of_v4(Ipv4Addr::new(a, b, c, d)) {
            Class::Public => Class::Internal,
            Class::Internal | Class::Never => Class::Never,
        };
    }
    if address == Ipv6Addr::LOCALHOST {
        Class::Internal
    } else if head == [0; 6] || within(&NEVER_V6) {
        // The first: unspecified, and IPv4-compatible (`::10.0.0.1`).
        Class::Never
    } else if GLOBAL_UNICAST.contains(&address) && !within(&INTERNAL_V6) {
        Class::Public
    } else {
        Class::Internal
    }
}

/// Which addresses may be called: public ones, and those of networks that the operator allows.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(try_from = "String")]
pub struct AddressPolicy {
    allowed: Arc<[IpNet]>,
}

impl AddressPolicy {
    /// Whether a connection to this address may be made.
    pub fn permits(&self, address: IpAddr) -> bool {
        match class_of(address) {
            Class::Public => true,
            Class::Internal => {
                let address = address.to_canonical();
                self.allowed.iter().any(|net| net.contains(&address))
            }
            Class::Never => false,
        }
    }
}

/// A text that is not a list of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be at most {MOST_NETWORKS} networks like 10.20.0.0/16 or fd12:3456::/48, separated by commas, with no bits set behind their prefix; link-local networks cannot be allowed"
)]
pub struct NetworksUnfit;

impl FromStr for AddressPolicy {
    type Err = NetworksUnfit;

    fn from_str(text: &str) -> Result<Self, NetworksUnfit> {
        let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
        let allowed: Vec<IpNet> = words.map(network).collect::<Option<_>>().ok_or(NetworksUnfit)?;
        if allowed.len() > MOST_NETWORKS { Err(NetworksUnfit) } else { Ok(Self { allowed: allowed.into() }) }
    }
}

impl TryFrom<String> for AddressPolicy {
    type Error = NetworksUnfit;

    fn try_from(text: String) -> Result<Self, NetworksUnfit> {
        text.parse()
    }
}

/// A network, or an address alone. One of which no address could be called is a mistake that should be told.
fn network(text: &str) -> Option<IpNet> {
    let net = text.parse::<IpNet>().ok().or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))?;
    let is_never = match net {
        IpNet::V4(net) => NEVER_V4.iter().any(|never| never.contains(&net)),
        IpNet::V6(net) => NEVER_V6.iter().any(|never| never.contains(&net)),
    };
    (net.trunc() == net && !is_never).then_some(net)
}
