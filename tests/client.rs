//! A REST client that speaks as an external program would, and keeps the bytes of every answer.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;

/// A caller of the public API.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    header: Option<(&'static str, String)>,
}

/// One answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text)
            .unwrap_or_else(|e| panic!("not JSON ({e}): {} {}", self.status, self.text))
    }

    /// The body as JSON of an answer that must have this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        if self.text.is_empty() { Value::Null } else { self.json() }
    }

    /// A problem with this status and reason.
    #[track_caller]
    pub fn refused(&self, status: u16, reason: &str) -> Value {
        let problem = self.expect(status);
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{}", self.text);
        assert_eq!(problem["reason"], reason, "{}", self.text);
        assert_eq!(problem["status"], status, "{}", self.text);
        problem
    }

    /// A header's text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The pointers and reasons of all violations.
    pub fn violations(&self) -> Vec<(String, String)> {
        let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
        let problem = self.json();
        problem["errors"]
            .as_array()
            .map(|errors| errors.iter().map(|e| (text(e, "pointer"), text(e, "reason"))).collect())
            .unwrap_or_default()
    }

    /// The body with what differs from call to call taken out: the request's id.
    pub fn without_instance(&self) -> String {
        let Ok(mut body) = serde_json::from_str::<Value>(&self.text) else { return self.text.clone() };
        if let Some(map) = body.as_object_mut() {
            map.remove("instance");
        }
        body.to_string()
    }
}

/// A call being made.
pub struct Call {
    builder: reqwest::RequestBuilder,
}

impl Client {
    pub fn new(base: &str) -> Self {
        // A connection for each call: a kept one lives on the runtime of the test that opened it and dies with that, under
        // the hands of another test that shares the client.
        let http = reqwest::Client::builder().timeout(Duration::from_secs(60)).pool_max_idle_per_host(0);
        let http = http.build().expect("a client");
        Self { http, base: base.to_owned(), token: None, header: None }
    }

    /// The bearer token; empty without one.
    pub fn token(&self) -> &str {
        self.token.as_deref().unwrap_or_default()
    }

    /// The same client with a bearer token.
    pub fn with_token(&self, token: &str) -> Self {
        Self { token: Some(token.to_owned()), ..self.clone() }
    }

    /// The same client with a header on every call.
    pub fn with_header(&self, name: &'static str, value: &str) -> Self {
        Self { header: Some((name, value.to_owned())), ..self.clone() }
    }

    pub fn call(&self, method: Method, path: &str) -> Call {
        let mut builder = self.http.request(method, format!("{}{path}", self.base));
        if let Some(token) = &self.token {
            builder = builder.bearer_auth(token);
        }
        if let Some((name, value)) = &self.header {
            builder = builder.header(*name, value);
        }
        Call { builder }
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path).send().await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path).json(&body).send().await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PATCH, path).json(&body).send().await
    }

    pub async fn put(&self, path: &str, body: Value) -> Answer {
        self.call(Method::PUT, path).json(&body).send().await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.call(Method::DELETE, path).send().await
    }
}

impl Call {
    pub fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value) }
    }

    /// A header of bytes that are not text.
    pub fn raw_header(self, name: &str, value: &[u8]) -> Self {
        let value = reqwest::header::HeaderValue::from_bytes(value).expect("a header");
        Self { builder: self.builder.header(name, value) }
    }

    pub fn json(self, body: &Value) -> Self {
        Self { builder: self.builder.json(body) }
    }

    pub fn bytes(self, content_type: &str, body: Vec<u8>) -> Self {
        Self { builder: self.builder.header("content-type", content_type).body(body) }
    }

    pub async fn send(self) -> Answer {
        self.try_send().await.unwrap_or_else(|e| panic!("no answer: {}", error::chain(&e)))
    }

    /// Fails where the connection does: for calls made while something is killed.
    pub async fn try_send(self) -> Result<Answer, reqwest::Error> {
        let response = self.builder.send().await?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Ok(Answer { status, headers, text: response.text().await? })
    }
}

/// A query string of pairs, percent-encoded.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut text = String::new();
    for (i, (name, value)) in pairs.iter().enumerate() {
        text.push(if i == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        for byte in value.bytes() {
            match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                    text.push(char::from(byte));
                }
                other => text.push_str(&format!("%{other:02X}")),
            }
        }
    }
    text
}

/// Every record that a list gives, page after page, with the page size asked for.
pub async fn all_pages(client: &Client, object: &str, pairs: &[(&str, &str)], page_size: &str) -> Vec<Value> {
    let mut rows = Vec::new();
    let mut token = String::new();
    loop {
        let mut asked = pairs.to_vec();
        asked.push(("page_size", page_size));
        if !token.is_empty() {
            asked.push(("page_token", &token));
        }
        let page = client.get(&format!("/api/v1/{object}{}", query(&asked))).await.expect(200);
        rows.extend(page[object].as_array().unwrap_or_else(|| panic!("no {object}: {page}")).iter().cloned());
        match page["next_page_token"].as_str() {
            None | Some("") => return rows,
            Some(next) => token = next.to_owned(),
        }
    }
}
