//! A quiet organisation beside a hostile one on the same fleet: what the second can take from the first.
//!
//! The patterns are those of the review by attack. `cargo xtask bench neighbours` times the quiet one beside each of them,
//! `cargo xtask test fairness` counts what it lost. Every loop is bounded by [`Attack::end`] and goes to one address of this
//! machine; the hostile one comes from a loopback address of its own, as a stranger would from another network.

mod client;
mod organisation;
mod patterns;
mod quiet;

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Result;
use serde_json::json;
use tokio::task::JoinSet;

pub use self::quiet::{Day, work};
pub use client::{Answer, Connection};
pub use organisation::Organisation;

/// Where the quiet one and the hostile one come from.
const QUIET: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const HOSTILE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 66));

/// What a hostile caller does all the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Heads of requests whose bodies never come (H3)
    Heads,
    /// Large answers that nobody reads (H4)
    Readers,
    /// Requests reset after some milliseconds, over HTTP/2 (C1)
    Resets,
    /// Connections closed after some milliseconds, over HTTP/1.1 (C1)
    Closes,
    /// Lists that unpack every record 25 times (H5)
    Lists,
    /// More and more imports (H6)
    Imports,
    /// Files in which every cell is an error (H7)
    Amplified,
    /// API keys that do not exist (M4)
    Keys,
    /// Wrong passwords (H10, M14)
    Guesses,
}

impl Pattern {
    /// Every pattern.
    pub const ALL: [Pattern; 9] = [
        Pattern::Heads,
        Pattern::Readers,
        Pattern::Resets,
        Pattern::Closes,
        Pattern::Lists,
        Pattern::Imports,
        Pattern::Amplified,
        Pattern::Keys,
        Pattern::Guesses,
    ];

    /// The word in figures and messages.
    pub fn name(self) -> &'static str {
        match self {
            Pattern::Heads => "heads",
            Pattern::Readers => "readers",
            Pattern::Resets => "resets",
            Pattern::Closes => "closes",
            Pattern::Lists => "lists",
            Pattern::Imports => "imports",
            Pattern::Amplified => "amplified",
            Pattern::Keys => "keys",
            Pattern::Guesses => "guesses",
        }
    }
}

/// The two organisations.
#[derive(Debug)]
pub struct Neighbours {
    /// Whoever works as people do.
    pub quiet: Organisation,
    /// Whoever does not.
    pub hostile: Organisation,
}

impl Neighbours {
    /// Signs both up at `address` (`host:port`): [`quiet()`] and [`hostile()`].
    pub async fn settle(address: &str, contacts: usize) -> Result<Self> {
        Ok(Self { quiet: quiet(address).await?, hostile: hostile(address, contacts).await? })
    }
}

/// Signs the quiet one up, with its stock of contacts.
pub async fn quiet(address: &str) -> Result<Organisation> {
    let mut quiet = Organisation::sign_up(address, QUIET, "quiet").await?;
    quiet::prepare(&mut quiet).await?;
    Ok(quiet)
}

/// Signs the hostile one up, with `contacts` records of 15 kB each and companies with long descriptions.
pub async fn hostile(address: &str, contacts: usize) -> Result<Organisation> {
    let mut hostile = Organisation::sign_up(address, HOSTILE, "hostile").await?;
    for (key, kind) in [("probe", "text"), ("pad", "long_text")] {
        let field = json!({"key": key, "label": key, "type": kind, "indexed": false});
        hostile.post("/api/v1/objects/contact/fields", &field).await?;
    }
    let pad = "x".repeat(9_900);
    let mut csv = "Last,Probe,Pad\n".to_owned();
    for row in 0..contacts {
        writeln!(csv, "Row {row},value {row},{pad}")?;
    }
    hostile.import(csv.into_bytes(), &patterns::PADDED, false).await?;
    for n in 0..patterns::COMPANIES {
        let company = json!({"name": format!("Company {n}"), "description": pad});
        hostile.post("/api/v1/companies", &company).await?;
    }
    Ok(hostile)
}

/// What a hostile caller got.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Requests begun.
    pub begun: u64,
    /// Requests answered with success.
    pub served: u64,
    /// Requests refused or broken off by the server.
    pub refused: u64,
}

/// Counters that the loops of a pattern add to.
#[derive(Debug, Default)]
struct Counters {
    begun: AtomicU64,
    served: AtomicU64,
    refused: AtomicU64,
}

impl Counters {
    fn begin(&self) {
        self.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn end(&self, served: bool) {
        let counter = if served { &self.served } else { &self.refused };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// A pattern at work. Dropped or ended, all its loops stop and all its connections close.
#[derive(Debug)]
pub struct Attack {
    loops: JoinSet<()>,
    counters: Arc<Counters>,
}

impl Attack {
    /// Begins.
    pub async fn begin(pattern: Pattern, hostile: &mut Organisation) -> Result<Self> {
        let counters = Arc::<Counters>::default();
        let loops = patterns::begin(pattern, hostile, &counters).await?;
        Ok(Self { loops, counters })
    }

    /// What it got until now.
    pub fn tally(&self) -> Tally {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            begun: read(&self.counters.begun),
            served: read(&self.counters.served),
            refused: read(&self.counters.refused),
        }
    }

    /// Stops, and says what it got.
    pub async fn end(mut self) -> Tally {
        self.loops.shutdown().await;
        self.tally()
    }
}
