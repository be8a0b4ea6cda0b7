//! What the environment says about backing services.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};

use super::{Service, Source};
use crate::http;
use crate::progress::Progress;
use crate::workspace::Workspace;

#[expect(
    clippy::disallowed_methods,
    reason = "testkit starts the fleet, it is not configured by libs/config"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The services that are named.
pub(super) fn urls() -> BTreeMap<Service, (Source, String)> {
    let named = [
        (Service::Postgres, "GLOBCRM_POSTGRES_ADMIN_URL"),
        (Service::Rabbitmq, "GLOBCRM_FLEET_AMQP_URL"),
        (Service::Redis, "GLOBCRM_FLEET_REDIS_URL"),
    ];
    let found = |(service, name)| Some((service, (Source::Environment, variable(name)?)));
    named.into_iter().filter_map(found).collect()
}

/// `GLOBCRM_TESTKIT_BACKING`: how to start what is not named.
pub(super) fn wish() -> Result<Option<Source>> {
    match variable("GLOBCRM_TESTKIT_BACKING").as_deref() {
        None => Ok(None),
        Some("docker") => Ok(Some(Source::Docker)),
        Some("local") => Ok(Some(Source::Local)),
        Some(_) => bail!("GLOBCRM_TESTKIT_BACKING is neither `docker` nor `local`"),
    }
}

/// Loads our policies into a broker that is not ours, when its management address is named.
pub(super) fn load_definitions(workspace: &Workspace, progress: &Progress) -> Result<()> {
    let Some(admin) = variable("GLOBCRM_RABBITMQ_ADMIN_URL") else {
        return Ok(());
    };
    let file = workspace.root().join("deploy/rabbitmq/definitions.json");
    let definitions = std::fs::read(&file).with_context(|| format!("reading {}", file.display()))?;
    let url = format!("{}/api/definitions", admin.trim_end_matches('/'));
    http::post_json(&url, &definitions).context("loading policies through GLOBCRM_RABBITMQ_ADMIN_URL")?;
    progress.say("policies loaded into the broker of the environment");
    Ok(())
}
