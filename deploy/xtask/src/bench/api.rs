//! HTTP/1.1 over a plain socket. The client shares the machine with what it measures, so it must cost next to nothing.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

const PASSWORD: &str = "correct-horse-battery-staple";
/// Access tokens live for five minutes.
const TOKEN_AGE: Duration = Duration::from_secs(150);
/// Covers a large upload on a busy disk.
const ANSWER_BOUND: Duration = Duration::from_secs(120);
/// Longest head of an answer, in bytes.
const HEAD_LIMIT: usize = 16 * 1024;

/// A connection that is kept open.
pub(super) struct Connection {
    stream: BufReader<TcpStream>,
}

impl Connection {
    /// Connects to `host:port`.
    pub(super) fn open(address: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).with_context(|| format!("connecting to {address}"))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(ANSWER_BOUND))?;
        stream.set_write_timeout(Some(ANSWER_BOUND))?;
        Ok(Self { stream: BufReader::with_capacity(64 * 1024, stream) })
    }

    /// Sends a whole request and reads the answer's body into `body`; gives the status.
    pub(super) fn exchange(&mut self, request: &[&[u8]], body: &mut Vec<u8>) -> Result<u16> {
        for part in request {
            self.stream.get_mut().write_all(part)?;
        }
        let mut head = Vec::with_capacity(1024);
        while !head.ends_with(b"\r\n\r\n") {
            if self.stream.read_until(b'\n', &mut head)? == 0 || head.len() > HEAD_LIMIT {
                bail!("no HTTP answer: {}", String::from_utf8_lossy(&head));
            }
        }
        let (status, length) = parse_head(&head)?;
        body.resize(length, 0);
        self.stream.read_exact(body)?;
        Ok(status)
    }
}

/// Status and length of the body.
fn parse_head(head: &[u8]) -> Result<(u16, usize)> {
    let head = std::str::from_utf8(head)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("a status")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse())
    });
    match length {
        Some(length) => Ok((status, length?)),
        None if status == 204 => Ok((status, 0)),
        None => bail!("an answer without Content-Length"),
    }
}

/// The head of a request.
pub(super) fn head(
    address: &str,
    method: &str,
    path: &str,
    token: &str,
    body: Option<(&str, usize)>,
) -> String {
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\n");
    if !token.is_empty() {
        head += &format!("authorization: Bearer {token}\r\n");
    }
    if let Some((content_type, length)) = body {
        head += &format!("content-type: {content_type}\r\ncontent-length: {length}\r\n");
    }
    head + "\r\n"
}

/// Percent-encodes a value of a query string.
pub(super) fn encode(value: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                text.push(char::from(byte));
            }
            other => text += &format!("%{other:02X}"),
        }
    }
    text
}

/// The administrator of an organisation.
pub(super) struct Organisation {
    address: String,
    pub(super) slug: String,
    email: String,
    /// The tenant's id.
    pub(super) tenant: String,
    token: String,
    token_at: Instant,
}

impl Organisation {
    /// Signs up.
    pub(super) fn sign_up(address: &str, slug: String) -> Result<Self> {
        let body = json!({
            "organization": slug, "slug": slug, "email": format!("admin@{slug}.test"), "password": PASSWORD,
            "display_name": "Bench",
        });
        let answer = call(
            address,
            "POST",
            "/api/v1/signup",
            "",
            ("application/json", &body.to_string().into_bytes()),
        )?;
        let (tenant, email) = (text(&answer["tenant"]["id"])?, format!("admin@{slug}.test"));
        Ok(Self {
            address: address.to_owned(),
            slug,
            email,
            tenant,
            token: text(&answer["access_token"])?,
            token_at: Instant::now(),
        })
    }

    /// Logs in to one that has signed up.
    pub(super) fn log_in(address: &str, slug: String, tenant: String) -> Result<Self> {
        let email = format!("admin@{slug}.test");
        let token = log_in(address, &slug, &email)?;
        Ok(Self { address: address.to_owned(), slug, email, tenant, token, token_at: Instant::now() })
    }

    /// A user of the organisation with a role of these permissions.
    pub(super) fn member(&mut self, name: &str, permissions: &Value) -> Result<Self> {
        let role = self.post("/api/v1/roles", &json!({"name": name, "permissions": permissions}))?;
        let email = format!("{name}@{}.test", self.slug);
        let user = json!({"email": email, "display_name": name, "role_ids": [role["id"]]});
        let user = self.post("/api/v1/users", &user)?;
        let accept = json!({"token": user["invitation_token"], "password": PASSWORD, "display_name": name});
        let session = self.post("/api/v1/invitations:accept", &accept)?;
        let (address, slug, tenant) = (self.address.clone(), self.slug.clone(), self.tenant.clone());
        let token = text(&session["access_token"])?;
        Ok(Self { address, slug, email, tenant, token, token_at: Instant::now() })
    }

    /// An access token that is good for two minutes more.
    pub(super) fn token(&mut self) -> Result<&str> {
        if self.token_at.elapsed() > TOKEN_AGE {
            self.token_at = Instant::now();
            self.token = log_in(&self.address, &self.slug, &self.email)?;
        }
        Ok(&self.token)
    }

    /// Posts a JSON document.
    pub(super) fn post(&mut self, path: &str, body: &Value) -> Result<Value> {
        self.send(path, "application/json", body.to_string().as_bytes())
    }

    /// Posts bytes.
    pub(super) fn send(&mut self, path: &str, content_type: &str, body: &[u8]) -> Result<Value> {
        let address = self.address.clone();
        call(&address, "POST", path, self.token()?, (content_type, body))
    }

    /// Reads a JSON document.
    pub(super) fn get(&mut self, path: &str) -> Result<Value> {
        let address = self.address.clone();
        call(&address, "GET", path, self.token()?, ("", &[]))
    }
}

/// An access token.
fn log_in(address: &str, slug: &str, email: &str) -> Result<String> {
    let body = json!({"organization": slug, "email": email, "password": PASSWORD}).to_string();
    let answer = call(address, "POST", "/api/v1/auth/login", "", ("application/json", body.as_bytes()))?;
    text(&answer["access_token"])
}

/// One call on a connection of its own; any status but 2xx is an error.
fn call(
    address: &str,
    method: &str,
    path: &str,
    token: &str,
    (content_type, body): (&str, &[u8]),
) -> Result<Value> {
    let described = (!content_type.is_empty()).then_some((content_type, body.len()));
    let head = head(address, method, path, token, described);
    let mut answer = Vec::new();
    let status = Connection::open(address)?.exchange(&[head.as_bytes(), body], &mut answer)?;
    if !(200..300).contains(&status) {
        bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&answer));
    }
    Ok(serde_json::from_slice(&answer)?)
}

/// A JSON text that must be there.
pub(super) fn text(value: &Value) -> Result<String> {
    Ok(value.as_str().with_context(|| format!("no text: {value}"))?.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_gives_status_and_length_and_needs_a_length() {
        let parsed = parse_head(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n").unwrap();
        assert_eq!(parsed, (200, 12));
        assert_eq!(parse_head(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap(), (204, 0));
        assert!(parse_head(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    }

    #[test]
    fn a_filter_is_encoded() {
        assert_eq!(encode("custom.tier = \"gold\""), "custom.tier%20%3D%20%22gold%22");
    }
}
