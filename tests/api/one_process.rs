//! `globcrm all`: every role in one process, for small installs.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::json;
use testkit::backing::Backing;
use testkit::fleet::{Places, Ports, Role, environments, run_once};
use testkit::{Progress, Purpose, Workspace};

use crate::client::Client;
use crate::stage::{program, sign_up, text};
use crate::waiting;

/// Ends with the test, however that ends.
pub(super) struct Running(pub(super) Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_process_runs_all_roles_is_ready_for_each_and_ends_when_told() {
    let workspace = Workspace::here().expect("the workspace");
    let (process, environments) = tokio::task::block_in_place(|| {
        let progress = Progress::silent();
        let backing = Backing::start(&workspace, Purpose::Test, &progress).expect("backing services");
        let places = Places::beside(&backing, Ports::fresh().expect("ports")).expect("places");
        let environments = environments(&backing, &places).expect("variables");
        let program = program(&workspace);
        run_once(&program, "migrate", &environments.migrate, &progress).expect("migrated");
        let mut all = environments.all();
        // Other suites have signed up from this address, in the same database.
        for window in ["HOUR", "DAY"] {
            all.insert(format!("GLOBCRM_IDENTITY_SIGN_UPS_PER_{window}"), "100000".to_owned());
        }
        let mut command = Command::new(program);
        command.arg("all").env_clear().envs(all).stdin(Stdio::null()).stdout(Stdio::null());
        (Running(command.spawn().expect("started")), environments)
    });
    assert_eq!(environments.ready_urls.len(), Role::ALL.len());
    for (role, url) in &environments.ready_urls {
        waiting::until(Duration::from_secs(60), &format!("{role:?} is ready"), async || {
            reqwest::get(url).await.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
    }
    let tenant = sign_up(&Client::new(&environments.gateway_url), "one").await;
    let field = json!({"key": "tier", "label": "Tier", "type": "text", "indexed": true});
    tenant.admin.post("/api/v1/objects/contact/fields", field).await.expect(201);
    let body = json!({"last_name": "One", "custom": {"tier": "gold"}});
    let made = tenant.admin.post("/api/v1/contacts", body).await.expect(201);
    let found = tenant.admin.get("/api/v1/contacts?filter=custom.tier%3D%22gold%22").await.expect(200);
    assert_eq!(found["contacts"][0]["id"], made["id"], "{}", text(&made["id"]));

    let mut process = process;
    let pid = process.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().expect("kill").success());
    let ended = async || process.0.try_wait().expect("its status").ok_or("it runs");
    let status = waiting::outcome(Duration::from_secs(30), "it ends when told", ended).await;
    assert!(status.success(), "{status}");
}
