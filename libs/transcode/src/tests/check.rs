//! Requests that come as protobuf, by the rules of those that come as JSON.

use std::sync::LazyLock;

use proptest::prelude::*;
use prost_types::{FieldMask, Timestamp};
use proto::fields::v1::GetFieldSetRequest;
use proto::identity::v1::{GetSnapshotRequest, LoginRequest};
use proto::records::v1::{
    Company, Consent, Contact, CreateContactRequest, EmailAddress, GetContactRequest, ListContactsRequest,
    UpdateCompanyRequest, UpdateContactRequest,
};

use super::*;
use crate::{CheckError, Checks};

static CHECKS: LazyLock<Checks> = LazyLock::new(|| Checks::compile(proto::DESCRIPTORS).unwrap());

fn path(rpc: &str) -> &'static str {
    &method(rpc).full_name
}

fn check(path: &str, wire: &[u8]) -> Result<(), CheckError> {
    CHECKS.check(CHECKS.of(path).unwrap(), wire)
}

/// The violations of a request that must be refused.
fn refused(rpc: &str, request: &impl Message) -> Vec<(String, &'static str)> {
    match check(path(rpc), &request.encode_to_vec()) {
        Err(CheckError::Invalid(violations)) => brief(violations),
        other => panic!("{rpc}: {other:?}"),
    }
}

fn create(contact: Contact) -> CreateContactRequest {
    CreateContactRequest { contact: Some(contact), ..Default::default() }
}

#[test]
fn what_the_gateway_sends_on_breaks_no_rule() {
    let full = r#"{"first_name": "Ada", "score": -7, "lifecycle": "lead", "tags": ["a", "b"],
        "emails": [{"address": "a@b.c", "kind": "work", "is_primary": true}],
        "consents": [{"purpose": "p", "given_at": "2026-01-01T00:00:00Z"}],
        "external_ids": {"erp": "7"}, "custom": {"a": [1, {"b": null}]}}"#;
    for (rpc, verb, target, body) in [
        ("CreateContact", "POST", "/api/v1/contacts", full),
        ("CreateContact", "POST", "/api/v1/contacts", "{}"),
        ("UpdateContact", "PATCH", "/api/v1/contacts/x", r#"{"first_name": null, "tags": []}"#),
        ("UpdateContact", "PATCH", "/api/v1/contacts/x", "{}"),
        ("ListContacts", "GET", "/api/v1/contacts?page_size=5&filter=a%3D1", ""),
        ("GetContact", "GET", "/api/v1/contacts/nonsense", ""),
    ] {
        let wire = send(&API, verb, target, body).unwrap();
        assert_eq!(check(path(rpc), &wire), Ok(()), "{rpc} {body}");
    }
}

#[test]
fn all_violations_are_told_at_once_and_by_the_places_that_json_has() {
    let email = |address: &str| EmailAddress { address: address.to_owned(), ..Default::default() };
    let consent = Consent {
        purpose: "p".to_owned(),
        given_at: Some(Timestamp { seconds: i64::MAX, nanos: 0 }),
        ..Default::default()
    };
    let request = create(Contact {
        first_name: Some("x".repeat(101)),
        last_name: Some("nul\0".to_owned()),
        owner_id: Some("not-a-uuid".to_owned()),
        score: Some(1_000_001),
        lifecycle: Some(99),
        tags: ["ok", "", "dup", "dup"].map(str::to_owned).to_vec(),
        emails: vec![email(""), email("a@b.c")],
        consents: vec![consent],
        external_ids: [("k".repeat(61), "v".to_owned())].into(),
        custom: br#"{"a": ["\u0000"]}"#.to_vec().into(),
        ..Default::default()
    });
    let mut found = refused("CreateContact", &request);
    let key = format!("/external_ids/{}", "k".repeat(61));
    let mut wanted = expected(&[
        ("/first_name", "TOO_LONG"),
        ("/last_name", "NUL_CHARACTER"),
        ("/owner_id", "UUID_INVALID"),
        ("/score", "OUT_OF_RANGE"),
        ("/lifecycle", "ENUM_VALUE_UNKNOWN"),
        ("/tags/1", "TOO_SHORT"),
        ("/tags/3", "REPEATED"),
        ("/emails/0/address", "REQUIRED"),
        ("/consents/0/given_at", "TIMESTAMP_INVALID"),
        (key.as_str(), "TOO_LONG"),
        ("/custom/a/0", "NUL_CHARACTER"),
    ]);
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted);
}

