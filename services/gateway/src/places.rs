//! What requests hold while they are served, and how much of it one caller may hold.
//!
//! There is a whole of each kind, and a share of it for each principal, tenant and client address (an IPv6 network of 64 bits).
//! Each share is less than the whole, so no caller can take from others what they need: whoever has used a share up is told so,
//! and only when many callers together hold the whole does anybody hear that the gateway is busy.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use error::{Code, Error};
use ids::TenantId;
use opentelemetry::KeyValue;
use uuid::Uuid;

use crate::Config;

/// Parts of the map of callers, so that they seldom wait for each other.
const PARTS: usize = 16;
/// Callers of one part that are known; beyond it those who hold nothing are forgotten.
const KNOWN: usize = 1_024;

/// What is held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A request in work, until its answer has gone.
    Call,
    /// A JSON body being read.
    Body,
    /// Bytes of such bodies.
    BodyBytes,
    /// An upload or a download.
    Transfer,
    /// Bytes of answers that have not gone.
    Unread,
}

const KINDS: [(Kind, &str); 5] = [
    (Kind::Call, "requests in work"),
    (Kind::Body, "bodies being sent"),
    (Kind::BodyBytes, "bytes of bodies being sent"),
    (Kind::Transfer, "uploads and downloads"),
    (Kind::Unread, "bytes of answers not read"),
];

/// Whose share it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Principal,
    Tenant,
    Address,
    Whole,
}

/// Bounds of each kind, by share.
#[derive(Clone, Debug)]
struct Bounds([[usize; KINDS.len()]; 4]);

impl Bounds {
    fn of(config: &Config) -> Self {
        const MIB: usize = 1 << 20;
        // Bodies come and go much faster than calls: twice as many for each, four times in all.
        let one = |calls: usize, transfers: usize, mib: usize| {
            [calls, calls * 2, mib * MIB, transfers.max(1), mib * 2 * MIB]
        };
        let (calls, transfers) = (config.max_in_flight, config.max_transfers);
        let mut whole = one(calls, transfers, 128);
        whole[Kind::Body as usize] = calls * 4;
        Self([
            one(config.max_in_flight_principal, transfers / 8, 24),
            one(config.max_in_flight_tenant, transfers / 4, 48),
            one(config.max_in_flight_address, transfers / 2, 64),
            whole,
        ])
    }
}

/// What somebody holds, by kind.
#[derive(Debug, Default)]
struct Held([AtomicUsize; KINDS.len()]);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Who {
    Principal(Uuid),
    Tenant(TenantId),
    Network(IpAddr),
}

/// Everything that is held in this process.
#[derive(Debug)]
pub(crate) struct Places {
    bounds: Bounds,
    whole: Arc<Held>,
    known: [Mutex<HashMap<Who, Arc<Held>>>; PARTS],
    hasher: RandomState,
}

/// Whoever makes a request: takes places from their shares.
#[derive(Clone, Debug)]
pub(crate) struct Party(Arc<Shares>);

#[derive(Debug)]
struct Shares {
    places: Arc<Places>,
    /// From the most particular one to the whole.
    held: [Option<Arc<Held>>; 4],
}

/// Something held; given back when dropped.
#[derive(Debug)]
#[must_use = "a place is given back when it is dropped"]
pub(crate) struct Place {
    party: Party,
    kind: Kind,
    amount: usize,
}

impl Places {
    pub(crate) fn new(config: &Config) -> Arc<Self> {
        let whole = Arc::new(Held::default());
        let seen = whole.clone();
        opentelemetry::global::meter("globcrm.gateway")
            .u64_observable_gauge("globcrm.gateway.held")
            .with_description(
                "What requests hold: calls, bodies being read and their bytes, transfers, unread bytes",
            )
            .with_callback(move |gauge| {
                for (kind, _) in KINDS {
                    let held = seen.0[kind as usize].load(Ordering::Relaxed);
                    gauge.observe(held as u64, &[KeyValue::new("kind", format!("{kind:?}"))]);
                }
            })
            .build();
        Arc::new(Self {
            bounds: Bounds::of(config),
            whole,
            known: Default::default(),
            hasher: RandomState::new(),
        })
    }

