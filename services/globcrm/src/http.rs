//! A small HTTP client for commands that speak to an installation: hyper and rustls, which the program has for its servers and stores.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use bytes::Bytes;
use http::{Request, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use tokio::time::timeout;

/// Most bytes of an answer's body.
const MAX_ANSWER: usize = 16 << 20;
/// How long a connection may wait for the next request: less than servers keep theirs.
const IDLE: Duration = Duration::from_secs(15);

/// A client that keeps its connections.
pub(crate) struct Http {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    deadline: Duration,
}

/// The parts of an address that a client needs: `http` or `https`, and a host.
pub(crate) fn address(text: &str) -> anyhow::Result<Uri> {
    let uri: Uri =
        text.parse().with_context(|| format!("{text} is not an address, like http://127.0.0.1:8080"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        bail!("{text} must begin with http:// or https:// and a host");
    }
    Ok(uri)
}

impl Http {
    /// A client of the server at `address`, for calls of `deadline` each; it calls from `local` if that is given. The certificate of an
    /// `https://` address must go back to one of `ca_file`, or of the system's list.
    pub(crate) fn new(
        address: &Uri,
        local: Option<IpAddr>,
        ca_file: Option<&Path>,
        deadline: Duration,
    ) -> anyhow::Result<Self> {
        let is_secured = address.scheme_str() == Some("https");
        if ca_file.is_some() && !is_secured {
            bail!("--ca-file has no effect at {address}: take https://, or leave it out");
        }
        let file = ca_file.or_else(|| is_secured.then(|| Path::new(tls::SYSTEM_CERTIFICATES)));
        let authorities = match file {
            Some(file) => tls::roots(file).map_err(|error| anyhow!("{} {error}", file.display()))?,
            // Nobody is trusted, and nobody needs to be.
            None => tls::RootCertStore::empty(),
        };
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_local_address(local);
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls::client_of_store(authorities)?);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .build(connector.https_or_http().enable_http1().wrap_connector(tcp));
        Ok(Self { client, deadline })
    }

    /// One call: the status and the body.
    pub(crate) async fn call(&self, request: Request<Full<Bytes>>) -> anyhow::Result<(u16, Bytes)> {
        let answered = async {
            let answer = self.client.request(request).await.context("no answer")?;
            let status = answer.status().as_u16();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| anyhow!(error)).context("the answer broke off")?;
            Ok((status, body.to_bytes()))
        };
        timeout(self.deadline, answered)
            .await
            .with_context(|| format!("no answer within {:?}", self.deadline))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_nothing_is_checked_by_is_refused() {
        let file = Some(Path::new("ca.crt"));
        let plain = address("http://127.0.0.1:8080").unwrap();
        let refused = Http::new(&plain, None, file, IDLE).err().unwrap().to_string();
        assert!(refused.contains("--ca-file has no effect"), "{refused}");
        Http::new(&plain, None, None, IDLE).unwrap();
    }
}
