//! Whom a request is charged to.

use std::net::IpAddr;

use ids::TenantId;
use uuid::Uuid;

/// The limit of an IPv6 /48, in limits of a /64.
const NETWORKS_OF_SITE: u32 = 8;

/// One counter that a request is charged to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tier {
    /// `tenant`, `principal`, `api_key`, `network`, `address`.
    pub(crate) name: &'static str,
    /// The counter's key. All that a request is charged to hold the same word in braces (the tenant, or the network), so that they
    /// live on one Redis node.
    pub(crate) key: String,
    /// Requests in a window.
    pub(crate) limit: u32,
}

/// The limit of one user or of one API key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limit {
    /// `principal` of a user, `api_key` of a key.
    pub(crate) name: &'static str,
    pub(crate) requests: u32,
}

impl Tier {
    /// What somebody known is charged to: the tenant, and the user or API key.
    pub(crate) fn of_principal(
        (tenant, principal): (TenantId, Uuid),
        of_tenant: u32,
        of_one: Limit,
    ) -> Vec<Self> {
        let key = format!("rl:{{{tenant}}}:p:{principal}");
        vec![
            Self { name: "tenant", key: format!("rl:{{{tenant}}}:t"), limit: of_tenant },
            Self { name: of_one.name, key, limit: of_one.requests },
        ]
    }

    /// What an unknown caller is charged to: the address, of IPv6 the /64, and there the /48 around it as well.
    ///
    /// A /48 is what one customer of a provider has, or 256 customers with a /56 each, or the handsets of a region. So its networks
    /// together have [`NETWORKS_OF_SITE`] times the limit of one: several busy ones find room, and a customer with 65,536 of them has
    /// not 65,536 times what others have. IPv4 addresses are scarce, one is often that of many, and is counted alone.
    pub(crate) fn of_address(address: IpAddr, limit: u32) -> Vec<Self> {
        let network = host::network(address);
        let Some(site) = host::site(address) else {
            return vec![Self { name: "address", key: format!("rl:{{{network}}}:a"), limit }];
        };
        let key = format!("rl:{{{site}}}:a:{network}");
        let of_all = limit.saturating_mul(NETWORKS_OF_SITE);
        vec![
            Self { name: "network", key: format!("rl:{{{site}}}:n"), limit: of_all },
            Self { name: "address", key, limit },
        ]
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::accounts::Accounts;
    use super::*;

    /// An address in a network of its own, all in one site.
    pub(in super::super) fn site_of(n: u16) -> IpAddr {
        format!("2001:db8:1:{n:x}::1").parse().unwrap()
    }

    #[test]
    fn the_networks_of_one_site_have_a_limit_together_and_an_ipv4_address_has_its_own() {
        const LIMIT: u32 = 12;
        let accounts = Accounts::default();
        let passed = |address: IpAddr| {
            let tiers = Tier::of_address(address, LIMIT);
            (0..2 * LIMIT).filter(|_| accounts.charge(&tiers, 0).standing.allowed).count()
        };
        assert_eq!(passed(site_of(0)), 12);
        assert_eq!((1..1_000).map(site_of).map(passed).sum::<usize>(), 7 * 12);
        assert_eq!(passed("2001:db8:2::1".parse().unwrap()), 12);
        let ipv4 = (0..100).map(|last| passed([192, 0, 2, last].into()));
        assert_eq!(ipv4.sum::<usize>(), 100 * 12);
    }

    #[test]
    fn what_a_request_is_charged_to_lives_on_one_node_of_redis() {
        let clock = ids::Clock::system();
        let somebody = (clock.new_uuid().into(), clock.new_uuid());
        for tiers in [
            Tier::of_principal(somebody, 9, Limit { name: "principal", requests: 9 }),
            Tier::of_address(site_of(1), 9),
        ] {
            let node = |tier: &Tier| tier.key.split(['{', '}']).nth(1).map(str::to_owned);
            assert!(tiers.len() == 2 && node(&tiers[0]).is_some(), "{tiers:?}");
            assert_eq!(node(&tiers[0]), node(&tiers[1]));
            assert_ne!(tiers[0].key, tiers[1].key);
        }
    }
}
