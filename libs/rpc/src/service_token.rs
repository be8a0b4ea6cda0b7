//! The token that says which service calls: had for the configured secret, held in memory, renewed long before its end.

use std::sync::Arc;
use std::time::Duration;

use error::{Code, Error, Reason};
use host::Process;
use http::HeaderValue;
use ids::Clock;
use proto::identity::v1 as pb;
use proto::identity::v1::identity_service_client::IdentityServiceClient;
use secrecy::ExposeSecret;
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

use crate::{Channel, Idempotent, ServiceSecret};

/// One trade, repetitions included.
const TRADE_DEADLINE: Duration = Duration::from_secs(2);
/// A token is not shown in the last part of its life: the call it goes with is judged a little later, by another clock.
const BEFORE_END: Duration = Duration::from_secs(5);
/// The pause after the first failed trade; it doubles with every further one.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// The longest pause while there is no token, and nothing works: identity must be found soon after it is back.
const LONGEST_WITHOUT: Duration = Duration::from_secs(1);
/// The longest pause while the one held is good.
const LONGEST_WITH: Duration = Duration::from_secs(10);
/// How long a call waits for a token when there is none: identity may be starting, too.
const PATIENCE: Duration = Duration::from_secs(1);
/// A token that is refused is renewed, but not one that is younger: a peer that refuses all of them must not make us trade for ever.
const REFUSED_AGE: Duration = if cfg!(test) { Duration::ZERO } else { Duration::from_secs(1) };

/// The token of this service, for [`Channel::showing`]. Cheap to clone; all clones are one token.
#[derive(Clone)]
pub struct ServiceToken(Arc<Shared>);

struct Shared {
    state: watch::Sender<State>,
    /// Another token is wanted now.
    wanted: Notify,
    clock: Clock,
}

/// What is known.
#[derive(Clone, Debug, Default)]
struct State {
    held: Option<Held>,
    /// Trades that have ended, well or not.
    trades: u64,
    /// Why the last one failed, if it did.
    failure: Option<String>,
    /// Identity does not know the secret.
    refused: bool,
}

impl State {
    /// What is held and has not ended. Its peers judge by the time of day, which goes on while a machine sleeps.
    fn good(&self, clock: &Clock) -> Option<&Held> {
        self.held.as_ref().filter(|held| Instant::now() < held.until && clock.now() < held.ends_at)
    }
}

#[derive(Clone, Debug)]
struct Held {
    /// Marked as sensitive: no log shows it.
    value: HeaderValue,
    since: Instant,
    until: Instant,
    ends_at: OffsetDateTime,
}

impl std::fmt::Debug for ServiceToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ServiceToken").finish_non_exhaustive()
    }
}

impl ServiceToken {
    /// Trades the secret of the service `name` at identity, and goes on renewing what came of it until the process stops. One
    /// task trades, so there is never more than one trade at once.
    pub fn keep(process: &Process, identity: Channel, name: &'static str, secret: ServiceSecret) -> Self {
        let (state, clock) = (watch::Sender::default(), process.clock.clone());
        let token = Self(Arc::new(Shared { state, wanted: Notify::new(), clock }));
        let trade = Trade { client: IdentityServiceClient::new(identity), name, secret };
        let watched = token.clone();
        process.readiness.watch_beside("service-token", move || {
            let failure = watched.0.state.borrow().failure.clone();
            std::future::ready(failure.map_or(Ok(()), Err))
        });
        // A rollout with a wrong secret must stop at its first instance. While identity is away there is no such verdict.
        let watched = token.clone();
        process.readiness.watch("service-secret", move || {
            let state = watched.0.state.borrow();
            let bad = state.refused && state.good(&watched.0.clock).is_none();
            std::future::ready(if bad {
                Err("identity refuses the service's secret".to_owned())
            } else {
                Ok(())
            })
        });
        let renewing = token.clone().renew(trade, process.shutdown.clone());
        drop(process.tasks.spawn("rpc.service_token", renewing));
        token
    }

