//! The network of a client: what one client has for itself.

use std::net::IpAddr;

/// An IPv4 address, or the first 64 bits of an IPv6 address, as the gateway's limits count. `None` for what is no address.
pub(crate) fn of(address: &str) -> Option<String> {
    Some(host::network(address.parse::<IpAddr>().ok()?).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_client_has_for_itself_is_one_network() {
        let same = |one, other| of(one).is_some() && of(one) == of(other);
        assert!(same("2001:db8::1", "2001:db8::ffff:1"));
        assert!(same("203.0.113.7", "::ffff:203.0.113.7"));
        assert!(!same("2001:db8::1", "2001:db8:0:1::1") && !same("203.0.113.7", "203.0.113.8"));
        assert_eq!(of("nonsense"), None);
    }
}
