//! An activity as a component of a calendar.
//!
//! Among others, in a feed, everything is an event: Google and Outlook show no tasks of calendars that are subscribed to, and Apple's does so in
//! another program only. A file of one task is a task, which is what who opens it wants to get.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};
use proto::activities::v1 as pb;

use super::Form;
use super::lines::{Lines, escaped};
use super::times::{At, Reckoning, moment, utc};
use super::zones::Zones;
use crate::activities::Rule;

/// Most characters of a text among others.
const MAX_DESCRIPTION: usize = 2_000;

/// What of an activity every part of its component needs.
struct Entry<'a> {
    activity: &'a pb::Activity,
    kind: pb::ActivityKind,
    state: pb::ActivityState,
    by: Reckoning<'a>,
    starts: Option<Timestamp>,
    due: Option<Timestamp>,
    form: Form,
}

/// Writes an activity, and notes the zone that it needs. One without any time is only a file of its own.
pub(super) fn write(lines: &mut Lines, zones: &mut Zones, activity: &pb::Activity, form: Form) {
    let entry = Entry {
        activity,
        kind: activity.kind(),
        state: pb::ActivityState::try_from(activity.state).unwrap_or_default(),
        by: Reckoning::of(activity),
        starts: moment(activity.starts_at.as_ref()),
        due: moment(activity.due_at.as_ref()),
        form,
    };
    let begins = entry.starts.or(entry.due);
    let is_task = form == Form::File && (begins.is_none() || entry.kind == pb::ActivityKind::Task);
    match begins {
        _ if is_task => lines.component("VTODO", |lines| entry.task(lines, zones)),
        Some(begins) => lines.component("VEVENT", |lines| entry.event(lines, zones, begins)),
        None => {}
    }
}

