//! What operators see of tenants: the busiest by their ids, all others as one. So the number of series is bounded, whoever comes.
//!
//! Whose name is shown is looked at once a minute, by a sketch of who came most often lately. A tenant that is named is counted exactly from then
//! on. One that is not any more loses its series, and begins at 0 when it comes back: Prometheus' `rate` knows both, but
//! for the first request of a series that is new. So the sum of all rates is close to that of all requests, and a little below it while names change.

mod sketch;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use ids::TenantId;
use opentelemetry::KeyValue;
use sketch::Sketch;

/// The most tenants that can have a name.
pub(crate) const MOST: u64 = 200;
/// How often it is looked at who is named.
const TURN: Duration = Duration::from_secs(60);
/// Places of the sketch for one that is named: with more of them, it is surer who the busiest are.
const PLACES: usize = 4;
/// Everybody without a name.
const OTHER: &str = "other";
/// How requests end: answered, refused (4xx), failed (5xx), or its client went.
const OUTCOMES: [&str; 4] = ["answered", "refused", "failed", "gone"];

/// Requests by tenant.
#[derive(Debug)]
pub(crate) struct Tenants(Mutex<Busy>);

/// What one tenant, or all others, have asked for.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    requests: [u64; OUTCOMES.len()],
    time: Duration,
}

#[derive(Debug)]
struct Busy {
    /// How many are named.
    most: usize,
    sketch: Sketch<TenantId>,
    named: HashMap<TenantId, Tally>,
    other: Tally,
    turned: Instant,
}

impl Tenants {
    /// Names at most so many, and shows them for as long as the answer lives.
    pub(crate) fn show(most: usize) -> Arc<Self> {
        let tenants = Arc::new(Self(Mutex::new(Busy::new(most, Instant::now()))));
        let meter = opentelemetry::global::meter("globcrm.gateway");
        let seen = Arc::downgrade(&tenants);
        meter
            .u64_observable_counter("globcrm.gateway.tenant.requests")
            .with_unit("{request}")
            .with_description("Requests of the busiest tenants, and of all others")
            .with_callback(move |counter| {
                let Some(tenants) = seen.upgrade() else { return };
                for (tenant, tally) in tenants.tallies() {
                    for (outcome, requests) in OUTCOMES.into_iter().zip(tally.requests) {
                        counter.observe(requests, &[tenant.clone(), KeyValue::new("outcome", outcome)]);
                    }
                }
            })
            .build();
        let seen = Arc::downgrade(&tenants);
        meter
            .f64_observable_counter("globcrm.gateway.tenant.time")
            .with_unit("s")
            .with_description("Time until answers to the busiest tenants, and to all others")
            .with_callback(move |counter| {
                let Some(tenants) = seen.upgrade() else { return };
                for (tenant, tally) in tenants.tallies() {
                    counter.observe(tally.time.as_secs_f64(), &[tenant]);
                }
            })
            .build();
        tenants
    }

    /// A request of a tenant has ended; without a status its client has gone.
    pub(crate) fn ended(&self, tenant: TenantId, status: Option<StatusCode>, took: Duration) {
        self.busy().ended(tenant, outcome(status), took, Instant::now());
    }

    fn tallies(&self) -> Vec<(KeyValue, Tally)> {
        let label = |tenant: String| KeyValue::new("tenant_id", tenant);
        let busy = self.busy();
        let named = busy.named.iter().map(|(tenant, tally)| (label(tenant.to_string()), *tally));
        named.chain([(label(OTHER.to_owned()), busy.other)]).collect()
    }

    fn busy(&self) -> MutexGuard<'_, Busy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn outcome(status: Option<StatusCode>) -> usize {
    match status {
        None => 3,
        Some(status) if status.is_server_error() => 2,
        Some(status) if status.is_client_error() => 1,
        Some(_) => 0,
    }
}

impl Busy {
    fn new(most: usize, now: Instant) -> Self {
        Self {
            most,
            sketch: Sketch::new(most * PLACES),
            named: HashMap::with_capacity(most),
            other: Tally::default(),
            turned: now,
        }
    }

    fn ended(&mut self, tenant: TenantId, outcome: usize, took: Duration, now: Instant) {
        self.sketch.add(tenant);
        if now.saturating_duration_since(self.turned) >= TURN {
            self.turned = now;
            self.turn();
        }
        let has_room = self.named.len() < self.most;
        let tally = match self.named.get_mut(&tenant) {
            Some(tally) => tally,
            None if has_room => self.named.entry(tenant).or_default(),
            None => &mut self.other,
        };
        if let Some(requests) = tally.requests.get_mut(outcome) {
            *requests += 1;
        }
        tally.time += took;
    }

