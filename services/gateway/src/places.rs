//! What requests hold while they are served, and how much of it one caller may hold.
//!
//! There is a whole of each kind, and a share of it for each principal, tenant and client address (an IPv6 network of 64 bits, and
//! one of 48 bits for all of these together). A share shrinks with the square of what is free ([`host::share`]), so a
//! small group of callers cannot fill the whole: a caller that has used up a share is told so, and only when many together hold the
//! whole does anybody hear that the gateway is busy.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use error::{Code, Error, Reason};
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
    /// Bytes of documents that have not gone. They have no place among the calls: they ask nobody, and anybody may have them.
    Document,
    /// A request that waits for its turn.
    Turn,
    /// A request that waits for its refusal.
    Refusal,
}

const KINDS: [(Kind, &str); 8] = [
    (Kind::Call, "requests in work"),
    (Kind::Body, "bodies being sent"),
    (Kind::BodyBytes, "bytes of bodies being sent"),
    (Kind::Transfer, "uploads and downloads"),
    (Kind::Unread, "bytes of answers not read"),
    (Kind::Document, "bytes of documents not read"),
    (Kind::Turn, "requests waiting for their turn"),
    (Kind::Refusal, "requests refused late"),
];

/// Whose share it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Share {
    Principal,
    Tenant,
    Address,
    /// All addresses of one customer of a provider (IPv6), [`host::site`].
    Site,
    Whole,
}

/// Bounds of each kind, by share.
#[derive(Clone, Debug)]
struct Bounds([[usize; KINDS.len()]; 5]);

impl Bounds {
    fn of(config: &Config) -> Self {
        const MIB: usize = 1 << 20;
        // Bodies come and go much faster than calls: twice as many for each, four times in all.
        let one = |calls: usize, transfers: usize, mib: usize| {
            [
                calls,
                calls * 2,
                mib * MIB,
                transfers.max(1),
                mib * 2 * MIB,
                mib * MIB / 4,
                calls * 8,
                calls * 8,
            ]
        };
        let (calls, transfers) = (config.limits.max_in_flight, config.limits.max_transfers);
        let mut whole = one(calls, transfers, 128);
        whole[Kind::Body as usize] = calls * 4;
        Self::with_site([
            one(config.limits.max_in_flight_principal, transfers / 8, 24),
            one(config.limits.max_in_flight_tenant, transfers / 4, 48),
            one(config.limits.max_in_flight_address, transfers / 2, 64),
            whole,
        ])
    }

