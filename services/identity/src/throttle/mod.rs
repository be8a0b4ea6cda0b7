//! The brake on guessing: who fails often must wait, longer each time.
//!
//! An attempt is looked at before the expensive verification and judged again after it: between the two others may have
//! failed, and then even the right secret answers "wait". So the guesses that can be told right from wrong are bounded,
//! however many run at once.
//!
//! Counted is by account and network, so that one place's failures keep nobody else out, and over all networks by account, so
//! that guessing from many is slowed too. Whoever knows the password goes past the latter brake where the user has logged in
//! before; whoever does not sees no difference, neither to another place nor to an account that does not exist: the same is
//! counted, the same work done, the same answered.

mod sign_up;
mod store;

pub(crate) use sign_up::count as count_sign_up;

use std::time::Duration;

use db::{Db, DbError};
use error::{Code, Error, Reason};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::call::PublicCall;
use crate::places::Place;

/// Failures after which what is attacked must wait: an account from one network, a known device, an invitation.
const FAILURES_OF_ONE: i32 = 5;
/// Failures from everywhere after which an account must wait: for all but a known device, and the right password from a known network
/// ([`Place`]).
const FAILURES_OF_ACCOUNT: i32 = 20;
/// Failures after which a network must wait: behind one address may be an office.
const FAILURES_OF_NETWORK: i32 = 50;
/// The first wait; it doubles with every further failure.
const FIRST_WAIT: Duration = Duration::from_secs(30);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);
/// Failures are forgotten when there was none for this long.
const MEMORY: Duration = Duration::from_secs(15 * 60);

/// Why an attempt is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ThrottleError {
    #[error("must wait")]
    Wait(Duration),
    #[error(transparent)]
    Database(#[from] DbError),
}

impl From<ThrottleError> for Error {
    fn from(cause: ThrottleError) -> Self {
        match cause {
            ThrottleError::Wait(wait) => Self::new(
                Code::ResourceExhausted,
                Reason::LOGIN_THROTTLED,
                "too many failed attempts; wait before the next",
            )
            .with_retry_after(wait),
            ThrottleError::Database(cause) => cause.into(),
        }
    }
}

/// What one attempt attacks.
#[derive(Debug)]
pub(crate) struct Attempt {
    /// Sorted, so that two attempts never wait for each other crosswise.
    targets: Vec<Target>,
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Target {
    key: [u8; 32],
    limit: i32,
    /// A success clears it. What many share is not cleared: one own account would wash it clean.
    cleared: bool,
    /// The account as a whole: its user is told when it must wait, and it is looked at after the verification only, for then it
    /// is known whether it counts.
    whole_account: bool,
    /// The right secret goes past it.
    passed_by_right: bool,
}

impl Target {
    fn of(what: &[&str], limit: i32) -> Self {
        Self { key: key(what), limit, cleared: true, whole_account: false, passed_by_right: false }
    }

    fn network(network: &str) -> Self {
        Self { cleared: false, ..Self::of(&["network", network], FAILURES_OF_NETWORK) }
    }
}

/// What a judgement found besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Judged {
    AsBefore,
    /// With this failure the account began to wait where it is not known.
    AccountWaits,
}

impl Attempt {
    /// An attempt on `what` (a kind and its parts), made by `call`.
    pub(crate) fn on(what: &[&str], call: &PublicCall) -> Self {
        Self::at(vec![Target::of(what, FAILURES_OF_ONE), Target::network(&call.network)])
    }

    /// An attempt by somebody who is signed in.
    pub(crate) fn signed_in(what: &[&str]) -> Self {
        Self::at(vec![Target::of(what, FAILURES_OF_ONE)])
    }

    /// An attempt on an account. A known device has a brake of its own and no other, so that nobody else's failures keep it
    /// out; in a known network the right password goes past the brake of the account as a whole.
    pub(crate) fn on_account(slug: &str, email: &str, call: &PublicCall, place: Place) -> Self {
        if let Place::Device(id) = place {
            return Self::at(vec![Target::of(&["device", &id.to_string()], FAILURES_OF_ONE)]);
        }
        let from_here = Target::of(&["account from", slug, email, &call.network], FAILURES_OF_ONE);
        let account = Target {
            cleared: false,
            whole_account: true,
            passed_by_right: place == Place::Network,
            ..Target::of(&["account", slug, email], FAILURES_OF_ACCOUNT)
        };
        Self::at(vec![from_here, Target::network(&call.network), account])
    }

    fn at(mut targets: Vec<Target>) -> Self {
        targets.sort();
        Self { targets }
    }

    /// Refuses at once while one of the targets must wait, but for the account as a whole: were the wrong guess of a stranger
    /// refused sooner than one from a network that the account knows, the two could be told apart.
    pub(crate) async fn check(&self, db: &Db, now: OffsetDateTime) -> Result<(), ThrottleError> {
        let keys: Vec<Vec<u8>> =
            self.targets.iter().filter(|t| !t.whole_account).map(|t| t.key.to_vec()).collect();
        refuse_until(store::blocked_until(db, &keys).await?, now)
    }

