//! How much of a bounded whole one of many may hold.

use std::net::{IpAddr, Ipv6Addr};

/// What one holder may have of a `whole` of which `held` is taken by all, itself included: `most` while nothing is taken, and less
/// with the square of what is free, but one as long as anything is.
///
/// So shares that add up to more than the whole never fill it: whoever comes to a whole that few hold finds room, however much
/// these few took when it was free. With `most` at half of the whole it takes sixty to fill 512, at a tenth more than
/// five hundred to fill 10,000. A `most` that is not below the whole is no share.
pub fn share(most: usize, whole: usize, held: usize) -> usize {
    if most >= whole {
        return most;
    }
    let (free, all) = (whole.saturating_sub(held) as u128, whole as u128);
    let share = (most as u128).saturating_mul(free * free).div_ceil(all * all);
    usize::try_from(share).unwrap_or(most)
}

/// What one client has for itself: an IPv4 address, or the first 64 bits of an IPv6 address.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// What one customer of a provider has for themselves where addresses are free: the first 48 bits of an IPv6 address, which are 65,536
/// networks. `None` for IPv4.
pub fn site(address: IpAddr) -> Option<IpAddr> {
    match address.to_canonical() {
        IpAddr::V6(v6) => Some(IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 80 << 80))),
        IpAddr::V4(_) => None,
    }
}

/// What all networks of one [`site`] may have together, where one of them may have `most`: half-way to the whole.
pub fn most_of_site(most: usize, whole: usize) -> usize {
    most.midpoint(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Holders come one after the other and each takes all that it can; how many have come when nothing is left.
    fn filled_by(most: usize, whole: usize) -> usize {
        let (mut held, mut holders) = (0, 0);
        while held < whole {
            holders += 1;
            let mut own = 0;
            while held < whole && own < share(most, whole, held) {
                own += 1;
                held += 1;
            }
            assert!(own >= 1, "{holders} holders, {held} of {whole} held, and the next one finds nothing");
        }
        holders
    }

    #[test]
    fn few_never_fill_the_whole() {
        assert!(filled_by(256, 512) >= 60, "{}", filled_by(256, 512));
        assert!(filled_by(1_000, 10_000) > 500, "{}", filled_by(1_000, 10_000));
        assert!(filled_by(10, 16) > 8, "{}", filled_by(10, 16));
    }

    #[test]
    fn alone_one_may_have_all_of_its_share_and_a_share_of_the_whole_is_none() {
        assert_eq!((share(256, 512, 0), share(256, 512, 511), share(256, 512, 512)), (256, 1, 0));
        assert_eq!(share(512, 512, 500), 512);
        assert_eq!(share(48 << 20, 256 << 20, 128 << 20), 12 << 20);
    }

    #[test]
    fn an_ipv6_client_counts_by_its_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
        assert_eq!(network("::ffff:192.0.2.1"), "192.0.2.1");
        let site = |text: &str| site(text.parse().unwrap()).map(|site| site.to_string());
        assert_eq!(site("2001:db8:1:2:3:4:5:6").as_deref(), Some("2001:db8:1::"));
        assert_eq!(site("::ffff:192.0.2.1"), None);
        assert_eq!((most_of_site(256, 512), most_of_site(512, 512)), (384, 512));
    }
}
