//! A running fleet between plain and TLS.

use fleet::Role;

use super::strangers::{Meeting, meet};
use super::{BOUND, HERE, fleet_tls, log, stage};
use crate::api::metrics::{scrape, sum};
use crate::certificates::{Authority, Files};
use crate::waiting;

#[tokio::test(flavor = "multi_thread")]
async fn while_a_fleet_is_changed_over_its_ports_take_both() {
    let ours = Authority::new("ours");
    let files = Files::new("change-over");
    files.put_pair(&ours.issue(&[HERE]));
    files.put_authorities(&[&ours]);
    let mut variables = files.fleet_variables();
    variables.push(("GLOBCRM_FLEET_TLS_ALSO_PLAIN", "true".to_owned()));
    // The gateway still calls plain, services call each other by TLS.
    let stage = stage(variables).await;
    let tenant = stage.tenant("change-over").await;
    tenant.admin.post("/api/v1/contacts", serde_json::json!({"last_name": "Both"})).await.expect(201);
    let token = stage.service_token(Role::Gateway).await;
    assert!(!token.is_empty(), "a plain caller of our own is served");
    let port = stage.ports.grpc[&Role::Records];
    assert!(matches!(meet(&fleet_tls(&files), HERE, port).await, Meeting::Served));
    // Whoever speaks TLS must still have a certificate.
    let theirs = Authority::new("theirs");
    let strange = Files::new("change-over-strange");
    strange.put_pair(&theirs.issue(&[HERE]));
    strange.put_authorities(&[&ours, &theirs]);
    assert!(matches!(meet(&fleet_tls(&strange), HERE, port).await, Meeting::Refused(_)));
    for role in [Role::Records, Role::Gateway] {
        assert!(log(&stage, role).contains("TLS_ALSO_PLAIN"), "the log of {} does not say it", role.name());
    }
    waiting::until(BOUND, "plain callers are counted", async || {
        let samples = scrape(&stage, Role::Records).await;
        sum(&samples, "globcrm_tls_plain", &[r#"port="grpc""#]) >= 1.0
    })
    .await;
}
