//! The way of events: outbox, broker, inbox.

use super::panel::{Dashboard, Panel, Row, Unit, ask, lines, rate, rate_or_none, stack};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        name: "events",
        title: "GlobCRM: events",
        about: "For those who look for an event: what waits before the broker, what happens to it behind it. A counter that is new begins at its first event, which no rate shows",
        choices: Vec::new(),
        rows: vec![
            Row { title: "To the broker", panels: sent() },
            Row { title: "From the broker", panels: received() },
        ],
    }
}

/// Every instance measures the same table: the largest, not the sum.
fn measured(by: &str, gauge: &str) -> String {
    format!("max by ({by}) ({gauge})")
}

fn sent() -> Vec<Panel> {
    vec![
        lines(
            "Not sent, age of the oldest",
            Unit::Seconds,
            "Over a minute in the interactive lane: look at the broker. An import makes the bulk lane older for minutes",
            vec![ask(
                &measured("service, lane", "globcrm_outbox_unsent_age_seconds"),
                "{{service}} {{lane}}",
            )],
        ),
        lines(
            "Not sent",
            Unit::Count,
            "Nothing of it is lost",
            vec![ask(&measured("service, lane", "globcrm_outbox_unsent"), "{{service}} {{lane}}")],
        ),
        stack(
            "Sent by service",
            Unit::PerSecond,
            "None while some wait: no relay leads, or the broker is away",
            vec![ask(&rate("service, lane", "globcrm_outbox_published_total"), "{{service}} {{lane}}")],
        ),
        stack(
            "Sent by object",
            Unit::PerSecond,
            "What has happened",
            vec![ask(&rate("object, verb", "globcrm_outbox_published_total"), "{{object}} {{verb}}")],
        ),
        lines(
            "Not taken by the broker",
            Unit::PerSecond,
            "A queue is full: its consumer is down or slow",
            vec![ask(&rate("service", "globcrm_outbox_refused_total"), "{{service}}")],
        ),
        lines(
            "Passed by and sent late",
            Unit::PerSecond,
            "Anything above 0 is a defect",
            vec![ask(&rate("service, lane", "globcrm_outbox_lost_total"), "{{service}} {{lane}}")],
        ),
    ]
}

fn received() -> Vec<Panel> {
    let stuck = |gauge: &str| format!("{} or on() vector(0)", measured("service, consumer", gauge));
    vec![
        stack(
            "Applied by consumer",
            Unit::PerSecond,
            "Their effect is committed",
            vec![ask(&rate("consumer", r#"globcrm_inbox_events_total{outcome="applied"}"#), "{{consumer}}")],
        ),
        lines(
            "What became of them otherwise",
            Unit::PerSecond,
            "Many `redelivered`: something restarts over and over. `parked`: last_error in inbox_retry says why",
            vec![ask(
                &rate_or_none("consumer, outcome", r#"globcrm_inbox_events_total{outcome!="applied"}"#),
                "{{consumer}} {{outcome}}",
            )],
        ),
        lines(
            "Parked",
            Unit::Count,
            "Failed, or waiting behind one that did; tried 8 times within 24 hours",
            vec![ask(&stuck("globcrm_inbox_parked"), "{{consumer}}")],
        ),
        lines(
            "Given up",
            Unit::Count,
            "Each holds up the later events of its record",
            vec![ask(&stuck("globcrm_inbox_dead"), "{{consumer}}")],
        ),
        lines(
            "Deleted for their age",
            Unit::PerSecond,
            "Never applied: rebuild what the consumer keeps",
            vec![ask(
                &rate_or_none("consumer, state", "globcrm_inbox_expired_total"),
                "{{consumer}} {{state}}",
            )],
        ),
    ]
}
