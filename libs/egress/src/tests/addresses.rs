//! What may be called, address by address.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::Class::{Internal, Never, Public};
use crate::{AddressPolicy, Class, MOST_NETWORKS, NetworksUnfit, class_of};

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

/// The first and the last address of each block, and their neighbours outside it where these differ.
const EDGES: [(&str, Class); 118] = [
    ("0.0.0.0", Never),
    ("0.255.255.255", Never),
    ("1.0.0.0", Public),
    ("9.255.255.255", Public),
    ("10.0.0.0", Internal),
    ("10.255.255.255", Internal),
    ("11.0.0.0", Public),
    ("100.63.255.255", Public),
    ("100.64.0.0", Internal),
    ("100.100.100.199", Internal),
    ("100.100.100.200", Never),
    ("100.100.100.201", Internal),
    ("100.127.255.255", Internal),
    ("100.128.0.0", Public),
    ("126.255.255.255", Public),
    ("127.0.0.0", Internal),
    ("127.0.0.1", Internal),
    ("127.255.255.255", Internal),
    ("128.0.0.0", Public),
    ("168.63.129.15", Public),
    ("168.63.129.16", Never),
    ("168.63.129.17", Public),
    ("169.253.255.255", Public),
    ("169.254.0.0", Never),
    ("169.254.169.254", Never),
    ("169.254.170.2", Never),
    ("169.254.255.255", Never),
    ("169.255.0.0", Public),
    ("172.15.255.255", Public),
    ("172.16.0.0", Internal),
    ("172.31.255.255", Internal),
    ("172.32.0.0", Public),
    ("191.255.255.255", Public),
    ("192.0.0.0", Internal),
    ("192.0.0.191", Internal),
    ("192.0.0.192", Never),
    ("192.0.0.255", Internal),
    ("192.0.1.0", Public),
    ("192.0.1.255", Public),
    ("192.0.2.0", Internal),
    ("192.0.2.255", Internal),
    ("192.0.3.0", Public),
    ("192.88.98.255", Public),
    ("192.88.99.0", Internal),
    ("192.88.99.255", Internal),
    ("192.88.100.0", Public),
    ("192.167.255.255", Public),
    ("192.168.0.0", Internal),
    ("192.168.255.255", Internal),
    ("192.169.0.0", Public),
    ("198.17.255.255", Public),
    ("198.18.0.0", Internal),
    ("198.19.255.255", Internal),
    ("198.20.0.0", Public),
    ("198.51.99.255", Public),
    ("198.51.100.0", Internal),
    ("198.51.100.255", Internal),
    ("198.51.101.0", Public),
    ("203.0.112.255", Public),
    ("203.0.113.0", Internal),
    ("203.0.113.255", Internal),
    ("203.0.114.0", Public),
    ("223.255.255.255", Public),
    ("224.0.0.0", Never),
    ("239.255.255.255", Never),
    ("240.0.0.0", Internal),
    ("255.255.255.254", Internal),
    ("255.255.255.255", Never),
    ("::", Never),
    ("::1", Internal),
    ("::2", Never),
    ("::10.0.0.1", Never),
    ("::8.8.8.8", Never),
    ("::ffff:8.8.8.8", Public),
    ("::ffff:10.0.0.1", Internal),
    ("::ffff:127.0.0.1", Internal),
    ("::ffff:169.254.169.254", Never),
    ("::ffff:0:8.8.8.8", Never),
    ("::ffff:0:a00:1", Never),
    ("64:ff9b::8.8.8.8", Internal),
    ("64:ff9b::10.0.0.1", Never),
    ("64:ff9b::127.0.0.1", Never),
    ("64:ff9b::169.254.169.254", Never),
    ("64:ff9b::0.0.0.0", Never),
    ("64:ff9b:0:0:0:1::", Internal),
    ("64:ff9b:1::", Never),
    ("64:ff9b:1:ffff:ffff:ffff:ffff:ffff", Never),
    ("64:ff9b:2::", Internal),
    ("100::", Never),
    ("100::ffff:ffff:ffff:ffff", Never),
    ("100:0:0:1::", Internal),
    ("1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Internal),
    ("2000::", Public),
    ("2001::", Never),
    ("2001:0:ffff:ffff:ffff:ffff:ffff:ffff", Never),
    ("2001:1::", Internal),
    ("2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Internal),
    ("2001:200::", Public),
    ("2001:db7:ffff:ffff:ffff:ffff:ffff:ffff", Public),
    ("2001:db8::", Internal),
    ("2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Internal),
    ("2001:db9::", Public),
    ("2002::", Never),
    ("2002:a00:1::1", Never),
    ("2002:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Never),
    ("2003::", Public),
    ("3fff::", Internal),
    ("3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Internal),
    ("3fff:1000::", Public),
    ("4000::", Internal),
    ("5f00::1", Internal),
    ("fc00::", Internal),
    ("fd00:ec2::253", Internal),
    ("fd00:ec2::254", Never),
    ("fd20:ce::254", Never),
    ("fe80::1", Never),
    ("fec0::1", Internal),
    ("ff02::1", Never),
];

#[test]
fn every_block_ends_where_it_ends() {
    for (text, class) in EDGES {
        assert_eq!(class_of(address(text)), class, "{text}");
    }
}

/// By the first octet and the blocks that are smaller, written a second time in another way.
#[test]
fn all_networks_of_ipv4_are_what_their_registry_says() {
    let networks = (0..=u8::MAX).flat_map(|a| (0..=u8::MAX).map(move |b| (a, b)));
    let all = networks.flat_map(|(a, b)| {
        // Where a block is smaller than a /16, each /24; elsewhere the first and the last.
        let is_split = matches!((a, b), (192, 0 | 88) | (198, 51) | (203, 0));
        (0..=u8::MAX).filter(move |c| is_split || matches!(c, 0 | 255)).map(move |c| (a, b, c))
    });
    for (a, b, c) in all {
        let is_special = matches!(a, 0 | 10 | 127 | 224..=255)
            || matches!((a, b), (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168) | (198, 18 | 19))
            || matches!((a, b, c), (192, 0, 0 | 2) | (192, 88, 99) | (198, 51, 100) | (203, 0, 113));
        let class = class_of(Ipv4Addr::new(a, b, c, 77).into());
        assert_eq!(class == Public, !is_special, "{a}.{b}.{c}.77");
    }
}

/// What std says of an address, where it says something.
#[test]
fn nothing_that_the_standard_library_knows_as_special_is_public() {
    let samples = |at: u32| {
        let [a, b, c, d] = at.wrapping_mul(2_654_435_761).to_be_bytes();
        Ipv4Addr::new(a, b, c, d)
    };
    for v4 in (0..50_000).map(samples) {
        let is_special = v4.is_private()
            || v4.is_loopback()
            || v4.is_link_local()
            || v4.is_broadcast()
            || v4.is_documentation()
            || v4.is_multicast()
            || v4.is_unspecified();
        let class = class_of(v4.into());
        assert!(!is_special || class != Public, "{v4}");
        // The same address by another name is not more public.
        assert_eq!(class_of(v4.to_ipv6_mapped().into()), class, "{v4}");
        assert_ne!(class_of(v4.to_ipv6_compatible().into()), Public, "{v4}");
    }
    for first in 0..=u16::MAX {
        let v6 = Ipv6Addr::new(first, 1, 2, 3, 4, 5, 6, 7);
        let is_special = v6.is_unicast_link_local() || v6.is_unique_local() || v6.is_multicast();
        let is_public = class_of(v6.into()) == Public;
        assert!(!is_special || !is_public, "{v6}");
        assert!(!is_public || (0x2000..0x4000).contains(&first), "{v6}");
    }
}

#[test]
fn an_operator_allows_internal_networks_and_nothing_else() {
    let none = AddressPolicy::default();
    let some: AddressPolicy = "10.1.0.0/16, 127.0.0.1,fd12:3456::/48,64:ff9b::/96".parse().unwrap();
    for (text, permitted) in [
        ("10.1.255.255", true),
        ("10.2.0.0", false),
        ("127.0.0.1", true),
        ("127.0.0.2", false),
        ("::ffff:10.1.0.1", true),
        ("::ffff:10.2.0.1", false),
        ("fd12:3456::1", true),
        ("fd12:3457::1", false),
        ("64:ff9b::8.8.8.8", true),
        ("64:ff9b::10.1.0.1", false),
        ("::1", false),
    ] {
        assert_eq!(some.permits(address(text)), permitted, "{text}");
        assert!(!none.permits(address(text)), "{text}");
    }
    // Whatever is allowed.
    let all: AddressPolicy = "0.0.0.0/0,::/0".parse().unwrap();
    for (text, class) in EDGES {
        assert_eq!(all.permits(address(text)), class != Never, "{text}");
        assert_eq!(none.permits(address(text)), class == Public, "{text}");
    }
}

#[test]
fn lists_that_are_not_networks_are_refused() {
    let many = vec!["10.0.0.0/8"; MOST_NETWORKS + 1].join(",");
    for text in [
        "10.0.0.0/33",
        "10.0.0.1/8",
        "10.0.0",
        "internal",
        "10.0.0.0/8;10.0.0.0/8",
        "169.254.0.0/16",
        "169.254.169.254",
        "fe80::/10",
        "fe80::1",
        "fd00:ec2::254/128",
        "224.0.0.0/8",
        &many,
    ] {
        assert_eq!(text.parse::<AddressPolicy>(), Err(NetworksUnfit), "{text}");
    }
    assert_eq!(" , ".parse::<AddressPolicy>(), Ok(AddressPolicy::default()));
    assert!(many["10.0.0.0/8,".len()..].parse::<AddressPolicy>().is_ok());
}
