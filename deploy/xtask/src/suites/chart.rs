//! What the suite of the chart needs: helm, and for the tests on a cluster one that can be reached and has our image.

use std::process::Command;

use anyhow::Result;
use testkit::{Progress, Workspace};

use crate::go_tools::HELM;
use crate::up;

/// Tests on a cluster.
const ON_A_CLUSTER: &str = "chart::cluster::";
/// The image, as the nodes of the cluster have it or can pull it: `docker.io/library/globcrm:dev`.
const IMAGE: &str = "GLOBCRM_TEST_IMAGE";

/// Leaves out the tests on a cluster where there is none, and says so. Gives the reason when no test remains.
pub(super) fn leave_out(chosen: &mut Vec<String>, progress: &Progress) -> Option<String> {
    let reason = no_cluster()?;
    let before = chosen.len();
    chosen.retain(|name| !name.starts_with(ON_A_CLUSTER));
    if chosen.is_empty() {
        return Some(reason);
    }
    if chosen.len() < before {
        progress.say(format!("suite chart: nothing is installed, as {reason}"));
    }
    None
}

/// Why there is no cluster to install on.
fn no_cluster() -> Option<String> {
    if std::env::var_os("KUBECONFIG").is_none() {
        return Some("KUBECONFIG names no cluster".to_owned());
    }
    if std::env::var_os(IMAGE).is_none() {
        return Some(format!(
            "{IMAGE} names no image that the cluster has, like docker.io/library/globcrm:dev"
        ));
    }
    let mut ask = Command::new("kubectl");
    ask.args(["get", "--raw", "/readyz", "--request-timeout", "10s"]);
    match ask.output() {
        Ok(answer) if answer.status.success() => None,
        Ok(answer) => {
            Some(format!("the cluster does not answer: {}", String::from_utf8_lossy(&answer.stderr).trim()))
        }
        Err(error) => Some(format!("kubectl cannot be run: {error}")),
    }
}

/// Tells the tests where helm and the program are.
pub(super) fn prepare(command: &mut Command, progress: &Progress) -> Result<()> {
    command.env("GLOBCRM_TEST_HELM", HELM.find(progress)?);
    if no_cluster().is_none() {
        command.env("GLOBCRM_TEST_BINARY", up::build(&Workspace::here()?, false, progress)?);
    }
    Ok(())
}
