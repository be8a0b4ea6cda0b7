//! A fleet in containers, as a client sees it. `cargo xtask test compose` starts it and names its address.

use std::time::Duration;

use crate::client::Client;
use crate::{journey, waiting};

/// The address of the public API.
const GATEWAY: &str = "GLOBCRM_TEST_GATEWAY_URL";
/// Within this, a gateway that has just become healthy answers.
const ANSWERS: Duration = Duration::from_secs(30);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_journey_against_a_fleet_in_containers() {
    let url = std::env::var(GATEWAY).unwrap_or_else(|_| panic!("{GATEWAY} is not set"));
    let anonymous = Client::new(&url);
    waiting::outcome(ANSWERS, "the gateway answers", async || {
        let call = anonymous.call(reqwest::Method::GET, "/api/v1/openapi.json");
        match call.try_send().await {
            Ok(answer) if answer.status == 200 => Ok(()),
            Ok(answer) => Err(answer.status.to_string()),
            Err(error) => Err(error.to_string()),
        }
    })
    .await;
    Box::pin(journey::from_outside(&anonymous, None)).await;
}
