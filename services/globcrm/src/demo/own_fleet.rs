//! The fleet that the demo runs for itself, on a clock that it moves: what happens over a year takes a minute, and services, their events and their
//! histories agree on when it happened.

use std::net::TcpListener;
use std::time::Duration;

use anyhow::{Context, bail};
use config::Env;
use fleet::FLEET;
use host::Process;
use ids::{Clock, FixedClock};
use time::OffsetDateTime;

use crate::healthcheck;
use crate::migrate::Urls;
use crate::roles::{self, Role};

/// Until every service is ready.
const START: Duration = Duration::from_secs(60);
/// For one database to say who uses it.
const LOOK: Duration = Duration::from_secs(10);
const CALLS_PER_MINUTE: &str = "1000000";

/// Moves the clock of the fleet; never back.
#[derive(Clone)]
pub(super) struct Hand {
    clock: Clock,
    hand: FixedClock,
}

impl Hand {
    pub(super) fn now(&self) -> OffsetDateTime {
        self.clock.now()
    }

    pub(super) fn wait(&self, time: time::Duration) {
        // A negative one does not convert: that time is over already.
        if let Ok(time) = time.try_into() {
            self.hand.advance(time);
        }
    }

    pub(super) fn wait_until(&self, at: OffsetDateTime) {
        self.wait(at - self.now());
    }
}

/// Fails where a fleet serves this database: it would be told what happened a year ago, and its own work would be done by the demo's clock.
pub(super) async fn refuse_beside_another() -> anyhow::Result<()> {
    let env = Env::process();
    for member in FLEET.iter().filter(|member| member.has_schema) {
        let Urls { worker, .. } = config::load(&env, member.names.upper)?;
        let looked = tokio::time::timeout(LOOK, db::is_served(&worker)).await;
        let name = member.names.title;
        if looked.with_context(|| format!("the database of {name} does not answer"))?? {
            bail!(
                "{name} is running on this database: the demo is loaded before the fleet starts, so stop the fleet first"
            );
        }
    }
    Ok(())
}

/// Runs every service on ports of its own while something is done with them: it is given the address of the gateway, and the hand of their clock,
/// which shows `at`.
pub(super) async fn during<T>(
    at: OffsetDateTime,
    work: impl AsyncFnOnce(&str, Hand) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let places = Places::free()?;
    let (clock, hand) = Clock::fixed(at);
    let process = Process::without_signals("demo", clock.clone());
    let loaded = roles::load(&places.environment(&Env::process()), &Role::ALL)?;
    let working = async {
        let worked = process.shutdown.run_until_cancelled(async {
            tokio::time::timeout(START, places.ready()).await.context("its services are not ready")?;
            work(&places.gateway_url(), Hand { clock, hand }).await
        });
        let worked = worked.await;
        process.shutdown.cancel();
        worked
    };
    let (served, worked) = tokio::join!(roles::serve(loaded, process.clone()), working);
    // A service that failed says more than the call that it did not answer.
    served.context("the fleet of the demo")?;
    worked.context("the fleet of the demo has ended")?
}

/// Ports of this machine, in the order of the fleet.
struct Places {
    grpc: Vec<u16>,
    admin: Vec<u16>,
    public: u16,
}

impl Places {
    fn free() -> anyhow::Result<Self> {
        // All are held until all are known: none is given twice.
        let held: Vec<TcpListener> =
            (0..=2 * FLEET.len()).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<_, _>>()?;
        let ports: Vec<u16> =
            held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<std::io::Result<_>>()?;
        let (grpc, rest) = ports.split_at(FLEET.len());
        let (admin, public) = rest.split_at(FLEET.len());
        let public = *public.first().context("a port for the gateway")?;
        Ok(Self { grpc: grpc.to_vec(), admin: admin.to_vec(), public })
    }

    async fn ready(&self) {
        for port in &self.admin {
            let url = format!("http://127.0.0.1:{port}/readyz");
            while healthcheck::run(&url).await.is_err() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }

    fn gateway_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.public)
    }

    /// What was given, but for where services listen and find each other.
    fn environment(&self, given: &Env) -> Env {
        // It is plain: it lives on loopback, and no certificate is for that.
        let is_kept = |name: &str| {
            !name.contains("_TLS_") && !FLEET.iter().any(|member| name.ends_with(member.names.url[0]))
        };
        let mut all: Vec<(String, String)> = given
            .names()
            .filter(|name| is_kept(name))
            .filter_map(|name| Some((name.to_owned(), given.get(name)?.to_owned())))
            .collect();
        for ((member, grpc), admin) in FLEET.iter().zip(&self.grpc).zip(&self.admin) {
            let upper = member.names.upper;
            all.push((format!("GLOBCRM_{upper}_ADMIN_LISTEN"), format!("127.0.0.1:{admin}")));
            if member.service.is_some() {
                all.push((format!("GLOBCRM_{upper}_GRPC_LISTEN"), format!("127.0.0.1:{grpc}")));
                all.push((
                    format!("GLOBCRM_FLEET_{}", member.names.url[0]),
                    format!("http://127.0.0.1:{grpc}"),
                ));
            }
        }
        // A year of calls comes from one address within a minute.
        for tier in ["TENANT", "PRINCIPAL", "ANONYMOUS"] {
            all.push((format!("GLOBCRM_GATEWAY_RATE_{tier}_PER_MINUTE"), CALLS_PER_MINUTE.to_owned()));
        }
        all.push(("GLOBCRM_GATEWAY_LISTEN".to_owned(), format!("127.0.0.1:{}", self.public)));
        all.into_iter().collect()
    }
}