    /// The token, waited for a moment while there is none.
    ///
    /// Errors: 503 `SERVICE_TOKEN_UNAVAILABLE`.
    pub(crate) async fn get(&self, deadline: Instant) -> Result<HeaderValue, Status> {
        let mut states = self.0.state.subscribe();
        let until = deadline.min(Instant::now() + PATIENCE);
        let good = |state: &State| state.good(&self.0.clock).map(|held| held.value.clone());
        let has_ended = |state: &State| state.held.is_some() && good(state).is_none();
        if has_ended(&states.borrow()) {
            self.0.wanted.notify_one();
        }
        let known = timeout_at(until, states.wait_for(|state| good(state).is_some())).await;
        let value = known.ok().and_then(Result::ok).and_then(|state| good(&state));
        value.ok_or_else(unknown_here)
    }

    /// Another token than `value`, which a peer has refused; `None` if there is none to be had. What is held stays: the peer may
    /// be wrong.
    pub(crate) async fn after(&self, value: &HeaderValue, deadline: Instant) -> Option<HeaderValue> {
        let mut states = self.0.state.subscribe();
        let State { held, trades, failure, .. } = states.borrow().clone();
        let held = held?;
        if held.value != *value {
            return Some(held.value);
        }
        if failure.is_some() || held.since.elapsed() < REFUSED_AGE {
            return None;
        }
        self.0.wanted.notify_one();
        let next = timeout_at(deadline, states.wait_for(|state| state.trades > trades)).await;
        next.ok()?.ok()?.held.as_ref().map(|held| held.value.clone()).filter(|new| new != value)
    }

    async fn renew(self, trade: Trade, shutdown: CancellationToken) {
        let mut failures = 0;
        loop {
            let (asked, asked_at) = (Instant::now(), self.0.clock.now());
            let traded = tokio::select! {
                traded = tokio::time::timeout(TRADE_DEADLINE, trade.make()) => traded,
                () = shutdown.cancelled() => return,
            };
            let pause = match traded.unwrap_or_else(|_| Err(too_late())) {
                Ok((value, life)) => {
                    failures = 0;
                    // Counted from before the question: a slow answer does not live longer.
                    let good_for = life.saturating_sub(BEFORE_END);
                    let held =
                        Held { value, since: asked, until: asked + good_for, ends_at: asked_at + good_for };
                    self.0.state.send_modify(|state| {
                        *state = State { held: Some(held), trades: state.trades + 1, ..State::default() };
                    });
                    (life / 2).max(FIRST_PAUSE)
                }
                Err(error) => {
                    failures += 1;
                    tracing::warn!(role = trade.name, error = %error::chain(&error), failures, "no service token was had");
                    self.0.state.send_modify(|state| {
                        state.trades += 1;
                        state.refused = error.code() == Code::Unauthenticated;
                        state.failure = Some(error.to_string());
                    });
                    self.pause(failures)
                }
            };
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.0.wanted.notified(), if failures == 0 => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// After so many failures in a row. The jitter keeps instances from asking in step.
    fn pause(&self, failures: u32) -> Duration {
        let held = self.0.state.borrow().good(&self.0.clock).is_some();
        let longest = if held { LONGEST_WITH } else { LONGEST_WITHOUT };
        let pause = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(longest);
        pause.mul_f64(rand::random_range(0.5..1.0))
    }
}

/// The way to a token.
struct Trade {
    client: IdentityServiceClient<Channel>,
    name: &'static str,
    secret: ServiceSecret,
}

impl Trade {
    /// A new token and how long it lives.
    async fn make(&self) -> Result<(HeaderValue, Duration), Error> {
        let mut request = Request::new(pb::ExchangeServiceSecretRequest {
            service: self.name.to_owned(),
            secret: self.secret.0.expose_secret().to_owned(),
        });
        request.set_timeout(TRADE_DEADLINE);
        request.extensions_mut().insert(Idempotent);
        let answer = self.client.clone().exchange_service_secret(request).await?.into_inner();
        let mut value = HeaderValue::try_from(answer.service_token).map_err(Error::internal)?;
        value.set_sensitive(true);
        Ok((value, Duration::from_secs(u64::try_from(answer.expires_in).unwrap_or(0))))
    }
}

/// 503: this service has no token that its peer takes.
pub(crate) fn unknown_here() -> Status {
    let text = "this service has no valid service token at the moment";
    Error::unavailable(Reason::SERVICE_TOKEN_UNAVAILABLE, text).into()
}

fn too_late() -> Error {
    Error::unavailable(Reason::SERVICE_TOKEN_UNAVAILABLE, "identity did not answer in time")
}
