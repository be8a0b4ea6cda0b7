//! API keys that were good a while ago, by their digest: whose they are.
//!
//! Such a key is charged to its owner before identity is asked whether it still is good, and not to its client's address: so
//! whoever guesses keys at an address does not shut out those at the same address who have one. Known keys are no credential:
//! identity is asked all the same.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ids::TenantId;
use rpc::identity::KeyDigest;
use tokio::time::Instant;
use uuid::Uuid;

/// A key is known for this long after it was good.
const KEPT: Duration = Duration::from_secs(12 * 60 * 60);
/// Keys that are known, and those of one tenant while the others have none.
const WHOLE: usize = 50_000;
const OF_TENANT: usize = 5_000;
/// Old keys that are forgotten at once, to make room for one.
const FORGOTTEN: usize = 16;

#[derive(Debug, Default)]
pub(crate) struct KnownKeys(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    keys: HashMap<KeyDigest, Owner>,
    /// The same keys, the oldest first: whoever has too many must not have all of them looked at for each.
    by_age: BTreeSet<(Instant, KeyDigest)>,
    by_tenant: HashMap<TenantId, usize>,
}

#[derive(Clone, Copy, Debug)]
struct Owner {
    tenant: TenantId,
    principal: Uuid,
    until: Instant,
}

impl KnownKeys {
    /// The tenant and principal of a key that was good.
    pub(crate) fn owner(&self, digest: &KeyDigest) -> Option<(TenantId, Uuid)> {
        let known = self.lock();
        let owner = known.keys.get(digest).filter(|owner| owner.until > Instant::now())?;
        Some((owner.tenant, owner.principal))
    }

    /// Notes a key that is good. A tenant with more than its share of them is known by no more.
    pub(crate) fn note(&self, digest: KeyDigest, tenant: TenantId, principal: Uuid) {
        let now = Instant::now();
        let mut known = self.lock();
        known.forget(&digest);
        known.forget_old(now);
        if known.is_full_for(tenant) {
            return;
        }
        let until = now + KEPT;
        known.keys.insert(digest, Owner { tenant, principal, until });
        known.by_age.insert((until, digest));
        *known.by_tenant.entry(tenant).or_default() += 1;
    }

    /// Forgets a key that is good no longer.
    pub(crate) fn forget(&self, digest: &KeyDigest) {
        self.lock().forget(digest);
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_full_for(&self, tenant: TenantId) -> bool {
        let own = self.by_tenant.get(&tenant).copied().unwrap_or_default();
        own >= host::share(OF_TENANT, WHOLE, self.keys.len())
    }

    fn forget(&mut self, digest: &KeyDigest) {
        let Some(owner) = self.keys.remove(digest) else { return };
        self.by_age.remove(&(owner.until, *digest));
        if let Some(own) = self.by_tenant.get_mut(&owner.tenant) {
            *own -= 1;
            if *own == 0 {
                self.by_tenant.remove(&owner.tenant);
            }
        }
    }

    fn forget_old(&mut self, now: Instant) {
        for _ in 0..FORGOTTEN {
            let Some((_, oldest)) = self.by_age.first().copied().filter(|(until, _)| *until <= now) else {
                return;
            };
            self.forget(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(n: usize) -> KeyDigest {
        KeyDigest::of(&format!("gck_{n}").into())
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_is_known_for_a_while_and_one_tenant_has_its_share_of_them() {
        let keys = KnownKeys::default();
        let clock = ids::Clock::system();
        let (tenant, other): (TenantId, TenantId) = (clock.new_uuid().into(), clock.new_uuid().into());
        let principal = clock.new_uuid();
        for n in 0..=OF_TENANT {
            keys.note(digest(n), tenant, principal);
        }
        assert_eq!(keys.owner(&digest(0)), Some((tenant, principal)));
        assert_eq!(keys.owner(&digest(OF_TENANT)), None);
        keys.note(digest(OF_TENANT), other, principal);
        assert_eq!(keys.owner(&digest(OF_TENANT)), Some((other, principal)));
        keys.forget(&digest(0));
        assert_eq!(keys.owner(&digest(0)), None);
        tokio::time::advance(KEPT).await;
        assert_eq!(keys.owner(&digest(OF_TENANT)), None);
        // What is old makes room, some of it for each newcomer.
        let had = keys.lock().keys.len();
        keys.note(digest(OF_TENANT + 1), tenant, principal);
        assert_eq!(keys.lock().keys.len(), had - FORGOTTEN + 1);
        for n in 1..OF_TENANT / 2 {
            keys.note(digest(OF_TENANT + 1 + n), tenant, principal);
        }
        assert!(keys.owner(&digest(OF_TENANT + OF_TENANT / 2)).is_some());
        let known = keys.lock();
        assert_eq!((known.keys.len(), known.by_age.len()), (OF_TENANT / 2, OF_TENANT / 2));
    }

    #[tokio::test(start_paused = true)]
    async fn a_key_that_is_noted_again_is_known_anew() {
        let keys = KnownKeys::default();
        let clock = ids::Clock::system();
        let (tenant, principal) = (TenantId::from(clock.new_uuid()), clock.new_uuid());
        keys.note(digest(0), tenant, principal);
        tokio::time::advance(KEPT / 2).await;
        keys.note(digest(0), tenant, principal);
        tokio::time::advance(KEPT / 2).await;
        keys.note(digest(1), tenant, principal);
        assert_eq!(keys.owner(&digest(0)), Some((tenant, principal)));
        assert_eq!(keys.lock().by_age.len(), 2);
    }
}
