//! A small client of the REST API, for commands that speak to an installation: JSON both ways, one access token.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use reqwest::Method;
use serde_json::Value;

/// Of a whole call.
const TIMEOUT: Duration = Duration::from_secs(30);
/// Where an image and most systems have the authorities of the world.
const SYSTEM_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Who calls, and where.
pub(crate) struct Rest {
    http: reqwest::Client,
    base: String,
    /// Shown with every call while it is there.
    pub(crate) access_token: Option<String>,
}

/// What the API answered.
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// Null where the answer has no body.
    pub(crate) body: Value,
}

impl Rest {
    /// A client of the API at `base`, such as `http://127.0.0.1:8080`; it calls from the address `local` if one is given. With `https://` the
    /// server's certificate must go back to one of `ca_file`, or of the system's list.
    pub(crate) fn new(base: &str, local: Option<IpAddr>, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let url: reqwest::Url =
            base.parse().with_context(|| format!("{base} is not an address, like http://127.0.0.1:8080"))?;
        if !matches!(url.scheme(), "http" | "https") {
            bail!("{base} must begin with http:// or https://");
        }
        let mut http = reqwest::Client::builder().timeout(TIMEOUT).local_address(local);
        if url.scheme() == "https" || ca_file.is_some() {
            let file = ca_file.unwrap_or(Path::new(SYSTEM_CERTIFICATES));
            let authorities = tls::roots(file).map_err(|error| anyhow!("{} {error}", file.display()))?;
            http = http.tls_backend_preconfigured(tls::client_of_store(authorities)?);
        }
        let http = http.build()?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), access_token: None })
    }

    /// One call. An error says that there was no answer, or none of the API.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method.clone(), format!("{}{path}", self.base));
        if let Some(body) = body {
            request = request.json(body);
        }
        if let Some(token) = &self.access_token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.with_context(|| format!("{method} {path}"))?;
        let status = answer.status().as_u16();
        let bytes = answer.bytes().await.with_context(|| format!("the answer of {method} {path}"))?;
        if bytes.is_empty() {
            return Ok(Answer { status, body: Value::Null });
        }
        let body = serde_json::from_slice(&bytes)
            .with_context(|| format!("{method} {path}: {status}, and the answer is not JSON"))?;
        Ok(Answer { status, body })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_cannot_be_called_is_refused_by_what_it_is() {
        for wrong in ["gateway:8080", "127.0.0.1", "ftp://gateway", ""] {
            let Err(error) = Rest::new(wrong, None, None) else { panic!("{wrong} is taken") };
            assert!(error.to_string().contains(wrong), "{error}");
        }
        assert_eq!(Rest::new("http://gateway:80/", None, None).unwrap().base, "http://gateway:80");
    }
}
