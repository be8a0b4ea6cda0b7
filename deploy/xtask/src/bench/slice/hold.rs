//! A fleet with its data, held ready for whoever measures it beside another.

use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use testkit::Progress;

/// What is held: a line on standard output.
#[derive(Serialize, Deserialize)]
pub(super) struct Held {
    /// `host:port` of the gateway.
    pub(super) gateway: String,
    /// The big organisation.
    pub(super) slug: String,
    pub(super) tenant: String,
    pub(super) gateway_pid: i32,
    pub(super) records_pid: i32,
}

/// Says what is held and holds it until standard input ends, which it also does when whoever measures is killed.
pub(super) fn hold(held: &Held, progress: &Progress) -> Result<()> {
    println!("{}", serde_json::to_string(held)?);
    let (ended, end) = channel();
    std::thread::spawn(move || {
        let read = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        // Nobody listens any more when the other side has ended first.
        drop(ended.send(read.map(drop)));
    });
    loop {
        match end.recv_timeout(Duration::from_millis(200)) {
            Err(RecvTimeoutError::Timeout) => progress.check()?,
            Ok(read) => return Ok(read?),
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}
