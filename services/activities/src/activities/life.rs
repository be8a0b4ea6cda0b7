//! What an activity demands of every write: its state changes by events alone, as its machine says, and what is over stays as it was.

use auth::Access;
use db::TenantTx;
use error::{Code, Error, Reason};
use events::NewEvent;
use field_types::moment::{datetime, datetime_text};
use input::{Violations, pointer};
use proto::common::v1::AllowedEventsDetail;
use record::Record;
use record::change::{Diff, diff, event};
use record::prepare::{Guard, Path, Plan, Write};
use serde_json::Value;

use super::machine::{Event, Kind, State, field};
use super::{ACTIVITY, recurrence, reminders, state, text, times};

/// What may change of an activity that is over.
const OPEN_FOR_EVER: [&str; 4] = ["tags", "owner_id", "team_id", "links"];

/// The guard of activities.
#[derive(Debug)]
pub(super) struct Life;

#[tonic::async_trait]
impl Guard for Life {
    async fn check(
        &self,
        _: &mut TenantTx,
        write: &mut Write<'_>,
        violations: &mut Violations,
    ) -> Result<(), Error> {
        if matches!(write.plan.path, Path::Restore | Path::Link) {
            return Ok(());
        }
        let event = text(write.after, "event").and_then(Event::named);
        write.after.set("event", Value::Null);
        match (write.before.and_then(state), event) {
            (Some(before), Some(event)) => happen(write, before, event, violations)?,
            (Some(before), None) if !before.is_open() => refuse_changes(write, before, violations)?,
            (Some(_), None) => {}
            (None, _) => write.after.set("state", State::Planned.name().into()),
        }
        if text(write.after, "priority").is_none() {
            write.after.set("priority", "normal".into());
        }
        times::check(write, violations);
        require(write, violations);
        recurrence::check(write, violations);
        Ok(())
    }

    async fn stored(
        &self,
        tx: &mut TenantTx,
        plan: &Plan<'_>,
        before: Option<&Record>,
        after: &Record,
    ) -> Result<Vec<NewEvent>, Error> {
        reminders::schedule(tx, plan, before, after).await?;
        recurrence::make(tx, plan, before, after).await?;
        Ok(completed(plan, before, after).into_iter().collect())
    }
}

/// Brings an activity to the state to which an event leads.
fn happen(
    write: &mut Write<'_>,
    from: State,
    event: Event,
    violations: &mut Violations,
) -> Result<(), Error> {
    let kind = text(write.after, "kind").and_then(Kind::named).ok_or_else(unknown_kind)?;
    let machine = kind.machine();
    let Some(way) = machine.way(from, event) else {
        let allowed = machine.permitted(from).map(|event| event.name().to_owned()).collect();
        let (kind, state, event_name) = (kind.name(), from.name(), event.name());
        let text = format!("the state {state} of a {kind} does not permit the event {event_name}");
        return Err(Error::new(Code::FailedPrecondition, Reason::TRANSITION_NOT_ALLOWED, text)
            .with_metadata("state", state)
            .with_metadata("event", event_name)
            .with_detail("globcrm.common.v1.AllowedEventsDetail", &AllowedEventsDetail { allowed }));
    };
    refuse_read_only(write)?;
    write.after.set("state", way.to.name().into());
    if way.to == State::Completed {
        complete(write, violations);
    }
    for member in way.requires {
        if text_or_number(write, field(member)).is_none() {
            violations.note(pointer(member), Reason::REQUIRED_FOR_STATE, "the state requires a value");
        }
    }
    Ok(())
}

/// An event writes fields as any change does.
fn refuse_read_only(write: &Write<'_>) -> Result<(), Error> {
    let said = write.sent.iter().map(String::as_str).filter(|name| *name != "event");
    let is_read_only = |name: &&str| write.plan.mask.access(name) != Access::Edit;
    let fields: Vec<&str> = said.chain(["state"]).filter(is_read_only).collect();
    if fields.is_empty() {
        return Ok(());
    }
    let text = format!("you may read, but not change {}", fields.join(", "));
    Err(Error::new(Code::PermissionDenied, Reason::FIELD_READ_ONLY, text)
        .with_metadata("fields", fields.join(",")))
}

fn complete(write: &mut Write<'_>, violations: &mut Violations) {
    let now = write.plan.author.now;
    let sent = text(write.after, "completed_at").and_then(|text| datetime(text).ok());
    if sent.is_some_and(|sent| sent > now) {
        violations.note("/completed_at", Reason::DATE_IN_FUTURE, "a moment that has passed is expected");
    }
    write.after.set("completed_at", datetime_text(sent.unwrap_or(now)).into());
    let seconds = write.after.fields.get("duration_seconds").and_then(Value::as_i64);
    if seconds.is_some_and(|seconds| seconds < 1) {
        write.after.set("duration_seconds", Value::Null);
    }
}

fn text_or_number<'w>(write: &'w Write<'_>, name: &str) -> Option<&'w Value> {
    write.after.fields.get(name).filter(|value| value.as_str() != Some(""))
}

/// What is over stays as it was, but for whose it is and how it is found.
fn refuse_changes(write: &Write<'_>, state: State, violations: &Violations) -> Result<(), Error> {
    let Some(before) = write.before else { return Ok(()) };
    let is_fixed = |name: &str| !OPEN_FOR_EVER.contains(&name);
    let changes = diff(write.plan.object, before, write.after);
    let is_change = changes.iter().any(|change| is_fixed(&change.field));
    let is_meant = violations.iter().any(|v| v.pointer.split('/').nth(1).is_some_and(is_fixed));
    if !is_change && !is_meant {
        return Ok(());
    }
    let text = format!("an activity that is {} can no longer be changed", state.name());
    Err(Error::new(Code::FailedPrecondition, Reason::ACTIVITY_CLOSED, text)
        .with_metadata("state", state.name()))
}

/// What its kind requires in its state. It holds for everybody, so a field that is hidden from the caller is named as well.
fn require(write: &Write<'_>, violations: &mut Violations) {
    let kind = text(write.after, "kind").and_then(Kind::named);
    let Some(kind) = kind else {
        if !violations.concern("/kind") {
            violations.note("/kind", Reason::REQUIRED, "one of task, call and meeting is expected");
        }
        return;
    };
    let Some(state) = state(write.after) else { return };
    for name in kind.machine().has(state) {
        // Of what an event says it was told already.
        let member = if name == "cancelled_reason" { "reason" } else { name };
        let at = pointer(member);
        if text_or_number(write, name).is_none() && !violations.concern(&at) {
            violations.note(at, Reason::REQUIRED, format!("a {} has a value here", kind.name()));
        }
    }
}

/// What those must know who follow completed activities: when it was, and what it is about. Other events say only what has changed.
fn completed(plan: &Plan<'_>, before: Option<&Record>, after: &Record) -> Option<NewEvent> {
    let said = |activity: &Record| {
        let values =
            ["completed_at", "links"].map(|name| activity.fields.get(name).cloned().unwrap_or_default());
        (state(activity) == Some(State::Completed)).then_some(values)
    };
    let is = said(after)?;
    let is_known = plan.path != Path::Restore && before.and_then(said).as_ref() == Some(&is);
    let diffs = ["completed_at", "links"].into_iter().zip(is);
    let diffs = diffs.map(|(field, after)| Diff { field: field.to_owned(), before: Value::Null, after });
    let diffs: Vec<Diff> = diffs.collect();
    (!is_known).then(|| event(plan.author, &ACTIVITY, "completed", after, &diffs))
}

fn unknown_kind() -> Error {
    Error::internal("an activity of an unknown kind is stored")
}
