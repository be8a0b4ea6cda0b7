//! The instances of one peer: found by name, kept connected, chosen by load.
//!
//! A headless service's name has one address per instance and changes as instances come and go. Each address has one
//! connection, made and renewed by its own task, so that a call only ever chooses among instances that are connected.

mod instance;

use std::collections::BTreeSet;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;

use instance::Instance;
pub(crate) use instance::Way;
pub(crate) use instance::{Lease, Outcome};

/// How often a name is looked up again.
pub(crate) const LOOKUP_PERIOD: Duration = Duration::from_secs(5);
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(2);
/// Between two lookups that calls asked for.
const LOOKUP_PAUSE: Duration = Duration::from_millis(100);
/// Instances of one peer that are connected to; further ones are left to others.
const MAX_INSTANCES: usize = 64;

/// Looks the addresses up.
pub(crate) type Lookup =
    Arc<dyn Fn() -> Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>> + Send + Sync>;

/// All instances of a peer. Its tasks end with it.
#[derive(Debug)]
pub(crate) struct Pool {
    shared: Arc<Shared>,
    _keeper: JoinSet<()>,
}

struct Shared {
    instances: Mutex<Vec<Arc<Instance>>>,
    lookup_now: Notify,
    /// Counts lookups; what `changed` cannot tell a call that came late.
    lookups: Mutex<u64>,
    /// Something happened: a lookup or an attempt to connect ended.
    changed: watch::Sender<()>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.instances().iter().map(|i| i.address())).finish()
    }
}

/// No instance can be reached.
#[derive(Debug)]
pub(crate) struct NoInstance;

impl Pool {
    /// The instances at the addresses of the host of the way's URL.
    pub(crate) fn of(way: Way) -> Self {
        let url = &way.url;
        let target = format!("{}:{}", url.host().unwrap_or_default(), url.port_u16().unwrap_or_default());
        let lookup: Lookup = Arc::new(move || {
            let target = target.clone();
            Box::pin(async move { Ok(tokio::net::lookup_host(target).await?.collect()) })
        });
        Self::new(way, lookup, LOOKUP_PERIOD)
    }

    /// The instances that `lookup` names, asked every `period`.
    pub(crate) fn new(way: Way, lookup: Lookup, period: Duration) -> Self {
        let shared = Arc::new(Shared {
            instances: Mutex::default(),
            lookup_now: Notify::new(),
            lookups: Mutex::new(0),
            changed: watch::Sender::new(()),
        });
        let mut keeper = JoinSet::new();
        keeper.spawn(keep(shared.clone(), way, lookup, period));
        Self { shared, _keeper: keeper }
    }

    /// A place at the less loaded of two connected instances. Waits for a connection only while one may come: when every
    /// instance was tried since the question and none is connected, it says so at once. The caller sets the deadline.
    pub(crate) async fn pick(&self) -> Result<Lease, NoInstance> {
        let mut changed = self.shared.changed.subscribe();
        let mut instances = self.shared.instances();
        if let Some(lease) = choose(&instances) {
            return Ok(lease);
        }
        let lookups = self.shared.lookups();
        self.shared.lookup_now.notify_one();
        let tried: Vec<(SocketAddr, u64)> = instances.iter().map(|i| (i.address(), i.hurry())).collect();
        loop {
            // The sender lives in self.
            if changed.changed().await.is_err() {
                return Err(NoInstance);
            }
            instances = self.shared.instances();
            if let Some(lease) = choose(&instances) {
                return Ok(lease);
            }
            let untried = |i: &Arc<Instance>| {
                let before = tried.iter().find(|(a, _)| *a == i.address()).map_or(0, |(_, n)| *n);
                i.attempts() == before
            };
            if self.shared.lookups() > lookups && !instances.iter().any(untried) {
                return Err(NoInstance);
            }
        }
    }

    /// What became of a call; decides whether the instance is chosen again soon.
    pub(crate) fn note(&self, lease: &Lease, outcome: Outcome) {
        let instances = self.shared.instances();
        let others =
            instances.iter().filter(|i| i.is_up() && i.address() != lease.instance().address()).count();
        // When half of them fail it is the load or the database, and the rest would only be crushed.
        lease.instance().note(outcome, others * 2 >= instances.len());
        if outcome == Outcome::Unreachable {
            self.shared.lookup_now.notify_one();
        }
    }
}

impl Shared {
    fn instances(&self) -> Vec<Arc<Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn lookups(&self) -> u64 {
        *self.lookups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Power of two choices: nearly as even as asking all, and no herd runs to the same one.
fn choose(instances: &[Arc<Instance>]) -> Option<Lease> {
    let up: Vec<&Arc<Instance>> = instances.iter().filter(|i| i.is_up()).collect();
    let chosen = match up.as_slice() {
        [] => return None,
        [one] => one,
        many => {
            let first = rand::random_range(0..many.len());
            let second = (first + rand::random_range(1..many.len())) % many.len();
            if many[first].burden() <= many[second].burden() { many[first] } else { many[second] }
        }
    };
    chosen.lease()
}

/// Looks up, connects to what is new, lets go what is gone.
async fn keep(shared: Arc<Shared>, way: Way, lookup: Lookup, period: Duration) {
    // One set per instance, so that dropping it ends its task.
    let mut connecting: Vec<(SocketAddr, JoinSet<()>)> = Vec::new();
    loop {
        match tokio::time::timeout(LOOKUP_TIMEOUT, lookup()).await {
            Ok(Ok(found)) => {
                let found: BTreeSet<SocketAddr> = found.into_iter().take(MAX_INSTANCES).collect();
                // An empty answer is a name server's bad moment more often than the end of all instances.
                if !found.is_empty() {
                    adopt(&shared, &way, &found, &mut connecting);
                }
            }
            Ok(Err(error)) => {
                tracing::debug!(url = %way.url, error = %error::chain(&error), "the name was not found; what is known stays");
            }
            Err(_) => {
                tracing::debug!(url = %way.url, "the name was not looked up in time; what is known stays");
            }
        }
        *shared.lookups.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        shared.changed.send_replace(());
        tokio::time::sleep(LOOKUP_PAUSE.min(period)).await;
        tokio::select! {
            () = tokio::time::sleep(period) => {}
            () = shared.lookup_now.notified() => {}
        }
    }
}

fn adopt(
    shared: &Arc<Shared>,
    way: &Way,
    found: &BTreeSet<SocketAddr>,
    connecting: &mut Vec<(SocketAddr, JoinSet<()>)>,
) {
    let mut instances = shared.instances.lock().unwrap_or_else(PoisonError::into_inner);
    // A call in flight keeps its connection until it ends.
    instances.retain(|i| found.contains(&i.address()));
    connecting.retain(|(address, _)| found.contains(address));
    for address in found {
        if instances.iter().any(|i| i.address() == *address) {
            continue;
        }
        let instance = Arc::new(Instance::new(*address));
        let mut task = JoinSet::new();
        let (own, changed) = (instance.clone(), shared.changed.clone());
        let way = way.clone();
        task.spawn(async move { own.keep_connected(&way, &changed).await });
        connecting.push((*address, task));
        instances.push(instance);
    }
}

#[cfg(test)]
mod tests;