impl Entry<'_> {
    fn is_open(&self) -> bool {
        matches!(self.state, pb::ActivityState::Planned | pb::ActivityState::InProgress)
    }

    fn event(&self, lines: &mut Lines, zones: &mut Zones, begins: Timestamp) {
        self.head(lines);
        let at = self.by.at(begins);
        let rule = self.rule(at);
        let ends = self.starts.and(moment(self.activity.ends_at.as_ref())).filter(|ends| *ends > begins);
        self.time(lines, zones, "DTSTART", (begins, at), rule.is_some());
        if let Some(ends) = ends {
            self.time(lines, zones, "DTEND", (ends, self.by.at(ends)), rule.is_some());
        }
        if let Some(rule) = rule {
            lines.put("RRULE", rule);
        }
        let is_cancelled = self.state == pb::ActivityState::Cancelled;
        lines.put("STATUS", if is_cancelled { "CANCELLED" } else { "CONFIRMED" });
        let is_busy = !is_cancelled && self.kind != pb::ActivityKind::Task;
        lines.put("TRANSP", if is_busy { "OPAQUE" } else { "TRANSPARENT" });
        self.alarms(lines, Some(begins), "");
    }

    fn task(&self, lines: &mut Lines, zones: &mut Zones) {
        self.head(lines);
        // What is due at its beginning or before has none.
        let starts = self.starts.filter(|starts| self.due.is_none_or(|due| self.is_later(due, *starts)));
        let rule = starts.and_then(|starts| self.rule(self.by.at(starts)));
        for (property, moment) in [("DTSTART", starts), ("DUE", self.due)] {
            if let Some(moment) = moment {
                self.time(lines, zones, property, (moment, self.by.at(moment)), rule.is_some());
            }
        }
        if let Some(rule) = rule {
            lines.put("RRULE", rule);
        }
        lines.put(
            "STATUS",
            match self.state {
                pb::ActivityState::InProgress => "IN-PROCESS",
                pb::ActivityState::Completed => "COMPLETED",
                pb::ActivityState::Cancelled => "CANCELLED",
                pb::ActivityState::Planned | pb::ActivityState::Unspecified => "NEEDS-ACTION",
            },
        );
        if let Some(completed) = moment(self.activity.completed_at.as_ref()) {
            lines.put("COMPLETED", utc(completed));
        }
        self.alarms(lines, self.due, ";RELATED=END");
    }

    fn is_later(&self, due: Timestamp, starts: Timestamp) -> bool {
        match (self.by.at(due), self.by.at(starts)) {
            (At::Day(due), At::Day(starts)) => due > starts,
            _ => due > starts,
        }
    }

    /// What every component has.
    fn head(&self, lines: &mut Lines) {
        let activity = self.activity;
        // Only a revision changes it, so that a calendar is the same bytes until then.
        let revised = moment(activity.updated_at.as_ref()).unwrap_or(Timestamp::UNIX_EPOCH);
        lines.text("UID", &activity.id);
        lines.put("DTSTAMP", utc(revised));
        lines.put("LAST-MODIFIED", utc(revised));
        if let Some(created) = moment(activity.created_at.as_ref()) {
            lines.put("CREATED", utc(created));
        }
        lines.put("SEQUENCE", activity.version.saturating_sub(1).clamp(0, i32::MAX.into()));
        lines.text("SUMMARY", &self.summary());
        if let Some(body) = activity.body.as_deref().filter(|body| !body.is_empty()) {
            lines.text("DESCRIPTION", &self.description(body));
        }
        if !activity.tags.is_empty() {
            let tags: Vec<String> = activity.tags.iter().map(|tag| escaped(tag)).collect();
            lines.put("CATEGORIES", tags.join(","));
        }
        let priority = match activity.priority() {
            pb::ActivityPriority::Urgent => 1,
            pb::ActivityPriority::High => 3,
            pb::ActivityPriority::Normal => 5,
            pb::ActivityPriority::Low => 9,
            pb::ActivityPriority::Unspecified => 0,
        };
        lines.put("PRIORITY", priority);
    }

    /// An event has no state that says that it is done.
    fn summary(&self) -> Cow<'_, str> {
        let kind = match self.kind {
            pb::ActivityKind::Call => "Call",
            pb::ActivityKind::Meeting => "Meeting",
            pb::ActivityKind::Task | pb::ActivityKind::Unspecified => "Task",
        };
        let subject = self.activity.subject.as_deref().unwrap_or(kind);
        if self.form == Form::Feed && self.state == pb::ActivityState::Completed {
            return format!("\u{2713} {subject}").into();
        }
        subject.into()
    }

    fn description<'b>(&self, body: &'b str) -> Cow<'b, str> {
        match body.char_indices().nth(MAX_DESCRIPTION) {
            Some((end, _)) if self.form == Form::Feed => format!("{}\u{2026}", &body[..end]).into(),
            _ => body.into(),
        }
    }

    fn time(
        &self,
        lines: &mut Lines,
        zones: &mut Zones,
        property: &str,
        (moment, at): (Timestamp, At),
        recurs: bool,
    ) {
        if let (At::Clock(_), Some(name)) = (at, self.by.name) {
            zones.need(name, &self.by.zone, moment, recurs);
        }
        self.by.write(lines, property, at);
    }

    /// The rule of an activity that begins so. One that is over has been followed by the next one. What does not begin at the time by the clock
    /// at which it is meant to come again has none, for calendar programs do not agree on a time that the clock skips or shows twice.
    fn rule(&self, begins: At) -> Option<String> {
        let is_moment = self.by.name.is_some() && matches!(begins, At::Moment(_));
        let is_by_clock = !is_moment && self.activity.recurs_at.is_none();
        let text = self.activity.recurrence.as_deref().filter(|_| self.is_open() && is_by_clock)?;
        Rule::parse(text).ok()?.in_calendar(self.by.all_day, &self.by.zone)
    }

    /// Reminders, which come before the beginning of a meeting and before anything else is due; `anchor` is what a time is told from.
    fn alarms(&self, lines: &mut Lines, anchor: Option<Timestamp>, related: &str) {
        let is_meeting = self.kind == pb::ActivityKind::Meeting;
        let moment = if is_meeting { self.starts } else { self.due };
        let Some(moment) = moment.filter(|_| self.is_open()) else { return };
        // A day is told from its beginning, where a meeting begins.
        let is_told = anchor == Some(moment) && (!self.by.all_day || is_meeting);
        for reminder in &self.activity.reminders {
            let minutes = reminder.minutes_before.max(0);
            lines.component("VALARM", |lines| {
                lines.put("ACTION", "DISPLAY");
                lines.text("DESCRIPTION", &self.summary());
                if is_told {
                    lines.put(format!("TRIGGER{related}"), format!("-PT{minutes}M"));
                } else {
                    let before = SignedDuration::from_mins(minutes.into());
                    let at = moment.saturating_sub(before).unwrap_or(moment);
                    lines.put("TRIGGER;VALUE=DATE-TIME", utc(at));
                }
            });
        }
    }
}