#[test]
fn what_is_not_there_is_missed() {
    let login = refused("Login", &LoginRequest { email: "a@b.c".to_owned(), ..Default::default() });
    assert_eq!(login, expected(&[("/organization", "REQUIRED"), ("/password", "REQUIRED")]));
    let negative = ListContactsRequest { page_size: Some(-1), ..Default::default() };
    assert_eq!(refused("ListContacts", &negative), expected(&[("/page_size", "OUT_OF_RANGE")]));
    assert_eq!(check(path("GetContact"), &GetContactRequest::default().encode_to_vec()), Ok(()));
}

#[test]
fn a_change_is_judged_by_what_it_names_and_by_what_it_holds() {
    let paths = |paths: &[&str]| Some(FieldMask { paths: paths.iter().map(|p| (*p).to_owned()).collect() });
    let contact = Contact { first_name: Some("x".repeat(101)), ..Default::default() };
    let request = UpdateContactRequest {
        contact: Some(contact),
        update_mask: paths(&["last_name"]),
        ..Default::default()
    };
    assert_eq!(refused("UpdateContact", &request), expected(&[("/first_name", "TOO_LONG")]));
}

#[test]
fn a_required_member_is_missed_where_the_mask_names_it() {
    let text = r#"
        syntax = "proto3";
        package test.v1;
        import "buf/validate/validate.proto";
        import "google/api/annotations.proto";
        import "google/protobuf/field_mask.proto";
        message Thing { string label = 1 [(buf.validate.field).required = true]; repeated int32 marks = 2 [(buf.validate.field).repeated.unique = true]; }
        message UpdateThingRequest { string id = 1; Thing thing = 2; google.protobuf.FieldMask update_mask = 3; }
        message UpdateThingResponse { Thing thing = 1; }
        service ThingService {
            rpc UpdateThing(UpdateThingRequest) returns (UpdateThingResponse) {
                option (google.api.http) = { patch: "/things/{id}" body: "thing" response_body: "thing" };
            }
        }"#;
    let checks = Checks::compile(&descriptors_of(text)).unwrap();
    let check = checks.of("/test.v1.ThingService/UpdateThing").unwrap();
    let found = |wire: &[u8]| match checks.check(check, wire) {
        Ok(()) => Vec::new(),
        Err(CheckError::Invalid(violations)) => brief(violations),
        Err(error) => panic!("{error}"),
    };
    // update_mask {paths: "label"} before and after an empty thing, {paths: "marks"}, and none at all.
    let named = b"\x1a\x07\x0a\x05label";
    assert_eq!(found(&[&named[..], b"\x12\x00"].concat()), expected(&[("/label", "REQUIRED")]));
    assert_eq!(found(&[&b"\x12\x00"[..], named].concat()), expected(&[("/label", "REQUIRED")]));
    assert_eq!(found(named), expected(&[("/label", "REQUIRED")]));
    assert_eq!(found(b"\x12\x00\x1a\x07\x0a\x05marks"), []);
    assert_eq!(found(b"\x12\x00"), []);
    // Numbers are compared as numbers: 1 in one byte and in two, packed and not.
    let marks = b"\x12\x08\x12\x04\x01\x02\x81\x00\x10\x02";
    assert_eq!(found(marks), expected(&[("/marks/2", "REPEATED"), ("/marks/3", "REPEATED")]));
}

#[test]
fn a_message_in_pieces_is_one_message() {
    let half = |from: usize| {
        let tags = (from..from + 30).map(|n| format!("t{n}")).collect();
        create(Contact { tags, ..Default::default() }).encode_to_vec()
    };
    assert_eq!(check(path("CreateContact"), &half(0)), Ok(()));
    let both = [half(0), half(30)].concat();
    let whole = CreateContactRequest::decode(&both[..]).unwrap();
    assert_eq!(whole.contact.as_ref().unwrap().tags.len(), 60, "as its reader sees it");
    assert_eq!(refused("CreateContact", &whole), expected(&[("/tags", "TOO_MANY_ITEMS")]));
    let Err(CheckError::Invalid(found)) = check(path("CreateContact"), &both) else { panic!() };
    assert_eq!(brief(found), expected(&[("/tags", "TOO_MANY_ITEMS")]));
}