    /// The caller at `address`; `named` when it is known who they are.
    pub(crate) fn party(self: &Arc<Self>, address: IpAddr, named: Option<(TenantId, Uuid)>) -> Party {
        let held = [
            named.map(|(_, principal)| self.held(Who::Principal(principal))),
            named.map(|(tenant, _)| self.held(Who::Tenant(tenant))),
            Some(self.held(Who::Network(network(address)))),
            Some(self.whole.clone()),
        ];
        Party(Arc::new(Shares { places: self.clone(), held }))
    }

    fn held(&self, who: Who) -> Arc<Held> {
        let part = self.hasher.hash_one(who) as usize % PARTS;
        let mut known = self.known[part].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = known.get(&who) {
            return held.clone();
        }
        if known.len() >= KNOWN {
            // Nobody else can get at one that only the map has: the lock is held.
            known.retain(|_, held| Arc::strong_count(held) > 1);
        }
        known.entry(who).or_default().clone()
    }
}

impl Party {
    /// Takes a place, if every share has one left. The last one to be had may be larger than what is left of it (bytes).
    pub(crate) fn take(&self, kind: Kind, amount: usize) -> Result<Place, Error> {
        self.add(kind, amount)?;
        Ok(Place { party: self.clone(), kind, amount })
    }

    /// Takes a place although there may be none: for what exists already and must not be thrown away.
    pub(crate) fn take_anyway(&self, kind: Kind, amount: usize) -> Place {
        for held in self.0.held.iter().flatten() {
            held.0[kind as usize].fetch_add(amount, Ordering::Relaxed);
        }
        Place { party: self.clone(), kind, amount }
    }

    fn add(&self, kind: Kind, amount: usize) -> Result<(), Error> {
        const ORDER: [Share; 4] = [Share::Principal, Share::Tenant, Share::Address, Share::Whole];
        for (n, share) in ORDER.into_iter().enumerate() {
            let Some(held) = &self.0.held[n] else { continue };
            let before = held.0[kind as usize].fetch_add(amount, Ordering::Relaxed);
            if before >= self.0.places.bounds.0[n][kind as usize] {
                for held in self.0.held[..=n].iter().flatten() {
                    held.0[kind as usize].fetch_sub(amount, Ordering::Relaxed);
                }
                return Err(full(share, kind));
            }
        }
        Ok(())
    }
}

impl Place {
    /// Takes more of the same.
    pub(crate) fn grow(&mut self, amount: usize) -> Result<(), Error> {
        self.party.add(self.kind, amount)?;
        self.amount += amount;
        Ok(())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        for held in self.party.0.held.iter().flatten() {
            held.0[self.kind as usize].fetch_sub(self.amount, Ordering::Relaxed);
        }
    }
}

/// `bytes` that hold `places` for as long as they are anywhere in this process.
pub(crate) fn holding<P: Send + 'static>(bytes: impl AsRef<[u8]> + Send + 'static, places: P) -> Bytes {
    struct Holding<B, P> {
        bytes: B,
        _places: P,
    }
    impl<B: AsRef<[u8]>, P> AsRef<[u8]> for Holding<B, P> {
        fn as_ref(&self) -> &[u8] {
            self.bytes.as_ref()
        }
    }
    Bytes::from_owner(Holding { bytes, _places: places })
}

