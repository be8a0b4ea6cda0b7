//! The chart on a real Kubernetes, in a namespace of Pod Security *restricted*. The cluster is the one of KUBECONFIG; Services must be reachable
//! from here, as they are from a node.

mod kubernetes;
mod load;
mod password;
mod storage;

use kubernetes::{Namespace, until, variable};
use load::Load;

/// Requests a second while things are exchanged.
const RATE: u32 = 50;
/// Within this, what was told before has been heard.
const DELIVERED: std::time::Duration = std::time::Duration::from_secs(60);

/// Installs, tries, upgrades under load, exchanges a password under load, rolls back under load, kills pods under load, and takes everything
/// away again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_installation_lives_through_upgrade_rollback_and_lost_pods_without_a_failed_request() {
    let namespace = Namespace::create("globcrm-chart-test");
    storage::provide(&namespace);
    namespace.make_secret();
    let image = variable("GLOBCRM_TEST_IMAGE");
    // Another tag is another image: what differs is that pods are exchanged.
    let next = std::env::var("GLOBCRM_TEST_NEXT_IMAGE").unwrap_or_else(|_| image.clone());

    namespace.helm_install(&image, "1");
    namespace.helm(&["test", "crm", "--timeout", "3m"]);

    let load = Load::start(&namespace.address("crm-globcrm-gateway"), RATE).await;
    load.go_on(250).await;
    namespace.helm_upgrade(&next, "2");
    let upgraded = load.report("the upgrade");
    password::exchange(&namespace, "records");
    // Those that are there go on, and a new one logs in by the new password.
    namespace.delete_a_pod("records");
    namespace.rolled_out();
    load.go_on(250).await;
    load.report("the exchange of a password");
    namespace.helm(&["rollback", "crm", "1", "--wait", "--timeout", "10m"]);
    namespace.rolled_out();
    let rolled_back = load.report("the rollback");
    for role in ["gateway", "records", "identity"] {
        namespace.delete_a_pod(role);
        namespace.rolled_out();
    }
    load.go_on(250).await;
    let end = load.stop().await;
    assert!(upgraded.sent > 0 && rolled_back.sent > upgraded.sent, "there was no load");
    assert!(end.failed.is_empty(), "of {} requests failed {:#?}", end.sent, end.failed);
    println!("{} requests, 0 failed", end.sent);
    assert_eq!(end.created, end.listed, "contacts that were acknowledged, and those that are there");
    until(DELIVERED, "every event of a contact has reached the timelines", || {
        let missing = namespace.sql(
            "SELECT count(*) FROM records.contacts AS c WHERE NOT EXISTS (SELECT FROM activities.timeline_event AS e
             WHERE e.tenant_id = c.tenant_id AND e.record_id = c.id AND e.object = 'contact' AND e.verb = 'created')",
        );
        if missing == "0" { Ok(()) } else { Err(format!("{missing} are missing")) }
    });

    namespace.helm(&["uninstall", "crm", "--wait", "--timeout", "5m"]);
    let left = namespace.left();
    assert!(left.iter().all(|name| name.starts_with("persistentvolumeclaim/")), "uninstall leaves {left:?}");
}
