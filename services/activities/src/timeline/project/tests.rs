use serde_json::json;
use time::OffsetDateTime;

use super::*;

fn fact(object: &str, verb: &str, changes: Vec<Value>) -> Fact {
    Fact {
        event_id: Uuid::from_u128(77),
        object: object.to_owned(),
        record_id: Uuid::from_u128(1),
        verb: verb.to_owned(),
        happened_at: OffsetDateTime::UNIX_EPOCH,
        actor_kind: "user".to_owned(),
        actor_id: Uuid::from_u128(9),
        changes,
    }
}

fn change(field: &str, before: Value, after: Value) -> Value {
    json!({"field": field, "before": before, "after": after})
}

/// Each entry: whose, what, and the other.
fn told(entries: &[Entry]) -> Vec<(u128, &str, &str, Option<u128>)> {
    let told = entries.iter().map(|entry| {
        (
            entry.subject.1.as_u128(),
            entry.kind,
            entry.event.as_str(),
            entry.other.as_ref().map(|other| other.1.as_u128()),
        )
    });
    told.collect()
}

fn contact(id: u128, rest: Value) -> Value {
    let mut contact = rest;
    contact["contact_id"] = Uuid::from_u128(id).to_string().into();
    contact
}

#[test]
fn a_link_is_told_on_both_sides_and_what_else_changed_in_one_entry() {
    let of = |contacts: &[Value]| Value::from(contacts.to_vec());
    let deal = fact(
        "deal",
        "updated",
        vec![
            change(
                "contacts",
                of(&[contact(5, json!({})), contact(6, json!({}))]),
                of(&[contact(6, json!({})), contact(7, json!({}))]),
            ),
            change("name", "A".into(), "B".into()),
        ],
    );
    let entries = of_record(&deal);
    assert_eq!(
        told(&entries),
        [
            (1, "field_change", "updated", None),
            (1, "record", "linked", Some(7)),
            (7, "record", "linked", Some(1)),
            (1, "record", "unlinked", Some(5)),
            (5, "record", "unlinked", Some(1)),
        ]
    );
    assert_eq!(entries[0].fields, ["deal.name"], "the links have entries of their own");
    let ids: BTreeSet<Uuid> = entries.iter().map(|entry| entry.id(&deal)).collect();
    assert_eq!(ids.len(), entries.len(), "each has an id of its own");
}

#[test]
fn a_role_is_a_field_and_the_state_of_a_linked_record_is_not() {
    let of = |before: Value, after: Value| {
        let change = change("contacts", json!([contact(5, before)]), json!([contact(5, after)]));
        told(&of_record(&fact("deal", "updated", vec![change]))).len()
    };
    assert_eq!(of(json!({"role": "user"}), json!({"role": "buyer"})), 1);
    assert_eq!(of(json!({}), json!({"deleted": true})), 0);
}

#[test]
fn a_new_record_is_told_with_its_links_and_without_its_values() {
    let companies = change("companies", Value::Null, json!({"company_id": Uuid::from_u128(5).to_string()}));
    let entries = of_record(&fact("contact", "created", vec![companies]));
    assert_eq!(
        told(&entries),
        [(1, "record", "created", None), (1, "record", "linked", Some(5)), (5, "record", "linked", Some(1))]
    );
    assert!(entries.iter().all(|entry| entry.data.is_none()));
}

#[test]
fn a_change_of_stage_needs_a_stage() {
    let stage = json!({"stage_id": "x", "key": "won", "name": "Won"});
    let won = fact(
        "deal",
        "stage_changed",
        vec![change("stage", Value::Null, stage.clone()), change("reason", Value::Null, "so".into())],
    );
    let entries = of_record(&won);
    assert_eq!(told(&entries), [(1, "stage_change", "stage_changed", None)]);
    let data = entries[0].data.as_ref().unwrap();
    assert_eq!((&data["from"], &data["to"], &data["reason"]), (&Value::Null, &stage, &json!("so")));
    assert!(of_record(&fact("deal", "stage_changed", Vec::new())).is_empty());
}

#[test]
fn activities_tell_of_their_states_and_notes_of_their_texts() {
    let about = [("deal".to_owned(), Uuid::from_u128(5))];
    let of = |object: &str, verb: &str, changes: Vec<Value>| {
        of_own(&fact(object, verb, changes), &about).into_iter().map(|entry| entry.event).collect::<Vec<_>>()
    };
    let state = |after: &str| vec![change("state", "planned".into(), after.into())];
    assert_eq!(of("activity", "created", Vec::new()), ["created"]);
    assert_eq!(of("activity", "updated", state("in_progress")), ["started"]);
    assert_eq!(of("activity", "updated", state("completed")), ["completed"]);
    assert_eq!(of("activity", "updated", state("cancelled")), ["cancelled"]);
    assert!(of("activity", "updated", vec![json!({"field": "links"})]).is_empty());
    assert_eq!(of("note", "updated", vec![json!({"field": "body"})]), ["updated"]);
    assert!(of("note", "updated", vec![json!({"field": "links"})]).is_empty());
}
