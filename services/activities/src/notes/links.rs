//! The records that a note is about: a list of `{"object", "id"}`, with `"deleted": true` while one is in the trash.

use error::Reason;
use field_types::FieldError;
use input::{Input, id};
use proto::activities::v1 as pb;
use record::peer_records::State;
use record::reference::Reference;
use record::{Naming, SideTable};
use serde_json::{Value, json};
use uuid::Uuid;

/// What a note names.
pub(super) const NAMING: Naming = Naming {
    ids: |links| {
        let named = items(links).enumerate().filter_map(|(n, link)| {
            let (object, id) = target(link)?;
            Some(Reference { object: object.to_owned(), id, pointer: format!("/{n}/id") })
        });
        named.collect()
    },
    // A range of the index for each id: one for all of them could not be read in the order of notes.
    holders: "SELECT DISTINCT l.note_id FROM unnest($3::uuid[]) AS named (id) CROSS JOIN LATERAL (
         SELECT n.note_id FROM activities.note_link AS n
         WHERE n.tenant_id = $1 AND n.object = $2 AND n.record_id = named.id AND n.note_id > $4
         ORDER BY n.note_id LIMIT $5) AS l
     ORDER BY l.note_id LIMIT $5",
    follow,
    known: as_known,
};

/// By which notes are found.
pub(super) const LINKS: SideTable = SideTable {
    field: "links",
    pairs: |links| {
        let pairs = items(links).filter_map(target).map(|(object, id)| (id.to_string(), object.to_owned()));
        pairs.collect()
    },
    put: "INSERT INTO activities.note_link (tenant_id, note_id, record_id, object)
     SELECT $1, note_id, record_id::uuid, object
     FROM unnest($2::uuid[], $3::text[], $4::text[]) AS put (note_id, record_id, object)",
    clear: "DELETE FROM activities.note_link WHERE tenant_id = $1 AND note_id = ANY($2)",
    held: "SELECT note_id, record_id::text, object, true FROM activities.note_link
     WHERE tenant_id = $1 AND note_id = ANY($2)",
    set_live: None,
    holders: None,
};

fn items(links: &Value) -> impl Iterator<Item = &Value> {
    links.as_array().into_iter().flatten()
}

fn target(link: &Value) -> Option<(&str, Uuid)> {
    Some((link["object"].as_str()?, Uuid::try_parse(link["id"].as_str()?).ok()?))
}

/// Reads the links sent; whether their records are there is asked later.
pub(super) fn read(input: &mut Input, sent: &[pb::NoteLink]) {
    let mut links: Vec<Value> = Vec::new();
    for (n, link) in sent.iter().enumerate() {
        // A refused one keeps its place, by which the others are told of.
        links.push(Value::Null);
        let is_object = crate::PEER_OBJECTS.contains(&link.object.as_str());
        if !is_object {
            let error = FieldError::new(Reason::ENUM_VALUE_UNKNOWN, "a note is about a contact or a company");
            input.refuse(format!("/links/{n}/object"), error);
        }
        match id(&link.id) {
            Ok(id) if links.iter().any(|known| known["id"] == id.to_string()) => {
                input.refuse(format!("/links/{n}/id"), FieldError::new(Reason::REPEATED, "is repeated"));
            }
            Ok(id) if is_object => links[n] = json!({"object": link.object, "id": id.to_string()}),
            Ok(_) => {}
            Err(error) => input.refuse(format!("/links/{n}/id"), error),
        }
    }
    input.set("links", links);
}

pub(super) fn show(link: &Value) -> pb::NoteLink {
    let text = |name: &str| link[name].as_str().unwrap_or_default().to_owned();
    pb::NoteLink { object: text("object"), id: text("id"), deleted: link["deleted"] == true }
}

/// The links sent, with what was known of them before.
fn as_known(before: &Value, after: Value) -> Value {
    let known = |link: Value| items(before).find(|b| target(b) == target(&link)).cloned().unwrap_or(link);
    match after {
        Value::Array(links) => links.into_iter().map(known).collect(),
        other => other,
    }
}

fn follow(links: &Value, object: &str, id: Uuid, state: State) -> Value {
    let followed = items(links).filter_map(|link| {
        if target(link) != Some((object, id)) {
            return Some(link.clone());
        }
        match state {
            State::Live => Some(json!({"object": object, "id": id.to_string()})),
            State::Deleted => Some(json!({"object": object, "id": id.to_string(), "deleted": true})),
            State::Purged => None,
        }
    });
    followed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_follows_its_record_and_the_others_stay() {
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let links = json!([{"object": "contact", "id": ada.to_string()}, {"object": "company", "id": bob.to_string()}]);
        let deleted = follow(&links, "contact", ada, State::Deleted);
        assert_eq!(deleted[0]["deleted"], true);
        assert_eq!(deleted[1], links[1]);
        assert_eq!(follow(&deleted, "contact", ada, State::Live), links);
        assert_eq!(follow(&deleted, "contact", ada, State::Purged), json!([links[1]]));
        // An id alone says nothing: it is of another object.
        assert_eq!(follow(&links, "company", ada, State::Purged), links);
    }

    #[test]
    fn links_that_are_sent_again_keep_what_is_known_of_them() {
        let id = Uuid::from_u128(1).to_string();
        let before = json!([{"object": "contact", "id": id, "deleted": true}]);
        let sent = json!([{"object": "contact", "id": id}, {"object": "contact", "id": Uuid::from_u128(2).to_string()}]);
        assert_eq!(as_known(&before, sent.clone()), json!([before[0], sent[1]]));
    }

    #[test]
    fn every_wrong_link_is_told_and_a_repeated_one() {
        let link = |object: &str, id: &str| pb::NoteLink {
            object: object.to_owned(),
            id: id.to_owned(),
            deleted: true,
        };
        let id = Uuid::from_u128(1).to_string();
        let mut input = Input::default();
        read(
            &mut input,
            &[
                link("contact", &id),
                link("user", &Uuid::from_u128(2).to_string()),
                link("contact", "x"),
                link("contact", &id),
            ],
        );
        let found: Vec<_> = input.violations.iter().map(|v| (v.pointer.as_str(), &*v.reason)).collect();
        assert_eq!(
            found,
            [
                ("/links/1/object", "ENUM_VALUE_UNKNOWN"),
                ("/links/2/id", "UUID_INVALID"),
                ("/links/3/id", "REPEATED")
            ]
        );
    }
}
