//! A small client of the REST API, for commands that speak to an installation: JSON both ways, one access token.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use http::{Method, Request, header};
use http_body_util::Full;
use serde_json::Value;

use crate::http::{Http, address};

/// Of a whole call.
const DEADLINE: Duration = Duration::from_secs(30);

/// Who calls, and where.
pub(crate) struct Rest {
    http: Http,
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
    /// A client of the API at `base`, such as `http://127.0.0.1:8080`, with the local address and the authorities of [`Http::new`].
    pub(crate) fn new(base: &str, local: Option<IpAddr>, ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let http = Http::new(&address(base)?, local, ca_file, DEADLINE)?;
        Ok(Self { http, base: base.trim_end_matches('/').to_owned(), access_token: None })
    }

    /// One call. An error says that there was no answer, or none of the API.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Answer> {
        let mut request = Request::builder().method(method.clone()).uri(format!("{}{path}", self.base));
        if let Some(token) = &self.access_token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::from(body)).with_context(|| format!("{method} {path}"))?;
        let (status, bytes) = self.http.call(request).await.with_context(|| format!("{method} {path}"))?;
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