    fn with_site([principal, tenant, address, whole]: [[usize; KINDS.len()]; 4]) -> Self {
        let site = std::array::from_fn(|kind| host::most_of_site(address[kind], whole[kind]));
        Self([principal, tenant, address, site, whole])
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
    Site(IpAddr),
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
    held: [Option<Arc<Held>>; 5],
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
                "What requests hold: calls, bodies being read and their bytes, transfers, unread bytes, those who wait",
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
            Some(self.held(Who::Network(host::network(address)))),
            host::site(address).map(|site| self.held(Who::Site(site))),
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
        const ORDER: [Share; 4] = [Share::Principal, Share::Tenant, Share::Address, Share::Site];
        let places = &self.0.places;
        let bound = |share: Share| places.bounds.0[share as usize][kind as usize];
        // The whole is counted first and read again after each share: who finds others in a share finds them in the whole too, so
        // those who come in the same moment judge by each other.
        let whole = &places.whole.0[kind as usize];
        let before = whole.fetch_add(amount, Ordering::AcqRel);
        let mut counted = vec![&places.whole];
        let mut refused = (before >= bound(Share::Whole)).then_some(Share::Whole);
        for (share, held) in ORDER.into_iter().zip(&self.0.held) {
            let Some(held) = held.as_ref().filter(|_| refused.is_none()) else { continue };
            let before = held.0[kind as usize].fetch_add(amount, Ordering::AcqRel);
            counted.push(held);
            let all = whole.load(Ordering::Acquire).saturating_sub(amount);
            refused = (before >= host::share(bound(share), bound(Share::Whole), all)).then_some(share);
        }
        let Some(share) = refused else { return Ok(()) };
        for held in counted {
            held.0[kind as usize].fetch_sub(amount, Ordering::Relaxed);
        }
        Err(full(share, kind))
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

fn full(share: Share, kind: Kind) -> Error {
    let what = KINDS[kind as usize].1;
    let (reason, whose) = match share {
        Share::Principal => (Reason::PRINCIPAL_SHARE_USED, "this user or API key has"),
        Share::Tenant => (Reason::TENANT_SHARE_USED, "this organization has"),
        Share::Address => (Reason::ADDRESS_SHARE_USED, "this client address has"),
        Share::Site => (Reason::ADDRESS_SHARE_USED, "this client network has"),
        Share::Whole => {
            return Error::unavailable(Reason::OVERLOADED, format!("too many {what} from all callers"));
        }
    };
    Error::new(Code::ResourceExhausted, reason, format!("{whose} as many {what} as it may have at once"))
        .with_retry_after(std::time::Duration::from_secs(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(calls: [usize; 4]) -> Arc<Places> {
        let bounds = calls
            .map(|calls| [calls, calls * 2, calls * 100, calls, calls * 100, calls, calls * 8, calls * 8]);
        let bounds = Bounds::with_site(bounds);
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
        let places = places([2, 3, 4, 50]);
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
        let others: Vec<Party> = (2..=49).map(|last| places.party(address(last), Some(somebody()))).collect();
        held.extend(others.iter().filter_map(|party| take(party).ok()));
        let mut elsewhere = 50;
        let error = loop {
            match take(&places.party(address(elsewhere), Some(somebody()))) {
                Ok(place) => held.push(place),
                Err(error) => break error,
            }
            elsewhere += 1;
        };
        assert_eq!((error.code(), error.reason()), (Code::Unavailable, "OVERLOADED"));
        assert_eq!(held.len(), 50);
        // What is refused holds nothing, and what is dropped is given back.
        drop(held);
        for party in [&first, &second, &nobody].into_iter().chain(&others) {
            for held in party.0.held.iter().flatten() {
                assert_eq!(held.0[Kind::Call as usize].load(Ordering::Relaxed), 0);
            }
        }
        assert!(take(&first).is_ok());
    }

    /// What `addresses` get hold of, each with `principals` tenants of one user, when all of them take what they can at once.
    fn grabbed(
        places: &Arc<Places>,
        addresses: u8,
        principals: usize,
        kind: Kind,
        amount: usize,
    ) -> Vec<Place> {
        let callers: Vec<Party> = (1..=addresses)
            .flat_map(|last| (0..principals).map(move |_| last))
            .map(|last| places.party(address(last), Some(somebody())))
            .collect();
        std::thread::scope(|scope| {
            let grabbing: Vec<_> = callers
                .chunks(callers.len().div_ceil(8))
                .map(|callers| {
                    scope.spawn(move || {
                        let mut held = Vec::new();
                        // Again and again, as the others' refusals come and go.
                        for _ in 0..100 {
                            for caller in callers {
                                held.extend(std::iter::from_fn(|| caller.take(kind, amount).ok()));
                            }
                        }
                        held
                    })
                })
                .collect();
            grabbing.into_iter().flat_map(|grabs| grabs.join().unwrap()).collect()
        })
    }

    #[test]
    fn a_few_callers_who_take_all_they_can_leave_room_for_others() {
        let config = crate::config::tests::config();
        for (kind, amount, wants) in [
            (Kind::Call, 1, 4),
            (Kind::Body, 1, 8),
            (Kind::BodyBytes, 64 << 10, 16),
            (Kind::Transfer, 1, 1),
            (Kind::Unread, 1 << 20, 2),
            (Kind::Document, 128 << 10, 2),
            (Kind::Turn, 1, 8),
            (Kind::Refusal, 1, 8),
        ] {
            for (addresses, principals) in [(1, 8), (2, 1), (2, 8), (8, 1), (8, 4)] {
                let places = Places::new(&config);
                let held = grabbed(&places, addresses, principals, kind, amount);
                let third = places.party(address(200), Some(somebody()));
                let got: Result<Vec<Place>, Error> = (0..wants).map(|_| third.take(kind, amount)).collect();
                let why = got.err().map(|error| error.reason().to_owned());
                assert_eq!(why, None, "{addresses} addresses hold {} times {kind:?}", held.len());
            }
        }
    }

    #[test]
    fn the_addresses_of_one_site_have_a_share_together() {
        let places = Places::new(&crate::config::tests::config());
        let take = |site: u32, n: u32| {
            let address = format!("2001:db8:{site:x}:{n:x}::1").parse().unwrap();
            places.party(address, Some(somebody())).take(Kind::Call, 1)
        };
        let held: Vec<Place> = (0..1_000).filter_map(|n| take(1, n).ok()).collect();
        assert!((100..256).contains(&held.len()), "{}", held.len());
        assert_eq!(take(1, 1_001).unwrap_err().reason(), "ADDRESS_SHARE_USED");
        assert!(take(2, 1).is_ok());
    }

    #[test]
    fn a_share_is_no_larger_for_those_who_come_at_once() {
        for _ in 0..50 {
            let places = places([64, 64, 64, 64 * 4]);
            let alone = {
                let party = places.party(address(1), None);
                std::iter::from_fn(|| party.take(Kind::Call, 1).ok()).collect::<Vec<_>>().len()
            };
            let party = places.party(address(2), None);
            let together: usize = std::thread::scope(|scope| {
                let takes = || std::iter::from_fn(|| party.take(Kind::Call, 1).ok()).collect::<Vec<_>>();
                let taking: Vec<_> = (0..8).map(|_| scope.spawn(takes)).collect();
                let held: Vec<_> = taking.into_iter().map(|taken| taken.join().unwrap()).collect();
                held.iter().map(Vec::len).sum()
            });
            assert!(together <= alone, "{together} together, {alone} alone");
        }
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