    /// Judges the attempt after its verification.
    pub(crate) async fn judge(
        &self,
        db: &Db,
        now: OffsetDateTime,
        succeeded: bool,
    ) -> Result<Judged, ThrottleError> {
        let mut tx = db::TenantTx::begin(db, crate::directory::nobody()).await?;
        let mut judged = Judged::AsBefore;
        // Attempts at one account are judged one after the other, and with the same statements whether they are right or wrong:
        // neither time nor a deadlock tells which.
        if let Some(account) = self.targets.iter().find(|t| t.whole_account).or(self.targets.first()) {
            store::take_turn(&mut tx, &account.key).await?;
        }
        let mut targets = Vec::with_capacity(self.targets.len());
        for target in &self.targets {
            targets.push((target, store::lock(&mut tx, &target.key).await?));
        }
        let judged_by = targets.iter().filter(|(target, _)| succeeded && !target.passed_by_right);
        let mut blocked = judged_by.filter_map(|(_, until)| *until).max();
        // The right secret that must wait counts like a wrong one: else the waits that follow would tell that it was right.
        let counts = !succeeded || refuse_until(blocked, now).is_err();
        for (target, until) in targets.into_iter().filter(|_| counts) {
            // What waits is not made to wait longer by those who come meanwhile, as where they are refused before they are judged.
            if target.whole_account && until.is_some_and(|until| until > now) {
                blocked = blocked.max(until);
                continue;
            }
            let (failures, before) = store::count(&mut tx, &target.key, now, now + MEMORY).await?;
            blocked = blocked.max(Some(before));
            if let Some(wait) = wait_after(failures, target.limit) {
                store::block(&mut tx, &target.key, now + wait, now + wait + MEMORY).await?;
                if target.whole_account && failures == target.limit {
                    judged = Judged::AccountWaits;
                }
            }
        }
        let refused = refuse_until(blocked, now);
        if succeeded && refused.is_ok() {
            for target in self.targets.iter().filter(|t| t.cleared) {
                store::clear(&mut tx, &target.key).await?;
            }
        }
        tx.commit().await?;
        refused.map(|()| judged)
    }
}

fn key(parts: &[&str]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

fn refuse_until(blocked: Option<OffsetDateTime>, now: OffsetDateTime) -> Result<(), ThrottleError> {
    match blocked.map(|until| until - now).and_then(|wait| Duration::try_from(wait).ok()) {
        Some(wait) if !wait.is_zero() => Err(ThrottleError::Wait(wait)),
        _ => Ok(()),
    }
}

fn wait_after(failures: i32, limit: i32) -> Option<Duration> {
    let beyond = u32::try_from(failures.checked_sub(limit)?).ok()?;
    Some(FIRST_WAIT.saturating_mul(1 << beyond.min(16)).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_begins_at_the_limit_doubles_and_ends_at_the_longest() {
        let seconds = |failures| wait_after(failures, 5).map(|w| w.as_secs());
        assert_eq!([0, 4, 5, 6, 7].map(seconds), [None, None, Some(30), Some(60), Some(120)]);
        assert_eq!(seconds(10), Some(900));
        assert_eq!(seconds(i32::MAX), Some(900));
    }

    #[test]
    fn parts_cannot_be_shifted_into_each_other() {
        assert_ne!(key(&["account", "a", "bc"]), key(&["account", "ab", "c"]));
    }

    #[test]
    fn a_known_device_has_its_own_brake_and_a_known_network_all_that_a_stranger_has() {
        let call = PublicCall {
            call: auth::Call::read(&tonic::metadata::MetadataMap::new()).unwrap(),
            network: "203.0.113.7".to_owned(),
        };
        let brakes = |place| {
            let attempt = Attempt::on_account("acme", "ada@acme.test", &call, place);
            let mut brakes: Vec<(i32, bool)> =
                attempt.targets.iter().map(|t| (t.limit, t.passed_by_right)).collect();
            brakes.sort_unstable();
            brakes
        };
        assert_eq!(brakes(Place::Device(uuid::Uuid::from_u128(1))), [(5, false)]);
        assert_eq!(brakes(Place::Network), [(5, false), (20, true), (50, false)]);
        assert_eq!(brakes(Place::Unknown), [(5, false), (20, false), (50, false)]);
    }

    #[test]
    fn a_wait_is_told_and_ends() {
        let now = OffsetDateTime::UNIX_EPOCH;
        assert!(refuse_until(None, now).is_ok() && refuse_until(Some(now), now).is_ok());
        let refused = refuse_until(Some(now + Duration::from_secs(7)), now).map_err(Error::from).unwrap_err();
        assert_eq!(
            (refused.reason(), refused.retry_after()),
            ("LOGIN_THROTTLED", Some(Duration::from_secs(7)))
        );
    }
}
