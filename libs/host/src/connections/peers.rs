//! Who holds the connections of a listener. Only peers that hold one are known, so there are never more of them than connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::share::{most_of_site, network, share, site};

/// The peers of one listener.
#[derive(Debug)]
pub(super) struct Peers {
    whole: usize,
    /// What one network may hold while the others hold nothing.
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    all: usize,
    by_network: HashMap<IpAddr, usize>,
    by_site: HashMap<IpAddr, usize>,
}

/// A connection of a peer; given back when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    peers: Arc<Peers>,
    network: IpAddr,
    site: Option<IpAddr>,
}

impl Peers {
    pub(super) fn new(whole: usize, most: usize) -> Arc<Self> {
        Arc::new(Self { whole, most, held: Mutex::default() })
    }

    /// Counts a connection from `address`; `None` when its network, or all networks of its site, have their share of what there is.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Peer> {
        let (network, site) = (network(address), site(address));
        let mut held = self.lock();
        let of_network = held.by_network.get(&network).copied().unwrap_or_default();
        let of_site = site.and_then(|site| held.by_site.get(&site)).copied().unwrap_or_default();
        let most_of_site = most_of_site(self.most, self.whole);
        if of_network >= share(self.most, self.whole, held.all)
            || of_site >= share(most_of_site, self.whole, held.all)
        {
            return None;
        }
        held.all += 1;
        held.by_network.insert(network, of_network + 1);
        if let Some(site) = site {
            held.by_site.insert(site, of_site + 1);
        }
        Some(Peer { peers: self.clone(), network, site })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut held = self.peers.lock();
        held.all -= 1;
        one_less(&mut held.by_network, self.network);
        if let Some(site) = self.site {
            one_less(&mut held.by_site, site);
        }
    }
}

fn one_less(held: &mut HashMap<IpAddr, usize>, who: IpAddr) {
    if let Some(own) = held.get_mut(&who) {
        *own -= 1;
        if *own == 0 {
            held.remove(&who);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_has_its_share_and_whoever_left_is_forgotten() {
        let peers = Peers::new(20, 10);
        let one = |last: u16| format!("2001:db8::{last:x}").parse().unwrap();
        let held: Vec<_> = (0..20).filter_map(|n| peers.enter(one(n))).collect();
        assert!((2..=9).contains(&held.len()), "{}", held.len());
        let elsewhere = peers.enter("2001:db8:0:1::1".parse().unwrap());
        assert!(elsewhere.is_some());
        assert_eq!(peers.lock().by_network.len(), 2);
        drop((held, elsewhere));
        let held = peers.lock();
        assert!(held.by_network.is_empty() && held.by_site.is_empty() && held.all == 0);
    }

    #[test]
    fn the_networks_of_one_site_have_a_share_together() {
        let peers = Peers::new(100, 10);
        let one = |site: usize, n: usize| format!("2001:db8:{site:x}:{n:x}::1").parse().unwrap();
        let held: Vec<_> = (0..2_000).filter_map(|n| peers.enter(one(1, n % 1_000))).collect();
        assert!((10..50).contains(&held.len()), "{}", held.len());
        assert!(peers.enter(one(2, 1)).is_some() && peers.enter([192, 0, 2, 1].into()).is_some());
    }

    #[test]
    fn behind_a_balancer_there_is_no_share() {
        let peers = Peers::new(20, 20);
        let held: Vec<_> = (0..20).filter_map(|_| peers.enter([192, 0, 2, 1].into())).collect();
        assert_eq!(held.len(), 20);
    }
}
