//! `globcrm healthcheck`: for images without a shell.

use std::time::Duration;

use anyhow::bail;
use http::Request;
use http_body_util::Full;

use crate::http::{Http, address};

const DEADLINE: Duration = Duration::from_secs(2);

/// Fails unless `url` answers 200 within two seconds.
pub(crate) async fn run(url: &str) -> anyhow::Result<()> {
    let address = address(url)?;
    let http = Http::new(&address, None, None, DEADLINE)?;
    let (status, _) = http.call(Request::get(address).body(Full::default())?).await?;
    if status != 200 {
        bail!("answered {status}");
    }
    Ok(())
}
