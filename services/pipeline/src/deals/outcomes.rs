//! What operators see of deals: how many were opened, won and lost.

use std::sync::OnceLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::place::text;
use super::told::Moved;

/// The statuses of a deal.
const STATUSES: [&str; 3] = ["open", "won", "lost"];

fn counter() -> &'static Counter<u64> {
    static COUNTER: OnceLock<Counter<u64>> = OnceLock::new();
    COUNTER.get_or_init(|| {
        let counter = opentelemetry::global::meter("globcrm.pipeline")
            .u64_counter("globcrm.pipeline.deal.outcomes")
            .with_unit("{deal}")
            .with_description("Deals that came to a status, by every way to write them")
            .build();
        for status in STATUSES {
            counter.add(0, &[KeyValue::new("status", status)]);
        }
        counter
    })
}

/// Shows the counter, with 0.
pub(crate) fn show() {
    counter();
}

/// Counts a deal that came to another status with its stage. Counted when it is written: a change that is taken back afterwards counts, too.
pub(super) fn count(moved: &Moved<'_>) {
    let Some(status) =
        turned(moved.before.and_then(|deal| text(deal, "status")), text(moved.after, "status"))
    else {
        return;
    };
    counter().add(1, &[KeyValue::new("status", status)]);
}

/// The new status, where it is another one.
fn turned(before: Option<&str>, after: Option<&str>) -> Option<&'static str> {
    STATUSES.into_iter().find(|status| after == Some(*status)).filter(|status| before != Some(*status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deal_counts_when_it_is_made_and_when_its_status_is_another_one() {
        assert_eq!(turned(None, Some("open")), Some("open"));
        assert_eq!(turned(Some("open"), Some("won")), Some("won"));
        assert_eq!(turned(Some("lost"), Some("open")), Some("open"));
        assert_eq!(turned(Some("open"), Some("open")), None);
        assert_eq!(turned(Some("open"), None), None);
        // A word that nobody knows has no series.
        assert_eq!(turned(Some("open"), Some("stalled")), None);
    }
}
