//! TLS between real processes: the public port, gRPC with certificates on both sides, certificates that are exchanged.

mod change_over;
mod exchange;
mod public;
mod stores;
mod strangers;

use ::tls::FleetTls;
use config::{Env, Hot, Reader, Section, load};
use fleet::Role;
use tokio::time::{Duration, timeout};

use crate::certificates::Files;
use crate::stage::Stage;
use crate::waiting;

/// What has not come by then does not come. Files are looked at every five seconds.
const BOUND: Duration = Duration::from_secs(60);

/// The fleet that is at this address, whichever certificate it has.
const HERE: &str = "127.0.0.1";

/// What a service would show, read as a service reads it.
struct Own(Hot<FleetTls>);

impl Section for Own {
    fn read(r: &mut Reader<'_>) -> Option<Self> {
        r.watched().map(Self)
    }
}

/// The TLS of a process with these files.
fn fleet_tls(files: &Files) -> Hot<FleetTls> {
    let env: Env = files.fleet_variables().into_iter().collect();
    load::<Own>(&env, "GATEWAY").expect("settings").0
}

/// A fleet of the caller's own that gets these variables too.
async fn stage(variables: Vec<(&'static str, String)>) -> Stage {
    let start = move || {
        let variables: Vec<(&str, &str)> = variables.iter().map(|(name, value)| (*name, &**value)).collect();
        Stage::start_with(&variables)
    };
    tokio::task::spawn_blocking(start).await.expect("the stage")
}

async fn in_time<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(BOUND, future).await.unwrap_or_else(|_| panic!("{what}: not within {BOUND:?}"))
}

fn log(stage: &Stage, role: Role) -> String {
    std::fs::read_to_string(stage.fleet.log(role)).expect("a log")
}

/// Waits until every one of `roles` says that its certificate ends then.
async fn until_in_force(stage: &Stage, roles: &[Role], used_for: &str, ends: i64) {
    for role in roles {
        waiting::outcome(BOUND, &format!("{} has the certificate", role.name()), async || {
            let samples = crate::api::metrics::scrape(stage, *role).await;
            let label = format!("use=\"{used_for}\"");
            let labels = ["globcrm_tls_certificate_expiry_seconds", &label];
            let shown = samples.iter().find(|(name, _)| labels.iter().all(|part| name.contains(part)));
            match shown {
                #[allow(clippy::cast_precision_loss, reason = "seconds since 1970 fit")]
                Some((_, at)) if (at - ends as f64).abs() < 0.5 => Ok(()),
                other => Err(format!("{other:?} instead of {ends}")),
            }
        })
        .await;
    }
}