#[test]
fn what_is_no_message_is_malformed() {
    let good = create(Contact { first_name: Some("Ada".to_owned()), ..Default::default() }).encode_to_vec();
    for bad in [&good[..good.len() - 1], &[0xff; 11], &[0x0a, 0x02, 0x0a, 0x7f], &[0x08, 0x01]] {
        assert!(matches!(check(path("CreateContact"), bad), Err(CheckError::Malformed(_))), "{bad:?}");
    }
    // first_name that is not UTF-8.
    let broken = [0x0a, 0x04, good[2], 0x02, 0xff, 0xfe];
    assert!(matches!(check(path("CreateContact"), &broken), Err(CheckError::Malformed(_))));
}

#[test]
fn internal_methods_are_checked_and_one_without_texts_costs_nothing() {
    let fields = "/globcrm.fields.v1.FieldsService/GetFieldSet";
    let nul = GetFieldSetRequest { object: "contact\0".to_owned(), ..Default::default() };
    assert!(matches!(check(fields, &nul.encode_to_vec()), Err(CheckError::Invalid(_))));
    let snapshot = GetSnapshotRequest { if_version: i64::MAX }.encode_to_vec();
    let path = "/globcrm.identity.v1.IdentityService/GetSnapshot";
    assert!(matches!(check(path, &snapshot), Err(CheckError::Invalid(_))));
    assert!(CHECKS.of("/globcrm.identity.v1.IdentityService/GetJwks").is_none());
}

/// What passes is right as its reader sees it, however it was written: read and written anew, it passes again.
fn is_right_as_read(wire: &[u8]) -> Result<(), TestCaseError> {
    if check(path("CreateContact"), wire).is_ok()
        && let Ok(read) = CreateContactRequest::decode(wire)
    {
        prop_assert_eq!(check(path("CreateContact"), &read.encode_to_vec()), Ok(()));
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_are_read_as_what_they_were_not_checked_for(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        is_right_as_read(&bytes)?;
    }

    #[test]
    fn no_change_of_a_good_message_slips_through(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        twice in any::<bool>(),
    ) {
        let body = r#"{"first_name": "Ada", "tags": ["a", "b"], "emails": [{"address": "a@b.c", "kind": "work"}],
            "external_ids": {"erp": "7"}, "custom": {"a": [1]}, "score": -7}"#;
        let mut wire = send(&API, "POST", "/api/v1/contacts", body).unwrap().to_vec();
        if twice {
            wire = [wire.clone(), wire].concat();
        }
        for (at, byte) in changes {
            let at = at.index(wire.len());
            wire[at] = byte;
        }
        is_right_as_read(&wire)?;
    }
}

#[test]
fn of_an_object_that_is_merged_nothing_is_missed() {
    let request = |paths: Option<&[&str]>| {
        let amount = proto::common::v1::Money { amount_minor: Some(1), currency: None };
        let company = Company { annual_revenue: Some(amount), ..Default::default() };
        let paths = paths.map(|paths| paths.iter().map(|path| (*path).to_owned()).collect());
        let update_mask = paths.map(|paths| FieldMask { paths });
        UpdateCompanyRequest { company: Some(company), update_mask, ..Default::default() }
    };
    let missing = expected(&[("/annual_revenue/currency", "REQUIRED")]);
    assert_eq!(refused("UpdateCompany", &request(Some(&["annual_revenue"]))), missing);
    let part = request(Some(&["annual_revenue.amount_minor"]));
    assert_eq!(check(path("UpdateCompany"), &part.encode_to_vec()), Ok(()));
    assert_eq!(check(path("UpdateCompany"), &request(None).encode_to_vec()), Ok(()));
}

#[test]
fn a_text_is_as_long_as_its_normal_form_without_what_cannot_be_seen() {
    // Two code points for each of the 100 characters.
    let accents = create(Contact { first_name: Some("o\u{308}".repeat(100)), ..Default::default() });
    assert_eq!(check(path("CreateContact"), &accents.encode_to_vec()), Ok(()));
    let marks = create(Contact { first_name: Some("o\u{200b}".repeat(100)), ..Default::default() });
    assert_eq!(check(path("CreateContact"), &marks.encode_to_vec()), Ok(()));
    let long = create(Contact { first_name: Some("o\u{308}".repeat(101)), ..Default::default() });
    assert_eq!(refused("CreateContact", &long), expected(&[("/first_name", "TOO_LONG")]));
}
