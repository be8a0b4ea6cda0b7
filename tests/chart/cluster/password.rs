//! The password of a service's database user, exchanged as docs/operate.md says, without a restart.

use std::time::Duration;

use super::kubernetes::{Namespace, kubectl, until};

/// A pod has a changed Secret in its files after a minute or two, and the program looks every five seconds.
const SEEN: Duration = Duration::from_secs(240);
/// What a program says when it has taken a change.
const TAKEN: &str = "settings have changed and are in force";

/// Changes the Secret, waits until every pod of the service has taken the change, then changes the password in PostgreSQL.
pub fn exchange(namespace: &Namespace, service: &str) {
    let key = format!("GLOBCRM_{}_DATABASE_URL", service.to_uppercase());
    let template = format!("go-template={{{{index .data \"{key}\" | base64decode}}}}");
    let own = ["--namespace", namespace.name()];
    let url = kubectl(&[own.as_slice(), &["get", "secret", "globcrm", "--output", &template]].concat());
    let (login, server) = url.rsplit_once('@').unwrap();
    let (user, _) = login.rsplit_once(':').unwrap();
    let password = format!("exchanged{}", std::process::id());
    let changed = serde_json::json!({"stringData": {key: format!("{user}:{password}@{server}")}}).to_string();
    kubectl(
        &[own.as_slice(), &["patch", "secret", "globcrm", "--type", "merge", "--patch", &changed]].concat(),
    );

    for pod in namespace.pods(service) {
        until(SEEN, &format!("{pod} has taken the new password"), || {
            let log = kubectl(&[own.as_slice(), &["logs", &pod, "--tail=-1"]].concat());
            if log.contains(TAKEN) { Ok(()) } else { Err(log) }
        });
    }
    namespace.sql(&format!("ALTER ROLE globcrm_{service}_app PASSWORD '{password}'"));
}
