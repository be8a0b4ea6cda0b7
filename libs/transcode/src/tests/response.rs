use prost::Message;
use proto::common::v1::{ConflictDetail, FieldConflict, Total};
use proto::identity::v1::{CreateUserResponse, User};
use proto::records::v1::{Contact, EmailAddress, GetContactResponse, ListContactsResponse};

use super::{API, method};
use crate::{DecodeError, ResponseMeta};

fn printed(rpc: &str, wire: &[u8], fields: &str) -> (String, ResponseMeta) {
    let method = method(rpc);
    let selection = API.select(method, fields);
    let mut out = b"before".to_vec();
    let meta = API.decode_response(method, wire, selection.as_ref(), &mut out).unwrap();
    (String::from_utf8(out.split_off(6)).unwrap(), meta)
}

fn failed(rpc: &str, wire: &[u8]) -> DecodeError {
    let mut out = b"before".to_vec();
    let error = API.decode_response(method(rpc), wire, None, &mut out).unwrap_err();
    assert_eq!(out, b"before");
    error
}

fn contact() -> Contact {
    Contact {
        id: "0190".to_owned(),
        version: 3,
        created_at: Some(prost_types::Timestamp { seconds: 1_767_225_600, nanos: 0 }),
        first_name: Some("Zo\"ë\n".to_owned()),
        source: 1,
        external_ids: [("b".to_owned(), "2".to_owned()), ("a".to_owned(), "1".to_owned())].into(),
        emails: vec![EmailAddress { address: "a@b".to_owned(), kind: 1, is_primary: true }],
        custom: r#"{"tier":"gold","seats":5}"#.into(),
        etag: Some("never shown".to_owned()),
        ..Contact::default()
    }
}

#[test]
fn a_contact_is_printed_in_the_order_of_its_descriptor() {
    let wire = GetContactResponse { contact: Some(contact()) }.encode_to_vec();
    let (json, meta) = printed("GetContact", &wire, "");
    assert_eq!(
        json,
        r#"{"id":"0190","version":3,"created_at":"2026-01-01T00:00:00Z","created_by":"","updated_at":null,"updated_by":"","deleted_at":null,"owner_id":null,"team_id":null,"source":"api","external_ids":{"a":"1","b":"2"},"tags":[],"first_name":"Zo\"ë\n","last_name":null,"full_name":null,"job_title":null,"department":null,"emails":[{"address":"a@b","kind":"work","is_primary":true}],"phones":[],"addresses":[],"language":null,"timezone":null,"birthday":null,"lifecycle":null,"lead_source":null,"score":null,"do_not_call":false,"do_not_email":false,"consents":[],"last_activity_at":null,"custom":{"tier":"gold","seats":5}}"#
    );
    assert_eq!(meta, ResponseMeta { id: Some("0190".to_owned()), version: Some(3), location: None });
}

#[test]
fn an_empty_message_has_all_its_members() {
    let (json, meta) = printed("ListContacts", b"", "");
    assert_eq!(json, r#"{"contacts":[],"next_page_token":"","total":null}"#);
    assert_eq!(meta, ResponseMeta::default());
    assert_eq!(printed("DeleteContact", b"", "").0, "{}");
    let mut out = Vec::new();
    API.transcode_message("globcrm.common.v1.FieldConflict", b"", &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"field":"","base":null,"yours":null,"current":null,"omitted":false}"#
    );
}

#[test]
fn a_missing_body_is_an_error_and_never_an_empty_answer() {
    let error = failed("GetContact", b"");
    assert_eq!(
        error.to_string(),
        "globcrm.records.v1.GetContactResponse.contact is the body of the answer and is not set"
    );
}

