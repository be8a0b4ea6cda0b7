//! The activities and notes of a demo organisation: tasks, calls and meetings in every state, over the year until today and the weeks after it.

use anyhow::Context;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::api::Api;
use super::deals::Deals;
use super::{earlier_working_time, working_time};

const ACTIVITIES: usize = 150;
const KINDS: [&str; 3] = ["task", "call", "meeting"];
const SUBJECTS: [[&str; 4]; 3] = [
    ["Send the offer", "Ask for the budget", "Write the summary", "Check the contract"],
    ["Call the buyer", "Talk about the price", "Answer open questions", "Say when we deliver"],
    ["Demo", "Meet the management", "Workshop", "Review of the quarter"],
];
const OUTCOMES: [&str; 4] = [
    "They want to go on",
    "They need two more weeks",
    "They asked for a discount",
    "All questions are answered",
];
const NOTES: usize = 40;

/// Those that are made.
pub(super) struct Activities {
    rep: String,
    contacts: Vec<Value>,
    /// By their numbers; some are never made.
    ids: Vec<Option<String>>,
}

/// Activities are known by their numbers.
pub(super) enum Step {
    Create(usize),
    /// Starts, completes or cancels it, as its number says.
    Go(usize),
    Weekly,
    Note(usize),
}

/// What becomes of an activity until now.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It lies ahead.
    Planned,
    /// Nobody did it in time.
    Late,
    Started,
    Completed,
    Cancelled,
}

const FATES: [Fate; 6] =
    [Fate::Planned, Fate::Late, Fate::Started, Fate::Completed, Fate::Completed, Fate::Cancelled];

/// When activities are made and done, and notes written.
pub(super) fn year(start: OffsetDateTime, now: OffsetDateTime) -> Vec<(OffsetDateTime, Step)> {
    let ago = |n: usize, most: i64| earlier_working_time(now - Duration::days(2 + (n as i64 * 53) % most), n);
    let most = (now - start).whole_days() - 30;
    let mut steps = Vec::new();
    for n in 0..ACTIVITIES {
        let made = match FATES[n % 6] {
            Fate::Planned | Fate::Started => ago(n, 14),
            Fate::Late => ago(n, 60) - DUE,
            Fate::Completed | Fate::Cancelled => ago(n, most) - DUE,
        };
        steps.push((made, Step::Create(n)));
        if !matches!(FATES[n % 6], Fate::Planned | Fate::Late) {
            let after = if FATES[n % 6] == Fate::Started { Duration::days(1) } else { DUE };
            // On a day that is over.
            steps.push((made + after, Step::Go(n)));
        }
    }
    steps.extend((0..NOTES).map(|n| (ago(n, most), Step::Note(n))));
    steps.push((now - Duration::days(20), Step::Weekly));
    steps
}

/// From the making of an activity until it is due.
const DUE: Duration = Duration::days(7);

impl Activities {
    pub(super) fn begin(rep: String, contacts: Vec<Value>) -> Self {
        Self { rep, contacts, ids: vec![None; ACTIVITIES] }
    }

    /// How many there are, the weekly one included.
    pub(super) fn made(&self) -> usize {
        self.ids.iter().flatten().count() + 1
    }

