//! The connections of this machine, as the kernel lists them.

use std::collections::BTreeSet;

use anyhow::{Context, Result};

/// The established connections to a port over IPv4, each by the address of its client.
pub fn connected(port: u16) -> Result<BTreeSet<String>> {
    let (remote, established) = (format!(":{port:04X}"), "01");
    let table = std::fs::read_to_string("/proc/net/tcp").context("the kernel's table of connections")?;
    let clients = table.lines().filter_map(|line| {
        let mut fields = line.split_whitespace().skip(1);
        let (client, server, state) = (fields.next()?, fields.next()?, fields.next()?);
        (server.ends_with(&remote) && state == established).then(|| client.to_owned())
    });
    Ok(clients.collect())
}
