//! Certificates of a fleet by another authority, while it is called.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use fleet::Role;
use tokio::task::JoinSet;

use super::strangers::{Meeting, meet};
use super::{BOUND, HERE, fleet_tls, log, stage, until_in_force};
use crate::certificates::{Authority, Files};
use crate::client::Client;
use crate::sockets::connected;
use crate::stage::Stage;
use crate::waiting;

const CALLERS: usize = 4;

/// One call after the other, until told; how many there were. A refusal ends the test.
async fn calls(client: Client, stop: Arc<AtomicBool>) -> usize {
    let mut made = 0;
    while !stop.load(Ordering::Relaxed) {
        // By way of the gateway to records, which asks identity and fields.
        client.get("/api/v1/contacts").await.expect(200);
        client
            .post("/api/v1/contacts", serde_json::json!({"last_name": format!("No. {made}")}))
            .await
            .expect(201);
        made += 2;
    }
    made
}

/// Waits until every process has taken up what is in the files; `before` is what [`taken_up`] counted.
async fn until_taken_up(stage: &Stage, before: &[usize]) {
    for (role, before) in Role::ALL.into_iter().zip(before) {
        waiting::until(BOUND, &format!("{} has the new files", role.name()), async || {
            times(stage, role) > *before
        })
        .await;
    }
}

fn times(stage: &Stage, role: Role) -> usize {
    log(stage, role).matches("settings have changed and are in force").count()
}

fn taken_up(stage: &Stage) -> Vec<usize> {
    Role::ALL.into_iter().map(|role| times(stage, role)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn another_authority_takes_over_without_a_failed_call() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let files = Files::new("exchange");
    let first = old.issue(&[HERE]);
    files.put_pair(&first);
    files.put_authorities(&[&old]);
    let mut variables = files.fleet_variables();
    // Connections are made anew all the time, so that each step meets handshakes.
    variables.push(("GLOBCRM_FLEET_CONNECTION_AGE", "1".to_owned()));
    let stage = stage(variables).await;
    until_in_force(&stage, &Role::ALL, "fleet", first.ends).await;
    let tenant = stage.tenant("exchange").await;

    let stop = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        callers.spawn(calls(tenant.admin.clone(), stop.clone()));
    }

    // A certificate whose authority nobody trusts yet is not taken up, and the old one stays.
    let second = new.issue_until(&[HERE], time::OffsetDateTime::now_utc() + time::Duration::days(2));
    files.put_pair(&second);
    for role in Role::ALL {
        waiting::until(BOUND, &format!("{} refuses the certificate", role.name()), async || {
            log(&stage, role)
                .contains("GLOBCRM_FLEET_TLS_CERT_FILE has a certificate that no other service would take")
        })
        .await;
    }
    until_in_force(&stage, &Role::ALL, "fleet", first.ends).await;

    // Trusted by all, it is: the order that the document says. The bundle first, with what was there.
    let before = taken_up(&stage);
    files.put_pair(&first);
    files.put_authorities(&[&old, &new]);
    until_taken_up(&stage, &before).await;
    files.put_pair(&second);
    until_in_force(&stage, &Role::ALL, "fleet", second.ends).await;
    let before = taken_up(&stage);
    files.put_authorities(&[&new]);
    until_taken_up(&stage, &before).await;

    // Those of the old authority are gone, and every connection has been made anew.
    let left_behind = Files::new("left-behind");
    left_behind.put_pair(&first);
    left_behind.put_authorities(&[&old, &new]);
    let port = stage.ports.grpc[&Role::Records];
    let own = fleet_tls(&left_behind);
    waiting::until(BOUND, "the old authority is not trusted", async || {
        matches!(meet(&own, HERE, port).await, Meeting::Refused(_))
    })
    .await;
    assert!(matches!(meet(&fleet_tls(&files), HERE, port).await, Meeting::Served));
    for port in [port, stage.ports.grpc[&Role::Identity]] {
        let open = connected(port).expect("connections");
        waiting::until(BOUND, "connections are made anew", async || {
            connected(port).expect("connections").is_disjoint(&open)
        })
        .await;
    }

    stop.store(true, Ordering::Relaxed);
    let mut made = 0;
    while let Some(of_one) = callers.join_next().await {
        made += of_one.expect("no call failed");
    }
    assert!(made > 50, "only {made} calls");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_service_that_is_no_longer_trusted_is_refused_and_taken_back() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (files, of_records) = (Files::new("trusted"), Files::new("trusted-records"));
    files.put_pair(&ours.issue(&[HERE]));
    of_records.put_pair(&theirs.issue(&[HERE]));
    files.put_authorities(&[&ours, &theirs]);
    let both = [&ours, &theirs].map(Authority::pem).concat();
    files.put("identity-ca.crt", &both);
    let mut variables = files.fleet_variables();
    variables.extend([
        ("GLOBCRM_RECORDS_TLS_CERT_FILE", of_records.text("tls.crt")),
        ("GLOBCRM_RECORDS_TLS_KEY_FILE", of_records.text("tls.key")),
        ("GLOBCRM_IDENTITY_TLS_CA_FILE", files.text("identity-ca.crt")),
        ("GLOBCRM_FLEET_CONNECTION_AGE", "1".to_owned()),
    ]);
    let stage = stage(variables).await;
    let tenant = stage.tenant("trusted").await;
    tenant.admin.post("/api/v1/contacts", serde_json::json!({"last_name": "Before"})).await.expect(201);

    // Records cannot ask identity who may do what. Nothing waits for it.
    files.put("identity-ca.crt", &ours.pem());
    let list = async || tenant.admin.get("/api/v1/contacts").await.status;
    waiting::until(BOUND, "records is refused by identity", async || list().await == 503).await;
    let began = std::time::Instant::now();
    assert_eq!(list().await, 503);
    assert!(began.elapsed() < super::Duration::from_secs(5), "{:?}", began.elapsed());
    for (role, told) in [
        (Role::Records, ["no TLS connection to a service", "UnknownCA"]),
        (Role::Identity, ["the TLS handshake of a caller failed", "UnknownIssuer"]),
    ] {
        waiting::until(BOUND, &format!("{} says so", role.name()), async || {
            let log = log(&stage, role);
            told.iter().all(|part| log.contains(part))
        })
        .await;
    }

    files.put("identity-ca.crt", &both);
    waiting::until(BOUND, "records is taken back", async || list().await == 200).await;
}
