//! Web addresses that are safe to show as a link.

use std::net::{Ipv4Addr, Ipv6Addr};

use reasons::Reason;

use crate::{FieldError, email, text};

/// Longest address, in characters.
pub const URL_CHARS: usize = 2_000;

/// `http` or `https` with a host; scheme and host in lower case (IDNA), the rest as given.
///
/// Other schemes would run code or open programs when clicked; a user name in front of the host serves deception only.
pub fn parse(value: &str) -> Result<String, FieldError> {
    let invalid = |detail: &str| FieldError::new(Reason::URL_INVALID, detail);
    let trimmed = text::bare(value);
    if trimmed.chars().nth(URL_CHARS).is_some() {
        return Err(invalid("at most 2,000 characters"));
    }
    let is_bad = |c: char| {
        c.is_control()
            || c.is_whitespace()
            || matches!(c, '"' | '<' | '>' | '\\' | '^' | '`' | '{' | '|' | '}')
    };
    if trimmed.chars().any(is_bad) {
        return Err(invalid(
            "an address must not contain spaces, control characters, quotes, brackets or backslashes",
        ));
    }
    let (scheme, rest) =
        trimmed.split_once("://").ok_or_else(|| invalid("an address begins with http:// or https://"))?;
    let scheme = scheme.to_ascii_lowercase();
    if !matches!(scheme.as_str(), "http" | "https") {
        return Err(invalid("an address begins with http:// or https://"));
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    if authority.contains('@') {
        return Err(invalid("an address must not contain a user name"));
    }
    let authority = host_and_port(authority).ok_or_else(|| invalid("the host is not valid"))?;
    let address = format!("{scheme}://{authority}{path}");
    // IDNA may lengthen the host.
    if address.chars().nth(URL_CHARS).is_some() {
        return Err(invalid("at most 2,000 characters"));
    }
    Ok(address)
}

fn host_and_port(authority: &str) -> Option<String> {
    if let Some(literal) = authority.strip_prefix('[') {
        let (host, port) = literal.split_once(']')?;
        let host: Ipv6Addr = host.parse().ok()?;
        return Some(format!("[{host}]{}", port_suffix(port)?));
    }
    let (host, port) = authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon));
    let port = port_suffix(port)?;
    let host = idna::domain_to_ascii_strict(host).ok()?;
    // What ends in a number is an IPv4 address or nothing.
    let is_empty = host.trim_end_matches('.').is_empty();
    if is_empty || (email::is_number(&host) && host.parse::<Ipv4Addr>().is_err()) {
        return None;
    }
    Some(format!("{host}{port}"))
}

/// Empty, or `:` and a port.
fn port_suffix(suffix: &str) -> Option<String> {
    if suffix.is_empty() {
        return Some(String::new());
    }
    let digits = suffix.strip_prefix(':')?;
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let port: u16 = digits.parse().ok()?;
    Some(format!(":{port}"))
}

/// The address as it is searched: its stored form, with the host in Unicode. It takes the beginning of an address as well.
pub(crate) fn searched(value: &str) -> String {
    let bare = text::bare(value);
    let Some((scheme, rest)) = bare.split_once("://") else { return bare.to_owned() };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let (host, port) = authority.find(':').map_or((authority, ""), |colon| authority.split_at(colon));
    format!("{}://{}{port}{path}", scheme.to_ascii_lowercase(), email::host_in_unicode(host))
}
