//! Places shared out by tenant: none can hold them all, and whoever waits is served in turn. They are for connections; services use
//! the same where tenants share something else of theirs.
//!
//! Free places are not enough for a tenant next to a busy one: what that one runs on the places it holds takes the database's
//! processors, and the other's statements wait there. So a share is smaller by each place that others use, down to a bound. A place
//! is used while it is held and for a moment afterwards ([`LATELY`]): who asks once a second costs a busy tenant one place for
//! that moment, who asks all the time costs it all but the smallest share. What others hold also counts however long they hold it, so
//! tenants with long statements do not fill the pool between them: the next one to come finds a place.

mod lately;

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use lately::{LATELY, Lately};

/// The places of one whole, such as a pool.
#[derive(Debug)]
pub struct Shares {
    /// How many there are.
    places: usize,
    /// How many one tenant may hold while others use none.
    alone: usize,
    /// How many however many others use.
    beside: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    free: usize,
    lately: Lately,
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

/// A place; given back when dropped.
#[derive(Debug)]
pub struct Place {
    tenant: Uuid,
    /// `None` when nobody was there to take it.
    shares: Option<Arc<Shares>>,
}

/// Why there was no place in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// The tenant holds all that it may.
    #[error("the tenant holds all the places that it may")]
    OwnShare,
    /// All tenants together hold all that there are.
    #[error("all places are held")]
    AllTaken,
}

impl Shares {
    /// `places` for all; for one tenant at most `alone` less what others use, but always `beside`.
    pub fn new(places: usize, alone: usize, beside: usize) -> Arc<Self> {
        let alone = alone.clamp(1, places.max(1));
        let beside = beside.clamp(1, alone);
        let lately = Lately::new((alone - beside).max(1));
        let state = State { free: places, lately, tenants: HashMap::new(), line: VecDeque::new() };
        Arc::new(Self { places, alone, beside, state: Mutex::new(state) })
    }

    /// Takes a place for `tenant`, or waits for one.
    pub async fn take(self: &Arc<Self>, tenant: Uuid, patience: Duration) -> Result<Place, NoPlace> {
        let Some(receiver) = self.take_or_queue(tenant) else {
            return Ok(Place { tenant, shares: Some(self.clone()) });
        };
        let (mut receiver, end) = (receiver, Instant::now() + patience);
        loop {
            // When what others used counts no more the share grows, and nobody gives anything back at that moment.
            let grows = self.grows(tenant);
            match timeout_at(grows.min(end), &mut receiver).await {
                Ok(Ok(place)) => return Ok(place),
                Err(_) if Instant::now() < end => self.line_up(tenant),
                Ok(Err(_)) | Err(_) => return Err(self.refusal(tenant)),
            }
        }
    }

    /// Takes a free place (`None`), or gives where the next one will come.
    fn take_or_queue(self: &Arc<Self>, tenant: Uuid) -> Option<oneshot::Receiver<Place>> {
        let mut state = self.lock();
        let share = self.share(&state, tenant);
        let State { free, tenants, .. } = &mut *state;
        let own = tenants.entry(tenant).or_default();
        // Those who gave up are swept out here, so that a storm of them leaves no more than there are live ones.
        own.waiting.retain(|waiting| !waiting.is_closed());
        if own.held < share && *free > 0 && own.waiting.is_empty() {
            own.held += 1;
            *free -= 1;
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        own.waiting.push_back(sender);
        self.line_up_in(&mut state, tenant);
        Some(receiver)
    }

    /// Puts a tenant in line if its callers wait for places that it may have, and serves the line.
    fn line_up(self: &Arc<Self>, tenant: Uuid) {
        self.line_up_in(&mut self.lock(), tenant);
    }

    fn line_up_in(self: &Arc<Self>, state: &mut State, tenant: Uuid) {
        let share = self.share(state, tenant);
        let State { tenants, line, .. } = &mut *state;
        if let Some(own) = tenants.get_mut(&tenant)
            && own.held < share
            && !own.waiting.is_empty()
            && !own.in_line
        {
            own.in_line = true;
            line.push_back(tenant);
        }
        self.serve(state);
    }

    fn refusal(&self, tenant: Uuid) -> NoPlace {
        let mut state = self.lock();
        let share = self.share(&state, tenant);
        let free = state.free;
        let Some(own) = state.tenants.get_mut(&tenant) else { return NoPlace::AllTaken };
        own.waiting.retain(|waiting| !waiting.is_closed());
        // While places are free, it was its own share that kept it waiting, though that may have grown this moment.
        if own.held >= share || free > 0 { NoPlace::OwnShare } else { NoPlace::AllTaken }
    }

    fn give_back(self: &Arc<Self>, tenant: Uuid) {
        let mut state = self.lock();
        state.free += 1;
        if !tenant.is_nil() {
            state.lately.note(tenant);
        }
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
        while state.free > 0
            && let Some(tenant) = state.line.pop_front()
        {
            let share = self.share(state, tenant);
            let State { free, tenants, line, .. } = &mut *state;
            let Some(own) = tenants.get_mut(&tenant) else { continue };
            own.in_line = false;
            while own.held < share
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
            } else if own.held < share {
                own.in_line = true;
                line.push_back(tenant);
            }
        }
    }

    /// How many places the tenant may hold now. Who is not yet known to be anybody's, as at a log-in, comes for all tenants: it has
    /// the whole share, and is no other to anybody.
    fn share(&self, state: &State, tenant: Uuid) -> usize {
        if tenant.is_nil() {
            return self.alone;
        }
        self.alone.saturating_sub(self.used_by_others(state, tenant)).max(self.beside)
    }

    /// Places that others than `tenant` hold or held lately.
    fn used_by_others(&self, state: &State, tenant: Uuid) -> usize {
        let of_nobody = if tenant.is_nil() { 0 } else { state.held_by(Uuid::nil()) };
        let held = self.places - state.free - state.held_by(tenant) - of_nobody;
        held + state.lately.by_others(tenant).count()
    }

    /// When the share of a tenant that waits may become more than it holds, at the soonest.
    fn grows(&self, tenant: Uuid) -> Instant {
        let state = self.lock();
        let later = Instant::now() + LATELY;
        // It may hold less by then, and nobody asks for it when it gives back while its share is small.
        let Some(may_be_used) = self.alone.checked_sub(state.held_by(tenant) + 1) else { return later };
        let to_end = self.used_by_others(&state, tenant).saturating_sub(may_be_used);
        let ends = to_end.checked_sub(1).and_then(|before| state.lately.by_others(tenant).nth(before));
        // It also takes places that are held now, and those count for as long as this after they were given back.
        ends.unwrap_or(later)
    }

    /// Whether others than `tenant` use places in numbers: half as many as bring its share down to the smallest.
    pub(crate) fn others_come(&self, tenant: Uuid) -> bool {
        let in_numbers = (self.alone - self.beside).div_ceil(2).max(1);
        self.used_by_others(&self.lock(), tenant) >= in_numbers
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn held_by(&self, tenant: Uuid) -> usize {
        self.tenants.get(&tenant).map_or(0, |tenant| tenant.held)
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
