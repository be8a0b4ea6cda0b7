//! The wait after a change that takes something away.

use std::time::Duration;

/// How long a narrowing waits after its commit: until no snapshot from before it can decide any more.
///
/// The first form of freshness: services do not acknowledge the new version yet, so the lease is waited out.
#[derive(Clone, Copy, Debug)]
pub struct Settle(Duration);

/// For clocks that tick differently and answers on their way.
const MARGIN: Duration = Duration::from_millis(200);

impl Settle {
    /// Waits the lease out.
    pub fn lease() -> Self {
        Self(auth::LEASE + MARGIN)
    }

    /// Does not wait; for tests that have no other instance to wait for.
    pub fn none() -> Self {
        Self(Duration::ZERO)
    }

    /// Returns when the change holds everywhere.
    pub(crate) async fn wait(&self) {
        tokio::time::sleep(self.0).await;
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_wait_is_longer_than_any_lease() {
        assert!(super::Settle::lease().0 > auth::LEASE);
    }
}
