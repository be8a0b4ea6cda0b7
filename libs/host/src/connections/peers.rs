//! Who holds the connections of a listener. Only peers that hold one are known, so there are never more of them than connections.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::share::{network, share};

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
    by: HashMap<IpAddr, usize>,
}

/// A connection of a peer; given back when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    peers: Arc<Peers>,
    network: IpAddr,
}

impl Peers {
    pub(super) fn new(whole: usize, most: usize) -> Arc<Self> {
        Arc::new(Self { whole, most, held: Mutex::default() })
    }

    /// Counts a connection from `address`; `None` when its network has its share of what there is.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Peer> {
        let network = network(address);
        let mut held = self.lock();
        let own = held.by.get(&network).copied().unwrap_or_default();
        if own >= share(self.most, self.whole, held.all) {
            return None;
        }
        held.all += 1;
        held.by.insert(network, own + 1);
        Some(Peer { peers: self.clone(), network })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let mut held = self.peers.lock();
        held.all -= 1;
        if let Some(own) = held.by.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                held.by.remove(&self.network);
            }
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
        assert_eq!(peers.lock().by.len(), 2);
        drop((held, elsewhere));
        assert!(peers.lock().by.is_empty() && peers.lock().all == 0);
    }

    #[test]
    fn behind_a_balancer_there_is_no_share() {
        let peers = Peers::new(20, 20);
        let held: Vec<_> = (0..20).filter_map(|_| peers.enter([192, 0, 2, 1].into())).collect();
        assert_eq!(held.len(), 20);
    }
}
