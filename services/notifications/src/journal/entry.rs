//! What the journal keeps of an event.

use events::Event;
use uuid::Uuid;

/// A row without its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) event: &'a Event,
    /// The names of the fields that changed.
    pub(crate) fields: Vec<&'a str>,
    pub(crate) owner_before: Option<Uuid>,
    pub(crate) team_before: Option<Uuid>,
    /// The owner or the team was another, and the event does not say which.
    pub(crate) before_unknown: bool,
}

/// Whose a record was before a change.
enum Before {
    /// As afterwards.
    Same,
    Other(Option<Uuid>),
    Unknown,
}

impl<'a> Entry<'a> {
    /// Of an event. No value of a field is kept but for owner and team.
    pub(crate) fn of(event: &'a Event) -> Self {
        let (owner, team) = (before(event, "owner_id"), before(event, "team_id"));
        let before_unknown = matches!(owner, Before::Unknown) || matches!(team, Before::Unknown);
        let known = |before, after| match before {
            Before::Other(id) => id,
            Before::Same | Before::Unknown => after,
        };
        Self {
            fields: event.changes.iter().map(|change| change.field.as_str()).collect(),
            owner_before: known(owner, event.owner),
            team_before: known(team, event.team),
            before_unknown,
            event,
        }
    }
}

fn before(event: &Event, field: &str) -> Before {
    let Some(change) = event.change(field) else { return Before::Same };
    // A new record was nobody's, and nobody saw it.
    if event.verb() == "created" {
        return Before::Same;
    }
    let Some(text) = &change.before else { return Before::Unknown };
    match serde_json::from_str::<Option<Uuid>>(text) {
        Ok(id) => Before::Other(id),
        Err(_) => Before::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use events::Change;
    use ids::TenantId;
    use time::OffsetDateTime;

    use super::*;

    fn id(n: u128) -> Uuid {
        Uuid::from_u128(n)
    }

    fn event(kind: &str, changes: Vec<Change>) -> Event {
        Event {
            id: id(1),
            kind: kind.to_owned(),
            tenant: TenantId::from(id(2)),
            object: "contact".to_owned(),
            record_id: id(3),
            version: 7,
            actor: id(4),
            actor_kind: None,
            owner: Some(id(5)),
            team: None,
            changes,
            values_omitted: false,
            time: OffsetDateTime::UNIX_EPOCH,
            traceparent: None,
        }
    }

    fn change(field: &str, before: Option<&str>) -> Change {
        Change { field: field.to_owned(), before: before.map(str::to_owned), after: Some("null".to_owned()) }
    }

    #[test]
    fn the_owner_before_is_what_the_event_says_and_else_the_one_after() {
        let same = event("records.contact.updated.v1", vec![change("last_name", Some("\"Berg\""))]);
        let entry = Entry::of(&same);
        assert_eq!((entry.owner_before, entry.team_before, entry.before_unknown), (Some(id(5)), None, false));
        assert_eq!(entry.fields, ["last_name"]);

        let given = format!("\"{}\"", id(6));
        let moved = event(
            "records.contact.updated.v1",
            vec![change("owner_id", Some("null")), change("team_id", Some(&given))],
        );
        let entry = Entry::of(&moved);
        assert_eq!((entry.owner_before, entry.team_before, entry.before_unknown), (None, Some(id(6)), false));
    }

    #[test]
    fn an_owner_that_was_left_out_is_unknown_but_for_a_new_record() {
        for (kind, text, unknown) in [
            ("records.contact.updated.v1", None, true),
            ("records.contact.updated.v1", Some("7"), true),
            ("records.contact.created.v1", None, false),
        ] {
            let event = event(kind, vec![change("owner_id", text)]);
            assert_eq!(Entry::of(&event).before_unknown, unknown, "{kind} {text:?}");
        }
    }
}
