//! An activity's message: how it is read and shown.

use auth::FieldMask;
use error::Error;
use field_types::timezone;
use prost::Message;
use prost::bytes::Bytes;
use proto::activities::v1 as pb;
use proto::common::v1::{Access, Source};
use record::definitions::FieldSet;
use record::view::View;
use record::{Env, Included, Object, Reader, Sent, Wire};

use super::rule::Rule;
use super::{ACTIVITY, links, participants, reminders};

/// Most characters of a text.
const MAX_BODY: usize = 50_000;

/// Activities on the wire.
#[derive(Debug)]
pub(crate) enum Activity {}

impl Wire for Activity {
    type Message = pb::Activity;

    fn object() -> &'static Object {
        &ACTIVITY
    }

    fn read(sent: &pb::Activity, r: &mut Reader<'_>) {
        r.id("owner_id", &sent.owner_id);
        r.id("team_id", &sent.team_id);
        r.external_ids(&sent.external_ids);
        r.tags(&sent.tags);
        r.choice("kind", sent.kind, pb::ActivityKind::as_str_name, "ACTIVITY_KIND_");
        r.line("subject", &sent.subject, 300);
        r.lines("body", &sent.body, MAX_BODY);
        r.choice("priority", sent.priority, pb::ActivityPriority::as_str_name, "ACTIVITY_PRIORITY_");
        r.moment("due_at", sent.due_at.as_ref());
        r.moment("starts_at", sent.starts_at.as_ref());
        r.moment("ends_at", sent.ends_at.as_ref());
        r.value("all_day", sent.all_day);
        r.checked("timezone", &sent.timezone, timezone::parse);
        r.value("duration_seconds", sent.duration_seconds);
        r.id("assignee_id", &sent.assignee_id);
        r.with("links", |input| links::read(input, &sent.links));
        r.with("participants", |input| participants::read(input, &sent.participants));
        r.with("reminders", |input| reminders::read(input, &sent.reminders));
        r.checked("recurrence", &sent.recurrence, |text| Ok(Rule::parse(text)?.to_string()));
    }

    fn show(view: View<'_>, access: Option<Access>) -> Result<pb::Activity, Error> {
        let source = view.choice("source", "SOURCE_").and_then(|name| Source::from_str_name(&name));
        let kind =
            view.choice("kind", "ACTIVITY_KIND_").and_then(|name| pb::ActivityKind::from_str_name(&name));
        let state =
            view.choice("state", "ACTIVITY_STATE_").and_then(|name| pb::ActivityState::from_str_name(&name));
        let priority = view.choice("priority", "ACTIVITY_PRIORITY_");
        let priority = priority.and_then(|name| pb::ActivityPriority::from_str_name(&name));
        Ok(pb::Activity {
            id: view.id(),
            version: view.version(),
            created_at: view.moment("created_at"),
            created_by: view.text("created_by").unwrap_or_default(),
            updated_at: view.moment("updated_at"),
            updated_by: view.text("updated_by").unwrap_or_default(),
            deleted_at: view.moment("deleted_at"),
            owner_id: view.text("owner_id"),
            team_id: view.text("team_id"),
            source: source.unwrap_or_default().into(),
            external_ids: view.map("external_ids"),
            tags: view.texts("tags"),
            kind: kind.map(Into::into),
            subject: view.text("subject"),
            body: view.text("body"),
            state: state.unwrap_or_default().into(),
            priority: priority.map(Into::into),
            due_at: view.moment("due_at"),
            starts_at: view.moment("starts_at"),
            ends_at: view.moment("ends_at"),
            all_day: view.flag("all_day"),
            timezone: view.text("timezone"),
            completed_at: view.moment("completed_at"),
            outcome: view.text("outcome"),
            duration_seconds: view.integer("duration_seconds"),
            assignee_id: view.text("assignee_id"),
            links: view.list("links", links::show),
            participants: view.list("participants", participants::show),
            cancelled_reason: view.text("cancelled_reason"),
            overdue: view.passed("overdue"),
            custom: view.custom()?,
            access,
            etag: None,
            included: None,
            warnings: Vec::new(),
            reminders: view.list("reminders", reminders::show),
            recurrence: view.text("recurrence"),
            recurs_at: view.text("recurs_at"),
            next_id: view.text("next_id"),
        })
    }

    fn include(activity: &mut pb::Activity, mut included: Included) {
        activity.included = Some(pb::ActivityIncluded {
            assignee: included.one("assignee"),
            links: included.all("links"),
            owner: included.one("owner"),
            participants: included.all("participants"),
        });
        activity.warnings = included.warnings;
    }

    fn custom(sent: &pb::Activity) -> &Bytes {
        &sent.custom
    }

    fn custom_mut(sent: &mut pb::Activity) -> &mut Bytes {
        &mut sent.custom
    }

    fn etag(sent: &pb::Activity) -> Option<&str> {
        sent.etag.as_deref()
    }
}

/// Reads the request of `UpdateActivity`, as a change of many.
pub(crate) fn open(env: &Env, wire: Bytes, set: &FieldSet, mask: &FieldMask) -> Result<Sent, Error> {
    let pb::UpdateActivityRequest { activity, update_mask, .. } =
        pb::UpdateActivityRequest::decode(wire).map_err(Error::internal)?;
    record::many::sent::<Activity>(env, (update_mask, activity.as_ref()), set, mask)
}
