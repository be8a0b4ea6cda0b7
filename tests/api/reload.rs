//! Settings that change while a fleet runs.

use std::time::Duration;

use testkit::fleet::Role;

use super::metrics::{scrape, sum};
use crate::stage::Stage;
use crate::waiting;

/// Files are looked at every five seconds.
const BOUND: Duration = Duration::from_secs(30);

async fn until_limit(stage: &Stage, wanted: &str) {
    waiting::outcome(BOUND, &format!("the limit is {wanted}"), async || {
        let answer = stage.anonymous.get("/api/v1/me").await;
        match answer.header("x-ratelimit-limit") {
            Some(limit) if limit == wanted => Ok(()),
            other => Err(format!("it is {other:?}")),
        }
    })
    .await;
}

async fn until_success(stage: &Stage, wanted: f64) {
    waiting::outcome(BOUND, &format!("the success of reloading is {wanted}"), async || {
        let now = sum(&scrape(stage, Role::Gateway).await, "globcrm_config_reload_success", &[]);
        if (now - wanted).abs() < f64::EPSILON { Ok(()) } else { Err(format!("it is {now}")) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_changes_limits_and_the_log_and_a_wrong_one_nothing() {
    let file = std::env::temp_dir().join(format!("globcrm-fleet-{}", std::process::id()));
    let write = |text: &str| std::fs::write(&file, text).expect("written");
    write("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE=90001\n");
    let variables = [("GLOBCRM_FLEET_RELOAD_FILE", file.to_str().expect("a path"))];
    let stage = tokio::task::block_in_place(|| Stage::start_with(&variables));
    // It counts from the start, before the environment, which says 100000.
    until_limit(&stage, "90001").await;

    write("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE=90002\nGLOBCRM_FLEET_LOG=off\n");
    until_limit(&stage, "90002").await;
    let log = || std::fs::read_to_string(stage.fleet.log(Role::Gateway)).expect("a log");
    // Nothing is written any more, not even that something was wrong.
    let quiet = log();
    write("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE=90003\nGLOBCRM_GATEWAY_LISTEN=127.0.0.1:1\n");
    until_success(&stage, 0.0).await;
    until_limit(&stage, "90002").await;
    assert_eq!(log(), quiet);

    write("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE=90004\nGLOBCRM_FLEET_LOG=info\n");
    until_limit(&stage, "90004").await;
    until_success(&stage, 1.0).await;
    write("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE=hunter2\n");
    until_success(&stage, 0.0).await;
    let told = log();
    assert!(told.contains("GLOBCRM_GATEWAY_RATE_ANONYMOUS_PER_MINUTE must be a whole number"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    std::fs::remove_file(&file).expect("removed");
}
