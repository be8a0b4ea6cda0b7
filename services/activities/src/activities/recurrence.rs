//! An activity that is completed makes the next one by its rule, in the same transaction: what is planned of it comes again at the same times
//! by the clock of its zone.

use db::TenantTx;
use error::{Error, Reason};
use input::Violations;
use jiff::civil::DateTime;
use record::Record;
use record::create::new_record;
use record::prepare::{Plan, Prepared, Write};
use record::write;
use serde_json::Value;
use uuid::Uuid;

use super::machine::State;
use super::rule::Rule;
use super::times::{moment, moment_text, takes_days, zone};
use super::{state, text};

/// What of an activity comes again as it is.
const KEPT: [&str; 13] = [
    "owner_id",
    "team_id",
    "tags",
    "kind",
    "subject",
    "body",
    "priority",
    "all_day",
    "timezone",
    "assignee_id",
    "links",
    "participants",
    "reminders",
];
/// What comes again at another time; the rule is about the first that there is.
const TIMES: [&str; 3] = ["starts_at", "due_at", "ends_at"];

/// Looks at the rule of an activity, and decides whether one that was just completed makes another.
pub(super) fn check(write: &mut Write<'_>, violations: &mut Violations) {
    let is_same = |name: &str| write.before.and_then(|before| text(before, name)) == text(write.after, name);
    if !["recurrence", "timezone"].iter().chain(&TIMES).all(|name| is_same(name)) {
        write.after.set("recurs_at", Value::Null);
    }
    if text(write.after, "recurrence").is_none() {
        return;
    }
    if first(write.after).is_none() && !violations.concern("/due_at") {
        violations.note("/due_at", Reason::REQUIRED, "what recurs has a beginning or is due at a moment");
    }
    let is_completed = |activity: &Record| state(activity) == Some(State::Completed);
    if is_completed(write.after) && !write.before.is_some_and(is_completed) && next(write.after).is_some() {
        write.after.set("next_id", write.plan.author.clock.new_uuid().to_string().into());
    }
}

/// Makes the activity that was decided on when this one was completed.
pub(super) async fn make(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), Error> {
    let next_id = |activity: &Record| text(activity, "next_id").and_then(|id| Uuid::try_parse(id).ok());
    let Some(id) = next_id(after).filter(|id| before.and_then(next_id) != Some(*id)) else { return Ok(()) };
    let changes = next(after).ok_or_else(|| Error::internal("a rule has ended since it was looked at"))?;
    let mut made = Record { id, ..new_record(plan.author, "api") };
    for name in KEPT {
        made.set(name, after.fields.get(name).cloned().unwrap_or_default());
    }
    for (name, value) in changes {
        made.set(name, value.into());
    }
    made.set("state", State::Planned.name().into());
    if let Some(Value::Array(participants)) = made.fields.get_mut("participants") {
        // Nobody has answered yet.
        for one in participants {
            one["response"] = "needs_action".into();
        }
    }
    made.custom = after.custom.clone();
    write::insert(tx, plan, &[Prepared::following(plan, made)]).await
}

/// The moment that the rule is about.
fn first(activity: &Record) -> Option<&'static str> {
    TIMES[..2].iter().copied().find(|name| text(activity, name).is_some())
}

/// What is other in the activity that follows; `None` when none does.
fn next(activity: &Record) -> Option<Vec<(&'static str, String)>> {
    let rule = Rule::parse(text(activity, "recurrence")?).ok()?;
    let (anchor, zone) = (first(activity)?, zone(activity));
    // What takes whole days comes again by days: where the clock skips midnight, a day begins at one o'clock.
    let is_day = |name: &str| name != "due_at" && takes_days(activity);
    let clock = |name: &str| {
        let clock = moment(activity, name)?.to_zoned_datetime(zone.clone()).datetime();
        Some(if is_day(name) { clock.date().at(0, 0, 0, 0) } else { clock })
    };
    let is = clock(anchor)?;
    let meant = text(activity, "recurs_at").and_then(|text| text.parse::<DateTime>().ok()).unwrap_or(is);
    let (time, at, rule) = rule.next(meant, &zone)?;
    let mut changes = vec![("recurrence", rule.to_string())];
    // The clock skips it.
    let shown = if is_day(anchor) { time } else { at.to_zoned_datetime(zone.clone()).datetime() };
    if shown != time {
        changes.push(("recurs_at", time.to_string()));
    }
    for name in TIMES {
        let Some(was) = clock(name) else { continue };
        // As far from the first by the clock as before.
        let then = shown.checked_add(was.duration_since(is)).ok()?;
        let mut then =
            if name == anchor { at } else { then.to_zoned_datetime(zone.clone()).ok()?.timestamp() };
        if name == "ends_at" && anchor == "starts_at" && then <= at {
            // By the clock it was over before it began: the clock went back meanwhile.
            then = at.checked_add(moment(activity, name)?.duration_since(moment(activity, anchor)?)).ok()?;
        }
        changes.push((name, moment_text(then)?));
    }
    Some(changes)
}