/// What one client has for itself: an IPv4 address, or the first 64 bits of an IPv6 address.
pub(crate) fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(std::net::Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

fn full(share: Share, kind: Kind) -> Error {
    let what = KINDS[kind as usize].1;
    let (reason, whose) = match share {
        Share::Principal => ("PRINCIPAL_SHARE_USED", "this user or API key has"),
        Share::Tenant => ("TENANT_SHARE_USED", "this organization has"),
        Share::Address => ("ADDRESS_SHARE_USED", "this client address has"),
        Share::Whole => return Error::unavailable("OVERLOADED", format!("too many {what} from all callers")),
    };
    Error::new(Code::ResourceExhausted, reason, format!("{whose} as many {what} as it may have at once"))
        .with_retry_after(std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(calls: [usize; 4]) -> Arc<Places> {
        let bounds = Bounds(calls.map(|calls| [calls, calls * 2, calls * 100, calls, calls * 100]));
        Arc::new(Places {
            bounds,
            whole: Arc::default(),
            known: Default::default(),
            hasher: RandomState::new(),
        })
    }

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    fn somebody() -> (TenantId, Uuid) {
        let clock = ids::Clock::system();
        (clock.new_uuid().into(), clock.new_uuid())
    }

    #[test]
    fn each_share_is_bounded_and_only_the_whole_is_nobodys_fault() {
        let places = places([2, 3, 4, 5]);
        let (tenant, one) = somebody();
        let (_, other) = somebody();
        let take = |party: &Party| party.take(Kind::Call, 1);
        let reason = |party: &Party| take(party).unwrap_err().reason().to_owned();
        let first = places.party(address(1), Some((tenant, one)));
        let second = places.party(address(1), Some((tenant, other)));
        let mut held = vec![take(&first).unwrap(), take(&first).unwrap()];
        assert_eq!(reason(&first), "PRINCIPAL_SHARE_USED");
        held.push(take(&second).unwrap());
        assert_eq!(reason(&second), "TENANT_SHARE_USED");
        let nobody = places.party(address(1), None);
        held.push(take(&nobody).unwrap());
        assert_eq!(reason(&nobody), "ADDRESS_SHARE_USED");
        let elsewhere = places.party(address(2), Some(somebody()));
        held.push(take(&elsewhere).unwrap());
        let error = take(&elsewhere).unwrap_err();
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "OVERLOADED"));
        // What is refused holds nothing, and what is dropped is given back.
        drop(held);
        for party in [&first, &second, &nobody, &elsewhere] {
            for held in party.0.held.iter().flatten() {
                assert_eq!(held.0[Kind::Call as usize].load(Ordering::Relaxed), 0);
            }
        }
        assert!(take(&first).is_ok());
    }

    #[test]
    fn an_ipv6_client_counts_by_its_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("2001:db8:1:2:3:4:5:6"), "2001:db8:1:2::");
        assert_eq!(network("192.0.2.1"), "192.0.2.1");
    }

    #[test]
    fn bytes_hold_their_place_to_the_last_copy() {
        let places = places([1, 1, 1, 1]);
        let party = places.party(address(1), None);
        let bytes = holding(vec![1, 2, 3], party.take(Kind::Call, 1).unwrap());
        let last = bytes.slice(2..);
        drop(bytes);
        assert!(party.take(Kind::Call, 1).is_err());
        assert_eq!(&last[..], [3]);
        drop(last);
        assert!(party.take(Kind::Call, 1).is_ok());
    }

    #[test]
    fn who_holds_nothing_is_forgotten_and_who_holds_something_is_not() {
        let places = places([1, 1, 1, 1_000_000]);
        let holder = places.party(address(1), None);
        let held = holder.take(Kind::Call, 1).unwrap();
        drop(holder);
        for n in 0..(PARTS * KNOWN * 4) as u32 {
            places.party(std::net::Ipv4Addr::from_bits(0x0a00_0000 + n).into(), None);
        }
        let known: usize = places.known.iter().map(|part| part.lock().unwrap().len()).sum();
        assert!(known <= PARTS * KNOWN, "{known}");
        assert!(places.party(address(1), None).take(Kind::Call, 1).is_err());
        drop(held);
        assert!(places.party(address(1), None).take(Kind::Call, 1).is_ok());
    }
}
