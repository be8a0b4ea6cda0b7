//! `globcrm openapi`: the document that the gateway serves, without a gateway.

use anyhow::Context;

/// Prints the OpenAPI document on one line.
pub(crate) fn run() -> anyhow::Result<()> {
    println!("{}", gateway::openapi().context("the contract cannot be served")?);
    Ok(())
}
