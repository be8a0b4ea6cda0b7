//! Free loopback ports.

use std::collections::BTreeMap;
use std::net::TcpListener;

use anyhow::{Result, bail};

use crate::secrets::random_bytes;

/// Ports below the range from which the kernel serves outgoing connections.
///
/// A port of that range (which binding to port 0 gives) can be taken by any client while its server is down; a client
/// that keeps trying to reach a killed server can even connect to itself. Restart tests need the port to stay free.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// One free port for each name; a preferred port is kept when it is free.
pub(crate) fn choose(wanted: &[(&str, Option<u16>)]) -> Result<BTreeMap<String, u16>> {
    let mut held: Vec<TcpListener> = Vec::new();
    let mut chosen = BTreeMap::new();
    for (name, preferred) in wanted {
        let listener = match preferred.and_then(|port| TcpListener::bind(("127.0.0.1", port)).ok()) {
            Some(listener) => listener,
            None => any()?,
        };
        chosen.insert((*name).to_owned(), listener.local_addr()?.port());
        // Held until all are chosen, so that no two names get the same port.
        held.push(listener);
    }
    Ok(chosen)
}

fn any() -> Result<TcpListener> {
    for _ in 0..200 {
        let random = u16::from_le_bytes(random_bytes::<2>()?);
        let port = RANGE.start + random % (RANGE.end - RANGE.start);
        if let Ok(listener) = TcpListener::bind(("127.0.0.1", port)) {
            return Ok(listener);
        }
    }
    bail!("no free port between {} and {}", RANGE.start, RANGE.end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_preferred_port_is_kept_and_a_taken_one_is_not() {
        let taken = any().unwrap();
        let taken_port = taken.local_addr().unwrap().port();
        let free_port = any().unwrap().local_addr().unwrap().port();
        let chosen =
            choose(&[("a", Some(free_port)), ("b", Some(taken_port)), ("c", Some(free_port))]).unwrap();
        assert_eq!(chosen["a"], free_port);
        assert_ne!(chosen["b"], taken_port);
        assert_ne!(chosen["c"], chosen["a"]);
    }
}
