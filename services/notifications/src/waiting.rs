//! Who waits for something to happen in a tenant.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ids::TenantId;
use tokio::sync::Notify;

/// Calls of one tenant that wait at once in an instance. Further ones are answered without waiting.
pub const OF_A_TENANT: usize = 32;
/// Of all tenants: half of the calls that a service has at once.
pub const IN_ALL: usize = 512;

/// Those who wait, by tenant. An event that is written in this instance wakes them; those of other instances look by themselves.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Tenants>);

#[derive(Debug, Default)]
struct Tenants {
    by_tenant: HashMap<TenantId, Waiters>,
    in_all: usize,
}

#[derive(Debug, Default)]
struct Waiters {
    wake: Arc<Notify>,
    count: usize,
}

/// A place among those who wait, given back when it is dropped.
#[derive(Debug)]
pub struct Waiter<'a> {
    waiting: &'a Waiting,
    tenant: TenantId,
    wake: Arc<Notify>,
}

impl Waiting {
    /// A place; `None` when all are taken.
    pub fn enter(&self, tenant: TenantId) -> Option<Waiter<'_>> {
        let mut tenants = self.lock();
        let count = tenants.by_tenant.get(&tenant).map_or(0, |waiters| waiters.count);
        if tenants.in_all >= IN_ALL || count >= OF_A_TENANT {
            return None;
        }
        tenants.in_all += 1;
        let waiters = tenants.by_tenant.entry(tenant).or_default();
        waiters.count += 1;
        let wake = waiters.wake.clone();
        drop(tenants);
        Some(Waiter { waiting: self, tenant, wake })
    }

    /// Something was committed in a tenant.
    pub fn moved(&self, tenant: TenantId) {
        if let Some(waiters) = self.lock().by_tenant.get(&tenant) {
            waiters.wake.notify_waiters();
        }
    }

    /// How many wait.
    pub fn count(&self) -> usize {
        self.lock().in_all
    }

    fn lock(&self) -> MutexGuard<'_, Tenants> {
        // What is behind the lock is whole between any two statements.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter<'_> {
    /// Comes true at the next commit. Ask for it before looking, so that what is committed in between is not missed, and
    /// [`enable`](tokio::sync::futures::Notified::enable) it.
    pub fn moved(&self) -> tokio::sync::futures::Notified<'_> {
        self.wake.notified()
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut tenants = self.waiting.lock();
        tenants.in_all -= 1;
        if let Some(waiters) = tenants.by_tenant.get_mut(&self.tenant) {
            waiters.count -= 1;
            if waiters.count == 0 {
                tenants.by_tenant.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn tenant(n: u128) -> TenantId {
        TenantId::from(Uuid::from_u128(n))
    }

    #[tokio::test]
    async fn a_commit_wakes_those_of_its_tenant_and_nobody_else() {
        let waiting = Waiting::default();
        let (one, two, other) = (
            waiting.enter(tenant(1)).unwrap(),
            waiting.enter(tenant(1)).unwrap(),
            waiting.enter(tenant(2)).unwrap(),
        );
        let (mut first, mut second, mut third) =
            (Box::pin(one.moved()), Box::pin(two.moved()), Box::pin(other.moved()));
        for moved in [&mut first, &mut second, &mut third] {
            moved.as_mut().enable();
        }
        waiting.moved(tenant(1));
        first.await;
        second.await;
        tokio::select! {
            biased;
            () = third => panic!("another tenant's commit woke it"),
            () = std::future::ready(()) => {}
        }
    }

    #[test]
    fn places_are_bounded_for_a_tenant_and_in_all_and_come_back() {
        let waiting = Waiting::default();
        let mut held: Vec<_> = (0..OF_A_TENANT).map(|_| waiting.enter(tenant(0)).unwrap()).collect();
        assert!(waiting.enter(tenant(0)).is_none());
        for n in (1..).map(tenant) {
            let Some(waiter) = waiting.enter(n) else { break };
            held.push(waiter);
        }
        assert_eq!((held.len(), waiting.count()), (IN_ALL, IN_ALL));
        held.clear();
        assert_eq!(waiting.count(), 0);
        assert!(waiting.0.lock().unwrap().by_tenant.is_empty());
        assert!(waiting.enter(tenant(0)).is_some());
    }
}
