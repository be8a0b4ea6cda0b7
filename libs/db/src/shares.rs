//! Places for connections, shared out by tenant: none can hold them all, and whoever waits is served in turn.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use uuid::Uuid;

/// The places of one pool.
#[derive(Debug)]
pub(crate) struct Shares {
    /// How many places one tenant may hold.
    share: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// Tenants that hold a place or wait for one.
    tenants: HashMap<Uuid, Tenant>,
    /// Tenants with somebody waiting who may have a place, in their turn. While a place is free, nobody stands here.
    line: VecDeque<Uuid>,
}

#[derive(Debug, Default)]
struct Tenant {
    held: usize,
    in_line: bool,
    /// First come, first served; closed ones have given up.
    waiting: VecDeque<oneshot::Sender<Place>>,
}

/// A place for one connection; given back when dropped.
#[derive(Debug)]
pub(crate) struct Place {
    tenant: Uuid,
    /// `None` when nobody was there to take it.
    shares: Option<Arc<Shares>>,
}

/// Why there was no place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoPlace {
    /// The tenant holds all that it may.
    OwnShare,
    /// All tenants together hold all that there are.
    AllTaken,
}

impl Shares {
    /// `places` for all, at most `share` for one tenant.
    pub(crate) fn new(places: usize, share: usize) -> Arc<Self> {
        let state = State { free: places, tenants: HashMap::new(), line: VecDeque::new() };
        Arc::new(Self { share: share.clamp(1, places.max(1)), state: Mutex::new(state) })
    }

    /// Takes a place for `tenant`, or waits for one.
    pub(crate) async fn take(self: &Arc<Self>, tenant: Uuid, patience: Duration) -> Result<Place, NoPlace> {
        let Some(receiver) = self.take_or_queue(tenant) else {
            return Ok(Place { tenant, shares: Some(self.clone()) });
        };
        match tokio::time::timeout(patience, receiver).await {
            Ok(Ok(place)) => Ok(place),
            Ok(Err(_)) | Err(_) => Err(self.refusal(tenant)),
        }
    }

    /// Takes a free place (`None`), or gives where the next one will come.
    fn take_or_queue(&self, tenant: Uuid) -> Option<oneshot::Receiver<Place>> {
        let mut state = self.lock();
        let State { free, tenants, line } = &mut *state;
        let own = tenants.entry(tenant).or_default();
        if own.held < self.share && *free > 0 {
            own.held += 1;
            *free -= 1;
            return None;
        }
        // Those who gave up are swept out here, so that a storm of them leaves no more than there are live ones.
        own.waiting.retain(|waiting| !waiting.is_closed());
        let (sender, receiver) = oneshot::channel();
        own.waiting.push_back(sender);
        if own.held < self.share && !own.in_line {
            own.in_line = true;
            line.push_back(tenant);
        }
        Some(receiver)
    }

    fn refusal(&self, tenant: Uuid) -> NoPlace {
        let mut state = self.lock();
        let Some(own) = state.tenants.get_mut(&tenant) else { return NoPlace::AllTaken };
        own.waiting.retain(|waiting| !waiting.is_closed());
        if own.held >= self.share { NoPlace::OwnShare } else { NoPlace::AllTaken }
    }

    fn give_back(self: &Arc<Self>, tenant: Uuid) {
        let mut state = self.lock();
        state.free += 1;
        let State { tenants, line, .. } = &mut *state;
        if let Some(own) = tenants.get_mut(&tenant) {
            own.held = own.held.saturating_sub(1);
            if own.waiting.is_empty() {
                if own.held == 0 {
                    tenants.remove(&tenant);
                }
            } else if !own.in_line {
                own.in_line = true;
                line.push_back(tenant);
            }
        }
        self.serve(&mut state);
    }

    /// Gives free places to those who wait, a tenant after the other.
    fn serve(self: &Arc<Self>, state: &mut State) {
        let State { free, tenants, line } = state;
        while *free > 0
            && let Some(tenant) = line.pop_front()
        {
            let Some(own) = tenants.get_mut(&tenant) else { continue };
            own.in_line = false;
            while own.held < self.share
                && let Some(waiting) = own.waiting.pop_front()
            {
                match waiting.send(Place { tenant, shares: Some(self.clone()) }) {
                    Ok(()) => {
                        own.held += 1;
                        *free -= 1;
                        break;
                    }
                    // Not given back, for it was not taken: that would come here again, under this lock.
                    Err(mut refused) => refused.shares = None,
                }
            }
            if own.waiting.is_empty() {
                if own.held == 0 {
                    tenants.remove(&tenant);
                }
            } else if own.held < self.share {
                own.in_line = true;
                line.push_back(tenant);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(shares) = self.shares.take() {
            shares.give_back(self.tenant);
        }
    }
}

#[cfg(test)]
mod tests;
