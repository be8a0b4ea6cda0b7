//! The little HTTP a start-up needs: is it ready, and one upload. No client library for two calls on loopback.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine as _;

/// Longest answer that is read, in bytes.
const ANSWER_LIMIT: u64 = 64 * 1024;

/// The parts of `scheme://user:password@host:port/path`.
pub(crate) struct Url<'a> {
    pub(crate) user: &'a str,
    pub(crate) password: &'a str,
    /// `host:port`
    pub(crate) authority: &'a str,
    pub(crate) path: &'a str,
}

/// Takes a URL apart. Nothing is unescaped: our own passwords are hex.
pub(crate) fn parse(url: &str) -> Result<Url<'_>> {
    let (_, rest) = url.split_once("://").ok_or_else(|| anyhow!("not a URL"))?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let (login, authority) = place.rsplit_once('@').unwrap_or(("", place));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    Ok(Url { user, password, authority, path })
}

/// The status of `GET url`.
pub(crate) fn status(url: &str) -> Result<u16> {
    Ok(exchange("GET", url, b"")?.0)
}

/// Posts a JSON document; any status but 2xx is an error.
pub(crate) fn post_json(url: &str, body: &[u8]) -> Result<()> {
    let (status, answer) = exchange("POST", url, body)?;
    if !(200..300).contains(&status) {
        bail!("status {status}: {}", answer.lines().last().unwrap_or_default());
    }
    Ok(())
}

fn exchange(method: &str, url: &str, body: &[u8]) -> Result<(u16, String)> {
    if !url.starts_with("http://") {
        bail!("only http:// URLs are spoken here");
    }
    let parts = parse(url)?;
    let address = parts.authority.to_socket_addrs()?.next().context("the host has no address")?;
    let bound = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&address, bound)?;
    stream.set_read_timeout(Some(bound))?;
    stream.set_write_timeout(Some(bound))?;
    let path = if parts.path.is_empty() { "/" } else { parts.path };
    let login = if parts.user.is_empty() {
        String::new()
    } else {
        let pair = format!("{}:{}", parts.user, parts.password);
        format!("Authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(pair))
    };
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {}\r\n{login}Content-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        parts.authority,
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body)?;
    let mut answer = Vec::new();
    stream.take(ANSWER_LIMIT).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).context("no HTTP answer")?;
    Ok((status, answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_comes_apart() {
        let url = parse("amqp://me:secret@127.0.0.1:5672/%2f").unwrap();
        assert_eq!((url.user, url.password), ("me", "secret"));
        assert_eq!((url.authority, url.path), ("127.0.0.1:5672", "/%2f"));
        let bare = parse("http://127.0.0.1:80").unwrap();
        assert_eq!((bare.user, bare.authority, bare.path), ("", "127.0.0.1:80", ""));
    }
}