    /// Gives the names to the busiest. Whoever has one keeps it until another one is twice as busy: names that go to and fro would be new
    /// series all the time.
    fn turn(&mut self) {
        let known: HashSet<TenantId> = self.sketch.keys().chain(self.named.keys().copied()).collect();
        let weight = |tenant: &TenantId| {
            let is_named = self.named.contains_key(tenant);
            let count = self.sketch.count(*tenant);
            (if is_named { count.saturating_mul(2) } else { count }, is_named, *tenant)
        };
        let mut ranked: Vec<_> = known.iter().map(weight).collect();
        ranked.sort_unstable_by(|one, other| other.cmp(one));
        ranked.truncate(self.most);
        let chosen: HashSet<TenantId> = ranked.into_iter().map(|(_, _, tenant)| tenant).collect();
        self.named.retain(|tenant, _| chosen.contains(tenant));
        for tenant in chosen {
            self.named.entry(tenant).or_default();
        }
        self.sketch.fade();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(n: u128) -> TenantId {
        uuid::Uuid::from_u128(n).into()
    }

    fn all(busy: &Busy) -> u64 {
        busy.named.values().chain([&busy.other]).flat_map(|tally| tally.requests).sum()
    }

    #[test]
    fn five_thousand_tenants_are_as_many_series_as_fifty_and_those_who_are_busy_have_names() {
        const NAMED: usize = 50;
        let began = Instant::now();
        let mut busy = Busy::new(NAMED, began);
        for minute in 0..10 {
            let now = began + TURN * minute;
            for n in 0..5_000 {
                busy.ended(tenant(n), 0, Duration::from_millis(1), now);
                if n % 10 == 0 {
                    busy.ended(tenant(100_000), 1, Duration::from_millis(1), now);
                }
            }
            assert!(busy.named.len() <= NAMED && busy.sketch.keys().count() <= NAMED * PLACES);
        }
        // It came after all names were given; counted from its first turn on.
        let tally = busy.named[&tenant(100_000)];
        assert!(tally.requests[1] >= 500 * 8, "{tally:?}");
        assert_eq!(tally.time.as_millis() as u64, tally.requests[1]);
    }

    #[test]
    fn no_request_is_counted_twice_or_left_out_while_nobody_loses_a_name() {
        let now = Instant::now();
        let mut busy = Busy::new(2, now);
        for n in [1, 1, 2, 3, 3, 4, 1] {
            busy.ended(tenant(n), 0, Duration::ZERO, now);
        }
        assert_eq!(all(&busy), 7);
        assert_eq!(busy.named[&tenant(1)].requests[0], 3);
        assert_eq!(busy.other.requests[0], 3);
    }

    #[test]
    fn a_name_goes_to_whoever_is_twice_as_busy_and_not_to_one_that_is_a_little_busier() {
        let began = Instant::now();
        let mut busy = Busy::new(1, began);
        let ask = |busy: &mut Busy, n: u128, times: usize, minute: u32| {
            for _ in 0..times {
                busy.ended(tenant(n), 0, Duration::ZERO, began + TURN * minute);
            }
        };
        ask(&mut busy, 1, 10, 0);
        ask(&mut busy, 2, 15, 0);
        ask(&mut busy, 1, 1, 1);
        assert!(busy.named.contains_key(&tenant(1)));
        ask(&mut busy, 2, 90, 1);
        ask(&mut busy, 1, 1, 2);
        assert_eq!(busy.named.keys().copied().collect::<Vec<_>>(), [tenant(2)]);
        // It begins at 0; what it asked for before stays with the others.
        assert_eq!(busy.named[&tenant(2)].requests[0], 0);
    }

    #[test]
    fn nobody_is_named_without_being_asked_for() {
        let now = Instant::now();
        let mut busy = Busy::new(0, now);
        busy.ended(tenant(1), 2, Duration::ZERO, now);
        busy.ended(tenant(1), 0, Duration::ZERO, now + TURN);
        assert!(busy.named.is_empty());
        assert_eq!(busy.other.requests, [1, 0, 1, 0]);
    }

    #[test]
    fn outcomes_follow_the_status() {
        let of = |status: u16| OUTCOMES[outcome(StatusCode::from_u16(status).ok())];
        assert_eq!(
            [of(200), of(304), of(404), of(429), of(503)],
            ["answered", "answered", "refused", "refused", "failed"]
        );
        assert_eq!(OUTCOMES[outcome(None)], "gone");
    }
}
