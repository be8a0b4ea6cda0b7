//! The activities and notes of a demo organisation: tasks, calls and meetings in every state, over the year around today.

use anyhow::Context;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};

use super::Api;

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

/// Makes them, linked to deals and contacts; `rep` is to do every third. Gives how many activities there are.
pub(super) async fn load(
    api: &Api,
    rep: &str,
    (deals, contacts): (&[String], &[Value]),
) -> anyhow::Result<usize> {
    let now = ids::Clock::system().now();
    for n in 0..ACTIVITIES {
        let activity = planned(n, now, rep, (&deals[n % deals.len()], &contacts[n % contacts.len()]))?;
        let made = api.create("/api/v1/activities", &activity).await?;
        let path = format!("/api/v1/activities/{}", made["id"].as_str().context("the activity's id")?);
        // Planned, planned and late, begun, completed, completed, cancelled.
        match n % 6 {
            2 => {
                api.send(&format!("{path}:start"), &json!({}), 200).await?;
            }
            3 | 4 => {
                let duration = (KINDS[n % 3] != "task").then_some(300 + 60 * (n % 30));
                let at = text(now - Duration::days(days(n)))?;
                let body =
                    json!({"outcome": OUTCOMES[n % 4], "completed_at": at, "duration_seconds": duration});
                api.send(&format!("{path}:complete"), &body, 200).await?;
            }
            5 => {
                api.send(&format!("{path}:cancel"), &json!({"reason": "no longer needed"}), 200).await?;
            }
            _ => {}
        }
    }
    let weekly = json!({
        "kind": "meeting", "subject": "Sales meeting", "starts_at": text(monday(now))?,
        "ends_at": text(monday(now) + Duration::minutes(30))?, "recurrence": "FREQ=WEEKLY;BYDAY=MO",
        "participants": [{"object": "user", "id": rep}], "reminders": [{"minutes_before": 10}],
    });
    api.create("/api/v1/activities", &weekly).await?;
    for n in 0..NOTES {
        let body = json!({
            "body": format!("**{}** and will decide by the end of the month.", OUTCOMES[n % 4]),
            "links": [{"object": "deal", "id": deals[n * 5 % deals.len()]}], "pinned": n.is_multiple_of(8),
        });
        api.create("/api/v1/notes", &body).await?;
    }
    Ok(ACTIVITIES + 1)
}

fn planned(
    n: usize,
    now: OffsetDateTime,
    rep: &str,
    (deal, contact): (&str, &Value),
) -> anyhow::Result<Value> {
    let kind = n % 3;
    // Those that are planned lie ahead, all others behind.
    let at = if n.is_multiple_of(6) { now + Duration::days(days(n)) } else { now - Duration::days(days(n)) };
    let mut activity = json!({
        "kind": KINDS[kind], "subject": SUBJECTS[kind][n / 3 % 4],
        "links": [{"object": "deal", "id": deal, "role": "subject"}, {"object": "contact", "id": contact}],
        "priority": if n.is_multiple_of(7) { "high" } else { "normal" },
    });
    if KINDS[kind] == "meeting" {
        activity["starts_at"] = json!(text(at)?);
        activity["ends_at"] = json!(text(at + Duration::hours(1))?);
    } else {
        activity["due_at"] = json!(text(at)?);
    }
    if n.is_multiple_of(6) {
        activity["reminders"] = json!([{"minutes_before": 30}]);
    }
    if n % 3 == n / 3 % 3 {
        activity["assignee_id"] = json!(rep);
        activity["owner_id"] = json!(rep);
    }
    Ok(activity)
}

/// 1 to 180.
fn days(n: usize) -> i64 {
    (n * 53 % 180) as i64 + 1
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
