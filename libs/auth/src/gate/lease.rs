//! What binds a commit to the time for which the caller's permissions were confirmed.

use std::time::Duration;

use cache::Fresh;
use error::Error;
use secrecy::SecretString;
use tokio::time::Instant;

use super::{Confirmed, Gate, permissions_changed, permissions_unavailable};
use crate::Claims;

/// A late commit wants this much of the lease to be left: a commit takes its time too, and a revoke answers 200 ms after the lease.
/// So a commit that takes up to 700 ms is seen before the revoke's answer.
const COMMIT_REST: Duration = Duration::from_millis(500);
/// How often a late commit asks for a lease that lasts long enough.
const CONFIRMATIONS: usize = 2;

/// The time for which the permissions of a call were confirmed. A change that takes something away answers when all leases
/// from before it have ended, so whoever commits under a live one is before that answer.
#[derive(Clone)]
pub struct Lease {
    gate: Gate,
    claims: Claims,
    token: SecretString,
    version: i64,
    until: Instant,
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lease")
            .field("principal", &self.claims.sub)
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl Lease {
    pub(super) fn new(gate: Gate, claims: Claims, token: SecretString, confirmed: &Confirmed) -> Self {
        let (version, until) = (confirmed.snapshot.version(), confirmed.lease_until);
        Self { gate, claims, token, version, until }
    }

    /// Returns when the permissions that the call began on are those of now: at once while the lease lives for long enough, else
    /// they are confirmed anew, where other calls of the same principal may have done so already.
    ///
    /// Errors: 409 `PERMISSIONS_CHANGED`, 401 for a session that has ended, 503 `PERMISSIONS_UNAVAILABLE`.
    pub async fn confirm(&self) -> Result<(), Error> {
        let lives = |until| Instant::now() + COMMIT_REST < until;
        let mut until = self.until;
        for _ in 0..CONFIRMATIONS {
            if lives(until) {
                return Ok(());
            }
            let confirmed = self.gate.snapshot(&self.claims, &self.token, Fresh::For(COMMIT_REST)).await?;
            if confirmed.snapshot.version() != self.version {
                return Err(permissions_changed());
            }
            // A slow answer has used up much of it.
            until = confirmed.lease_until;
        }
        if lives(until) { Ok(()) } else { Err(permissions_unavailable()) }
    }

    /// Drops the snapshot that the call began on, and what is being fetched.
    pub(crate) fn forget_snapshot(&self) {
        self.gate.forget_snapshot(&self.claims, self.version);
    }
}
