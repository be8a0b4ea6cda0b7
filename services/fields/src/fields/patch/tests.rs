use field_types::{FieldOption, FieldType};
use ids::FieldId;
use prost_types::FieldMask;
use time::OffsetDateTime;
use uuid::Uuid;

use super::*;
use crate::fields::definition::State;

fn stored() -> Definition {
    let option = |key: &str| FieldOption { key: key.to_owned(), label: key.to_owned(), retired: false };
    Definition {
        id: FieldId::from(Uuid::from_u128(1)),
        object: "contact".parse().unwrap(),
        key: "tier".to_owned(),
        label: "Tier".to_owned(),
        field_type: FieldType::Picklist,
        required: false,
        unique: false,
        options: vec![option("gold"), option("silver")],
        default: Some("gold".into()),
        description: Some("How much they buy".to_owned()),
        state: State::Active,
        lookup_object: None,
        slot: "txt_01".parse().ok(),
        filling: false,
        slot_assignment: 0,
        ordinal: 4,
        version: 3,
        created_at: OffsetDateTime::UNIX_EPOCH,
        created_by: Uuid::nil(),
        updated_at: OffsetDateTime::UNIX_EPOCH,
        updated_by: Uuid::nil(),
    }
}

fn patch(sent: pb::Field, paths: &[&str]) -> error::Result<Definition> {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    let request = pb::UpdateFieldRequest {
        object: "contact".to_owned(),
        id: String::new(),
        field: Some(sent),
        update_mask: Some(FieldMask { paths }),
    };
    Patch::read(request).apply(&stored())
}

fn refused(sent: pb::Field, paths: &[&str]) -> Vec<(String, String)> {
    let error = patch(sent, paths).unwrap_err();
    assert_eq!(error.code().http(error.reason()), 422);
    error.violations().iter().map(|v| (v.pointer.clone(), v.reason.to_string())).collect()
}

fn option(key: &str, label: &str, retired: bool) -> pb::FieldOption {
    pb::FieldOption { key: key.to_owned(), label: label.to_owned(), retired }
}

#[test]
fn only_the_members_named_change() {
    let sent = pb::Field { label: "Level".to_owned(), required: true, ..Default::default() };
    assert_eq!(
        patch(sent.clone(), &["label"]).unwrap(),
        Definition { label: "Level".to_owned(), ..stored() }
    );
    assert_eq!(patch(sent, &[]).unwrap(), stored());
}

#[test]
fn naming_a_member_without_a_value_clears_it() {
    let cleared = patch(pb::Field::default(), &["default", "description"]).unwrap();
    assert_eq!(cleared, Definition { default: None, description: None, ..stored() });
    assert_eq!(refused(pb::Field::default(), &["label"]), [("/label".to_owned(), "REQUIRED".to_owned())]);
}

#[test]
fn members_that_never_change_may_be_sent_back_as_they_are() {
    let same = pb::Field {
        id: "anything".to_owned(),
        key: "tier".to_owned(),
        r#type: pb::FieldType::Picklist.into(),
        indexed: true,
        ..Default::default()
    };
    let members = ["id", "version", "object", "state", "key", "type", "unique", "indexed", "lookup_object"];
    assert_eq!(patch(same, &members).unwrap(), stored());
    let other = pb::Field {
        key: "level".to_owned(),
        r#type: pb::FieldType::Text.into(),
        unique: true,
        indexed: false,
        lookup_object: Some("company".to_owned()),
        ..Default::default()
    };
    let expected = ["/key", "/type", "/unique", "/indexed", "/lookup_object"]
        .map(|pointer| (pointer.to_owned(), "FIELD_IMMUTABLE".to_owned()));
    assert_eq!(refused(other, &members), expected);
}

#[test]
fn options_are_added_renamed_reordered_and_retired() {
    let options =
        vec![option("new", "New", false), option("silver", "Ag", true), option("gold", "Au", false)];
    let after = patch(pb::Field { options, ..Default::default() }, &["options"]).unwrap();
    let got: Vec<_> = after.options.iter().map(|o| (o.key.as_str(), o.label.as_str(), o.retired)).collect();
    assert_eq!(got, [("new", "New", false), ("silver", "Ag", true), ("gold", "Au", false)]);
}

#[test]
fn an_option_is_retired_and_never_removed() {
    let options = vec![option("gold", "Gold", false)];
    let violations = refused(pb::Field { options, ..Default::default() }, &["options"]);
    assert_eq!(violations, [("/options".to_owned(), "OPTION_IN_USE".to_owned())]);
}

#[test]
fn the_default_cannot_be_retired_under_it() {
    let options = vec![option("gold", "Gold", true), option("silver", "Silver", false)];
    let sent = pb::Field { options, default: "\"silver\"".into(), ..Default::default() };
    assert_eq!(refused(sent.clone(), &["options"]), [("/default".to_owned(), "OPTION_RETIRED".to_owned())]);
    assert_eq!(patch(sent, &["options", "default"]).unwrap().default, Some("silver".into()));
}

#[test]
fn an_unknown_member_in_the_mask_is_told_with_everything_else() {
    let found = refused(pb::Field::default(), &["label", "slot", "options.0"]);
    let expected = [("/options/0", "UNKNOWN_FIELD"), ("/slot", "UNKNOWN_FIELD"), ("/label", "REQUIRED")];
    assert_eq!(found, expected.map(|(pointer, reason)| (pointer.to_owned(), reason.to_owned())));
}

#[test]
fn without_a_mask_the_members_that_are_set_change() {
    let request = pb::UpdateFieldRequest {
        field: Some(pb::Field { label: "Level".to_owned(), ..Default::default() }),
        ..Default::default()
    };
    let after = Patch::read(request).apply(&stored()).unwrap();
    assert_eq!(after, Definition { label: "Level".to_owned(), ..stored() });
}