#[test]
fn members_that_exist_only_when_asked_for_are_left_out() {
    let mut user = User { id: "u".to_owned(), state: 1, ..User::default() };
    let wire = |user: &User| CreateUserResponse { user: Some(user.clone()) }.encode_to_vec();
    let (json, meta) = printed("CreateUser", &wire(&user), "");
    assert!(!json.contains("invitation_token"), "{json}");
    assert!(json.contains(r#""state":"invited""#), "{json}");
    assert_eq!(meta.location.as_deref(), Some("/api/v1/users/u"));
    user.invitation_token = Some("t".to_owned());
    assert!(printed("CreateUser", &wire(&user), "").0.ends_with(r#","invitation_token":"t"}"#));
}

#[test]
fn the_location_is_filled_from_the_answer() {
    let field =
        proto::fields::v1::Field { id: "a b".to_owned(), object: "contact".to_owned(), ..Default::default() };
    let wire = proto::fields::v1::CreateFieldResponse { field: Some(field) }.encode_to_vec();
    let meta = printed("CreateField", &wire, "").1;
    assert_eq!(meta.location.as_deref(), Some("/api/v1/objects/contact/fields/a%20b"));
}

#[test]
fn a_selection_narrows_the_resource_only() {
    let page = ListContactsResponse {
        contacts: vec![contact(), Contact { id: "2".to_owned(), ..Contact::default() }],
        next_page_token: "t".to_owned(),
        total: Some(Total { value: 2, kind: 1 }),
        warnings: Vec::new(),
    };
    let (json, _) = printed(
        "ListContacts",
        &page.encode_to_vec(),
        "custom.tier,id, custom.none,unknown,emails.address,etag",
    );
    assert_eq!(
        json,
        r#"{"contacts":[{"id":"0190","emails":[{"address":"a@b","kind":"work","is_primary":true}],"custom":{"tier":"gold","none":null}},{"id":"2","emails":[],"custom":{"tier":null,"none":null}}],"next_page_token":"t","total":{"value":2,"kind":"exact"}}"#
    );
    let wire = GetContactResponse { contact: Some(contact()) }.encode_to_vec();
    let (json, meta) = printed("GetContact", &wire, "custom,custom.tier");
    assert_eq!(json, r#"{"custom":{"tier":"gold","seats":5}}"#);
    assert_eq!(
        (meta.id.as_deref(), meta.version),
        (Some("0190"), Some(3)),
        "headers do not depend on the selection"
    );
    assert_eq!(printed("GetContact", &wire, "unknown").0, "{}");
}

#[test]
fn a_selection_keeps_what_was_asked_for_in_another_way() {
    let access = proto::common::v1::Access { can: vec!["update".to_owned()], ..Default::default() };
    let wire =
        GetContactResponse { contact: Some(Contact { access: Some(access), ..contact() }) }.encode_to_vec();
    let (json, _) = printed("GetContact", &wire, "id");
    assert_eq!(json, r#"{"id":"0190","access":{"can":["update"],"readonly_fields":[],"hidden_fields":[]}}"#);
}

#[test]
fn fields_in_any_order_and_more_than_once_merge_as_protobuf_says() {
    let first = Contact {
        first_name: Some("old".to_owned()),
        tags: vec!["a".to_owned()],
        version: 1,
        ..Default::default()
    };
    let second = Contact {
        first_name: Some("new".to_owned()),
        tags: vec!["b".to_owned()],
        created_at: Some(prost_types::Timestamp { seconds: 5, nanos: 0 }),
        external_ids: [("k".to_owned(), "1".to_owned())].into(),
        ..Default::default()
    };
    let third = Contact {
        created_at: Some(prost_types::Timestamp { seconds: 0, nanos: 1000 }),
        external_ids: [("k".to_owned(), "2".to_owned())].into(),
        id: "x".to_owned(),
        ..Default::default()
    };
    let mut wire = Vec::new();
    for part in [third.clone(), first, second, third] {
        wire.extend(GetContactResponse { contact: Some(part) }.encode_to_vec());
    }
    // An unknown field of each wire type.
    wire.extend([
        0xf8, 0x7f, 1, 0xf9, 0x7f, 1, 2, 3, 4, 5, 6, 7, 8, 0xfa, 0x7f, 1, 9, 0xfd, 0x7f, 1, 2, 3, 4,
    ]);
    let merged = GetContactResponse::decode(&wire[..]).unwrap();
    let (json, meta) = printed("GetContact", &wire, "");
    assert_eq!((json.clone(), meta.clone()), printed("GetContact", &merged.encode_to_vec(), ""));
    let value: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(value["first_name"], "new");
    assert_eq!(value["tags"], serde_json::json!(["a", "b"]));
    assert_eq!(value["created_at"], "1970-01-01T00:00:05.000001Z");
    assert_eq!(value["external_ids"], serde_json::json!({"k": "2"}));
    assert_eq!((meta.id.as_deref(), meta.version), (Some("x"), Some(1)));
}

#[test]
fn conflicts_are_printed_by_name() {
    let conflict = FieldConflict { field: "tags".to_owned(), base: "[]".into(), ..Default::default() };
    let wire = ConflictDetail { conflicts: vec![conflict] }.encode_to_vec();
    let mut out = Vec::new();
    API.transcode_message("globcrm.common.v1.ConflictDetail", &wire, &mut out).unwrap();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#"{"conflicts":[{"field":"tags","base":[],"yours":null,"current":null,"omitted":false}]}"#
    );
    let unknown = API.transcode_message("globcrm.common.v1.Nothing", b"", &mut Vec::new());
    assert_eq!(unknown, Err(DecodeError::UnknownMessage("globcrm.common.v1.Nothing".to_owned())));
}

#[test]
fn what_cannot_be_printed_is_an_error() {
    let contact = |contact: Contact| GetContactResponse { contact: Some(contact) }.encode_to_vec();
    let wrong = |what: &str, wire: &[u8]| {
        let error = failed("GetContact", wire).to_string();
        assert!(error.contains(what), "{error}");
    };
    wrong("does not hold a JSON object", &contact(Contact { custom: "[1]".into(), ..Contact::default() }));
    wrong(
        "does not hold a JSON object",
        &contact(Contact { custom: vec![b'{', 0xff, b'}'].into(), ..Contact::default() }),
    );
    let late = prost_types::Timestamp { seconds: 253_402_300_800, nanos: 0 };
    wrong("1 to 9999", &contact(Contact { created_at: Some(late), ..Contact::default() }));
    wrong("UTF-8", &[0x0a, 3, 0x0a, 1, 0xff]);
    wrong("another wire type", &[0x0a, 2, 0x08, 1]);
    wrong("another wire type", &[0x08, 1]);
    wrong("ends inside", &[0x0a, 9]);
    wrong("wire type is unknown", &[0xff, 0x7f]);
    wrong("field number", &[0x00]);
}

#[test]
fn an_enum_value_of_a_newer_service_is_its_number() {
    let wire = GetContactResponse {
        contact: Some(Contact { source: 77, lifecycle: Some(0), ..Contact::default() }),
    };
    let (json, _) = printed("GetContact", &wire.encode_to_vec(), "source,lifecycle");
    assert_eq!(json, r#"{"source":77,"lifecycle":null}"#);
}
