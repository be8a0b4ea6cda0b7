//! The network of a client: what one client has for itself.

use std::net::{IpAddr, Ipv4Addr};

/// An IPv4 address, or the first 64 bits of an IPv6 address, as the gateway's limits count. `None` for what is no address.
pub(crate) fn of(address: &str) -> Option<String> {
    Some(host::network(address.parse::<IpAddr>().ok()?).to_string())
}

/// What one provider gives one customer, at most: an IPv4 /24, an IPv6 /48. What is no address is as wide as it is.
pub(crate) fn wide(network: &str) -> String {
    let Ok(address) = network.parse::<IpAddr>() else { return network.to_owned() };
    match (host::site(address), address.to_canonical()) {
        (None, IpAddr::V4(v4)) => Ipv4Addr::from_bits(v4.to_bits() >> 8 << 8).to_string(),
        (site, _) => site.unwrap_or(address).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_customer_has_is_one_wide_network() {
        assert_eq!(wide("2001:db8:1:2::"), wide("2001:db8:1:ffff::"));
        assert_ne!(wide("2001:db8:1:2::"), wide("2001:db8:2:2::"));
        assert_eq!((wide("203.0.113.7").as_str(), wide("nobody").as_str()), ("203.0.113.0", "nobody"));
    }

    #[test]
    fn what_one_client_has_for_itself_is_one_network() {
        let same = |one, other| of(one).is_some() && of(one) == of(other);
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(same("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1") && !same("203.0.113.7", "203.0.113.8"));
        assert_eq!(of("nonsense"), None);
    }
}
