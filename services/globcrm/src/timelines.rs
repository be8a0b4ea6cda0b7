//! `globcrm timelines`: makes the timelines of an organization anew, with the settings of the service that has them.

use anyhow::Context;
use config::Env;
use fleet::Role;
use ids::TenantId;

/// Runs the command.
pub(crate) async fn run(tenant_id: &str) -> anyhow::Result<()> {
    let tenant = TenantId::parse(tenant_id).context("the id of an organization is expected")?;
    let config: activities::Config = config::load(&Env::process(), Role::Activities.upper())?;
    let rebuilt = activities::rebuild_timelines(&config.database.get(), tenant).await?;
    println!("{} facts told again, {} entries without a fact removed", rebuilt.facts, rebuilt.strays);
    Ok(())
}