    /// Does one of the steps, at a time; the representative is to do every third activity.
    pub(super) async fn take(&mut self, api: &mut Api, step: Step, deals: &Deals) -> anyhow::Result<()> {
        match step {
            Step::Create(n) => {
                let made = api.create("/api/v1/activities", &self.planned(n, api.now(), deals)?).await?;
                let id = made["id"].as_str().context("the activity's id")?;
                *self.ids.get_mut(n).context("a number of an activity")? = Some(id.to_owned());
            }
            Step::Go(n) => {
                let id = self.ids.get(n).and_then(Option::as_deref).context("the activity")?;
                let (verb, body) = going(n);
                api.send(&format!("/api/v1/activities/{id}:{verb}"), &body, 200).await?;
            }
            Step::Weekly => {
                let at = monday(api.now());
                let weekly = json!({
                    "kind": "meeting", "subject": "Sales meeting", "starts_at": text(at)?,
                    "ends_at": text(at + Duration::minutes(30))?, "recurrence": "FREQ=WEEKLY;BYDAY=MO",
                    "participants": [{"object": "user", "id": self.rep}], "reminders": [{"minutes_before": 10}],
                });
                api.create("/api/v1/activities", &weekly).await?;
            }
            Step::Note(n) => {
                let body = json!({
                    "body": format!("**{}** and will decide by the end of the month.", OUTCOMES[n % 4]),
                    "links": [{"object": "deal", "id": deals.some(n * 5).context("a deal")?}],
                    "pinned": n.is_multiple_of(8),
                });
                api.create("/api/v1/notes", &body).await?;
            }
        }
        Ok(())
    }

    fn planned(&self, n: usize, now: OffsetDateTime, deals: &Deals) -> anyhow::Result<Value> {
        let kind = n % 3;
        // What is planned lies ahead of today.
        let ahead = if FATES[n % 6] == Fate::Planned { 15 + (n as i64 * 53) % 60 } else { 0 };
        let at = working_time(now + DUE + Duration::days(ahead), n);
        let contact = self.contacts.get(n % self.contacts.len().max(1)).context("a contact")?;
        let mut activity = json!({
            "kind": KINDS[kind], "subject": SUBJECTS[kind][n / 3 % 4],
            "links": [
                {"object": "deal", "id": deals.some(n).context("a deal")?, "role": "subject"},
                {"object": "contact", "id": contact},
            ],
            "priority": if n.is_multiple_of(7) { "high" } else { "normal" },
        });
        if KINDS[kind] == "meeting" {
            activity["starts_at"] = json!(text(at)?);
            activity["ends_at"] = json!(text(at + Duration::hours(1))?);
        } else {
            activity["due_at"] = json!(text(at)?);
        }
        if FATES[n % 6] == Fate::Planned {
            activity["reminders"] = json!([{"minutes_before": 30}]);
        }
        if n % 3 == n / 3 % 3 {
            activity["assignee_id"] = json!(self.rep);
            activity["owner_id"] = json!(self.rep);
        }
        Ok(activity)
    }
}

/// The event of an activity, and its body.
fn going(n: usize) -> (&'static str, Value) {
    match FATES[n % 6] {
        Fate::Started => ("start", json!({})),
        Fate::Cancelled => ("cancel", json!({"reason": "no longer needed"})),
        Fate::Planned | Fate::Late | Fate::Completed => {
            let duration = (KINDS[n % 3] != "task").then_some(300 + 60 * (n % 30));
            ("complete", json!({"outcome": OUTCOMES[n % 4], "duration_seconds": duration}))
        }
    }
}

/// Nine o'clock (UTC) on the next Monday.
fn monday(now: OffsetDateTime) -> OffsetDateTime {
    let midnight = now.replace_time(time::Time::MIDNIGHT);
    midnight
        + Duration::days(7 - i64::from(midnight.weekday().number_days_from_monday()))
        + Duration::hours(9)
}

fn text(at: OffsetDateTime) -> anyhow::Result<String> {
    Ok(at.replace_nanosecond(0)?.format(&Rfc3339)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_day_it_is_all_is_over_and_nothing_goes_on_before_it_is_made() {
        let monday = time::macros::datetime!(2026-11-30 00:05 UTC);
        for hour in 0..14 * 24 {
            let now = monday + Duration::hours(hour);
            let start = now - Duration::days(362);
            let steps = year(start, now);
            let mut made = vec![None; ACTIVITIES];
            for (at, step) in &steps {
                assert!(start < *at && *at < now, "{at} at {now}");
                if let Step::Create(n) = step {
                    made[*n] = Some(*at);
                }
            }
            for (at, step) in &steps {
                if let Step::Go(n) = step {
                    assert!(made[*n].is_some_and(|made| made < *at), "{n} at {now}");
                }
            }
        }
    }
}
