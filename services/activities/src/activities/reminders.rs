//! When to remind of an activity: a list of `{"minutes_before"}`, and what is still to come of it.

use db::TenantTx;
use error::{Error, Reason};
use field_types::FieldError;
use field_types::moment::datetime;
use input::Input;
use proto::activities::v1 as pb;
use record::Record;
use record::prepare::{Path, Plan};
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::machine::{Kind, State};
use super::{state, store, text};

/// Reads the reminders sent, each once.
pub(super) fn read(input: &mut Input, sent: &[pb::Reminder]) {
    let mut kept: Vec<Value> = Vec::new();
    for (n, reminder) in sent.iter().enumerate() {
        let reminder = json!({"minutes_before": reminder.minutes_before});
        if kept.contains(&reminder) {
            input.refuse(format!("/reminders/{n}"), FieldError::new(Reason::REPEATED, "is repeated"));
        }
        kept.push(reminder);
    }
    input.set("reminders", kept);
}

pub(super) fn show(reminder: &Value) -> pb::Reminder {
    pb::Reminder { minutes_before: minutes(reminder).unwrap_or_default() }
}

fn minutes(reminder: &Value) -> Option<i32> {
    i32::try_from(reminder["minutes_before"].as_i64()?).ok()
}

/// Schedules what a write brings: of another moment all reminders, of the same one those that are new. What has been reminded of is not
/// reminded of again.
pub(super) async fn schedule(
    tx: &mut TenantTx,
    plan: &Plan<'_>,
    before: Option<&Record>,
    after: &Record,
) -> Result<(), Error> {
    let now = plan.author.now;
    if plan.path == Path::Restore {
        return Ok(store::unpark(tx, after.id, now).await?);
    }
    let (was, is) = (before.and_then(planned), planned(after));
    if was == is {
        return Ok(());
    }
    let (moment, minutes) = is.unzip();
    let minutes = minutes.unwrap_or_default();
    let known = was.filter(|(was, _)| Some(*was) == moment).map(|(_, minutes)| minutes).unwrap_or_default();
    let (kept, new): (Vec<i32>, Vec<i32>) = minutes.into_iter().partition(|one| known.contains(one));
    if before.is_some() {
        store::keep(tx, after.id, &kept).await?;
    }
    // Nobody is reminded of what is over by the time that it is planned.
    if let Some(moment) = moment.filter(|moment| *moment > now && !new.is_empty()) {
        store::schedule(tx, after.id, moment, &new).await?;
    }
    Ok(())
}

/// The moment that an activity's reminders come before, and how long; `None` where there are none.
fn planned(activity: &Record) -> Option<(OffsetDateTime, Vec<i32>)> {
    let kind = text(activity, "kind").and_then(Kind::named)?;
    let moment = text(activity, if kind == Kind::Meeting { "starts_at" } else { "due_at" })?;
    let moment = datetime(moment).ok().filter(|_| state(activity).is_some_and(State::is_open))?;
    let reminders = activity.fields.get("reminders")?.as_array()?;
    Some((moment, reminders.iter().filter_map(minutes).collect()))
}
