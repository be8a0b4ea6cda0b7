//! Lists of records that a record names: `{"object", "id", …}`, with `"deleted": true` while one is in the trash.

use error::Reason;
use field_types::FieldError;
use input::{Input, id};
use record::peer_records::State;
use record::reference::Reference;
use serde_json::{Value, json};
use uuid::Uuid;

/// One of a list, as it was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item<'a> {
    pub(crate) object: &'a str,
    pub(crate) id: &'a str,
}

/// What may stand in a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List {
    /// The field.
    pub(crate) name: &'static str,
    pub(crate) objects: &'static [&'static str],
    /// What is said of another object.
    pub(crate) expected: &'static str,
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn target(item: &Value) -> Option<(&str, Uuid)> {
    Some((item["object"].as_str()?, Uuid::try_parse(item["id"].as_str()?).ok()?))
}

/// Reads a list; `rest` adds to each entry what else it says. Whether its records are there is asked later.
pub(crate) fn read<'a, T>(
    input: &mut Input,
    list: List,
    sent: &'a [T],
    item: fn(&'a T) -> Item<'a>,
    rest: impl Fn(&'a T, &mut Value) -> Result<(), (&'static str, FieldError)>,
) {
    let List { name, objects, expected } = list;
    let mut kept: Vec<Value> = Vec::new();
    for (n, sent) in sent.iter().enumerate() {
        // A refused one keeps its place, by which the others are told of.
        kept.push(Value::Null);
        let Item { object, id: named } = item(sent);
        let is_object = objects.contains(&object);
        if !is_object {
            let error = FieldError::new(Reason::ENUM_VALUE_UNKNOWN, expected);
            input.refuse(format!("/{name}/{n}/object"), error);
        }
        match id(named) {
            Ok(id) if kept.iter().any(|known| known["id"] == id.to_string()) => {
                input.refuse(format!("/{name}/{n}/id"), FieldError::new(Reason::REPEATED, "is repeated"));
            }
            Ok(id) if is_object => kept[n] = json!({"object": object, "id": id.to_string()}),
            Ok(_) => {}
            Err(error) => input.refuse(format!("/{name}/{n}/id"), error),
        }
        if let Err((member, error)) = rest(sent, &mut kept[n]) {
            input.refuse(format!("/{name}/{n}/{member}"), error);
        }
    }
    input.set(name, kept);
}

/// What a list names, see [`record::Naming`].
pub(crate) fn ids(list: &Value) -> Vec<Reference> {
    let named = items(list).enumerate().filter_map(|(n, item)| {
        let (object, id) = target(item)?;
        Some(Reference { object: object.to_owned(), id, pointer: format!("/{n}/id") })
    });
    named.collect()
}

/// The pairs of its side table: id and object.
pub(crate) fn pairs(list: &Value) -> Vec<(String, String)> {
    items(list).filter_map(target).map(|(object, id)| (id.to_string(), object.to_owned())).collect()
}

/// The list sent, with what was known of its records before.
pub(crate) fn as_known(before: &Value, after: Value) -> Value {
    let is_deleted = |item: &Value| items(before).any(|b| target(b) == target(item) && b["deleted"] == true);
    let known = |mut item: Value| {
        if is_deleted(&item) {
            item["deleted"] = true.into();
        }
        item
    };
    match after {
        Value::Array(list) => list.into_iter().map(known).collect(),
        other => other,
    }
}

/// The list once a record is in a state.
pub(crate) fn follow(list: &Value, object: &str, id: Uuid, state: State) -> Value {
    let followed = items(list).filter_map(|item| {
        let mut item = item.clone();
        if target(&item) != Some((object, id)) {
            return Some(item);
        }
        match (state, item.as_object_mut()) {
            (State::Live, Some(members)) => drop(members.remove("deleted")),
            (State::Deleted, Some(members)) => drop(members.insert("deleted".to_owned(), true.into())),
            (State::Purged, _) | (_, None) => return None,
        }
        Some(item)
    });
    followed.collect()
}

/// A member of an entry that is text.
pub(crate) fn text(item: &Value, name: &str) -> String {
    item[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_follows_its_record_and_the_others_stay() {
        let (ada, bob) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let list = json!([
            {"object": "contact", "id": ada.to_string(), "role": "subject"},
            {"object": "company", "id": bob.to_string()}]);
        let deleted = follow(&list, "contact", ada, State::Deleted);
        assert_eq!((&deleted[0]["deleted"], &deleted[0]["role"]), (&json!(true), &json!("subject")));
        assert_eq!(deleted[1], list[1]);
        assert_eq!(follow(&deleted, "contact", ada, State::Live), list);
        assert_eq!(follow(&deleted, "contact", ada, State::Purged), json!([list[1]]));
        // An id alone says nothing: it is of another object.
        assert_eq!(follow(&list, "company", ada, State::Purged), list);
    }

    #[test]
    fn a_list_that_is_sent_again_keeps_what_is_known_of_its_records() {
        let id = Uuid::from_u128(1).to_string();
        let before = json!([{"object": "contact", "id": id, "deleted": true}]);
        let sent = json!([{"object": "contact", "id": id}, {"object": "contact", "id": Uuid::from_u128(2).to_string()}]);
        assert_eq!(as_known(&before, sent.clone()), json!([before[0], sent[1]]));
    }
}
