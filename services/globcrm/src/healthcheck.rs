//! `globcrm healthcheck`: for images without a shell.

use std::time::Duration;

use anyhow::{Context, bail};

/// Fails unless `url` answers 200 within two seconds.
pub(crate) async fn run(url: &str) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(2)).build()?;
    let answer = client.get(url).send().await.context("no answer")?;
    if answer.status() != reqwest::StatusCode::OK {
        bail!("answered {}", answer.status());
    }
    Ok(())
}
