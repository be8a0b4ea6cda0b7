//! What came of a call.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::{Class, Failure, class_of};

/// What was under way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Phase {
    /// Asking for the host's addresses.
    #[default]
    Dns,
    /// Connecting.
    Connect,
    /// The TLS handshake.
    Tls,
    /// Sending the request, and waiting for status and headers.
    Answer,
    /// Reading the body.
    Body,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dns => "to resolve the host name",
            Self::Connect => "to connect",
            Self::Tls => "to agree on TLS",
            Self::Answer => "until the answer began",
            Self::Body => "until the answer ended",
        })
    }
}

/// How long each part took; `None` where it was not done, or not to its end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timings {
    /// Resolving the host's name. `None` also for an address.
    pub dns: Option<Duration>,
    /// Connecting, with all addresses that were tried.
    pub connect: Option<Duration>,
    /// The TLS handshake. `None` also for `http://`.
    pub tls: Option<Duration>,
    /// From the connection to the end of the answer's headers.
    pub first_byte: Option<Duration>,
    /// All of it.
    pub total: Duration,
}

/// What a server answered, as far as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, cut at [`MOST_BODY_BYTES`](crate::MOST_BODY_BYTES), as it was sent: nothing is decompressed.
    pub body: Bytes,
    /// Whether this is all of the body. A body that is cut is no failure.
    pub is_whole: bool,
}

/// What came of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// The address that was connected to, or tried last. It may be of a network that is the operator's alone: see [`Self::public_address`].
    pub address: Option<SocketAddr>,
    /// How long each part took.
    pub timings: Timings,
    /// What was answered before it ended or failed.
    pub answer: Option<Answer>,
    /// Why it is not a whole answer, or not one at all.
    pub failure: Option<Failure>,
}

impl Attempt {
    /// The address, where the owner of the endpoint may see it.
    pub fn public_address(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip()).filter(|address| class_of(*address) == Class::Public)
    }

    /// The status of an answer that did not fail.
    pub fn status(&self) -> Result<StatusCode, Failure> {
        match (self.failure, &self.answer) {
            (Some(failure), _) => Err(failure),
            (None, Some(answer)) => Ok(answer.status),
            (None, None) => Err(Failure::Broken),
        }
    }
}

/// What is known while a call is under way, so that a deadline takes none of it away.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    pub(crate) phase: Phase,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) timings: Timings,
    pub(crate) head: Option<(StatusCode, HeaderMap)>,
    pub(crate) body: Vec<u8>,
    pub(crate) is_whole: bool,
}

impl Seen {
    pub(crate) fn ended(self, total: Duration, failure: Option<Failure>) -> Attempt {
        let Self { address, timings, head, body, is_whole, .. } = self;
        let answer = head.map(|(status, headers)| Answer { status, headers, body: body.into(), is_whole });
        Attempt { address, timings: Timings { total, ..timings }, answer, failure }
    }
}
