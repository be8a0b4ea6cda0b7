//! What operators see of attacks: log-ins that fail, and attempts to get power that the caller does not have. Labels are bounded: no account, no tenant.

use std::sync::OnceLock;

use error::{Code, Error, Reason};
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

/// What there is to refuse for its reach.
const BEYOND: [Reason; 4] = [
    Reason::ROLE_EXCEEDS_CALLER,
    Reason::TEAM_EXCEEDS_CALLER,
    Reason::MANAGER_EXCEEDS_CALLER,
    Reason::SCOPE_EXCEEDS_CALLER,
];

/// What a log-in came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A session.
    Opened,
    /// The credentials do not fit.
    Wrong,
    /// The same, and with it the account began to wait where its user is not known.
    Slowed,
    /// It came while it had to wait.
    Throttled,
}

impl Outcome {
    const ALL: [Self; 4] = [Self::Opened, Self::Wrong, Self::Slowed, Self::Throttled];

    fn name(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Wrong => "wrong",
            Self::Slowed => "slowed",
            Self::Throttled => "throttled",
        }
    }
}

struct Counters {
    logins: Counter<u64>,
    beyond: Counter<u64>,
}

/// The counters. All their series are there from the first use, so that the first of each shows as an increase.
fn counters() -> &'static Counters {
    static COUNTERS: OnceLock<Counters> = OnceLock::new();
    COUNTERS.get_or_init(|| {
        let meter = opentelemetry::global::meter("globcrm.identity");
        let logins = meter
            .u64_counter("globcrm.identity.logins")
            .with_description("Log-ins by password, by what they came to")
            .build();
        let beyond = meter
            .u64_counter("globcrm.identity.powers_exceeded")
            .with_description("Refused attempts to give or take more than the caller has")
            .build();
        for outcome in Outcome::ALL {
            logins.add(0, &[KeyValue::new("outcome", outcome.name())]);
        }
        for reason in BEYOND {
            beyond.add(0, &[KeyValue::new("reason", reason.as_str())]);
        }
        Counters { logins, beyond }
    })
}

/// Shows all of them, with 0.
pub(crate) fn show() {
    counters();
}

/// A log-in has ended.
pub(crate) fn login(outcome: Outcome) {
    counters().logins.add(1, &[KeyValue::new("outcome", outcome.name())]);
}

/// The refusal of what reaches further than the caller does; it is counted and logged. Errors: 403 with one of [`BEYOND`].
pub(crate) fn beyond(reason: Reason, text: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    debug_assert!(BEYOND.contains(&reason), "{reason:?} is not counted from the beginning");
    counters().beyond.add(1, &[KeyValue::new("reason", reason.as_str())]);
    tracing::warn!(reason = reason.as_str(), "more power was asked for than the caller has");
    Error::new(Code::PermissionDenied, reason, text)
}
