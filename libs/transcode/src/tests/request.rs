use proto::records::v1::{
    CreateContactRequest, CreateImportRequest, DuplicatePolicy, GetContactRequest, RestoreContactRequest,
};

use super::{API, accepted, send};
use crate::{BodyError, JsonFault, MAX_VIOLATIONS, RequestError};

const CONTACTS: &str = "/api/v1/contacts";

fn refused(body: &str) -> JsonFault {
    match send(&API, "POST", CONTACTS, body) {
        Err(RequestError::Json(error)) => error.fault,
        other => panic!("{body}: {other:?}"),
    }
}

#[test]
fn a_contact_arrives_as_it_was_sent() {
    let body = r#" {
        "id": {"anything": [1]}, "version": "x", "full_name": null,
        "first_name": "Zo\u00eb \ud83d\ude00 \"q\"", "last_name": "Ångström", "job_title": "",
        "emails": [{"address": "zoe@example.test", "kind": "work", "is_primary": true}, {"address": "b@c"}],
        "external_ids": {"erp": "4711", "": "x"}, "tags": ["a", "b"], "score": -5, "lifecycle": "lead",
        "consents": [{"purpose": "mail", "given_at": "2026-01-01T01:00:00.25+01:00"}],
        "do_not_call": true, "do_not_email": false, "birthday": null, "phones": [], "owner_id": null,
        "custom": { "tier" : "gold" , "list":[ 1 , 2.50e0 , null ] , "k\u0041": {"x": "a b \/"} }
    } "#;
    let contact = accepted::<CreateContactRequest>("POST", CONTACTS, body).contact.unwrap();
    assert_eq!(contact.id, "");
    assert_eq!(contact.first_name.as_deref(), Some("Zoë 😀 \"q\""));
    assert_eq!(contact.last_name.as_deref(), Some("Ångström"));
    assert_eq!(contact.job_title.as_deref(), Some(""), "explicit presence keeps the empty text");
    assert_eq!(contact.emails.len(), 2);
    assert_eq!((contact.emails[0].kind, contact.emails[0].is_primary), (1, true));
    assert_eq!(contact.external_ids["erp"], "4711");
    assert_eq!(contact.external_ids[""], "x");
    assert_eq!(contact.tags, ["a", "b"]);
    assert_eq!((contact.score, contact.lifecycle), (Some(-5), Some(1)));
    let given = contact.consents[0].given_at.unwrap();
    assert_eq!((given.seconds, given.nanos), (1_767_225_600, 250_000_000));
    assert!(contact.do_not_call && !contact.do_not_email);
    assert_eq!((contact.birthday, contact.owner_id), (None, None));
    assert_eq!(contact.custom, r#"{"tier":"gold","list":[1,2.50e0,null],"k\u0041":{"x":"a b \/"}}"#);
}

#[test]
fn what_is_not_json_of_one_meaning_is_malformed() {
    use JsonFault::{Control, Depth, End, Escape, Expected, Number, Repeated, Surrogate, Trailing};
    let deep = |open: &str, close: &str| format!("{{\"custom\":{}{}}}", open.repeat(40), close.repeat(40));
    for (body, fault) in [
        ("{", End),
        ("{\"first_name\": \"a", End),
        ("{\"first_name\"", End),
        ("{\"first_name\": }", Expected("a value")),
        ("{\"first_name\": NaN}", Expected("a value")),
        ("{\"score\": -Infinity}", Number),
        ("{\"score\": 01}", Number),
        ("{\"score\": -}", Number),
        ("{\"score\": 1.}", Number),
        ("{\"score\": .5}", Expected("a value")),
        ("{\"score\": 1e}", Number),
        ("{\"score\": +1}", Expected("a value")),
        ("{\"score\": 0x1}", Expected("`,` or `}`")),
        ("{\"first_name\": 'a'}", Expected("a value")),
        ("{first_name: 1}", Expected("the name of a member")),
        ("{\"a\": 1,}", Expected("the name of a member")),
        ("{\"tags\": [1,]}", Expected("a value")),
        ("{\"tags\": [1 2]}", Expected("`,` or `]`")),
        ("{\"tags\" []}", Expected("`:`")),
        ("{} {}", Trailing),
        ("{}x", Trailing),
        ("{\"do_not_call\": truth}", Expected("a value")),
        ("{\"first_name\": \"a\nb\"}", Control),
        ("{\"first_name\": \"\\x\"}", Escape),
        ("{\"first_name\": \"\\u12g4\"}", Escape),
        ("{\"first_name\": \"\\ud800\"}", Surrogate),
        ("{\"first_name\": \"\\ud800\\u0041\"}", Surrogate),
        ("{\"first_name\": \"\\udc00\"}", Surrogate),
        ("{\"custom\": {\"a\": \"\\ud800x\"}}", Surrogate),
        ("{\"id\": \"\\ud800x\"}", Surrogate),
        ("{\"first_name\": \"a\", \"first_name\": \"b\"}", Repeated("first_name".to_owned())),
        ("{\"first_name\": \"a\", \"first\\u005fname\": \"b\"}", Repeated("first_name".to_owned())),
        ("{\"nope\": 1, \"nope\": 2}", Repeated("nope".to_owned())),
        ("{\"id\": {\"x\": 1, \"x\": 2}}", Repeated("x".to_owned())),
        ("{\"custom\": {\"x\": 1, \"x\": 2}}", Repeated("x".to_owned())),
        ("{\"custom\": {\"x\": {\"y\": {\"z\": 1, \"z\": 1}}}}", Repeated("z".to_owned())),
        ("{\"external_ids\": {\"x\": \"1\", \"x\": \"1\"}}", Repeated("x".to_owned())),
        ("{\"emails\": [{\"address\": \"a\", \"address\": \"a\"}]}", Repeated("address".to_owned())),
        (deep("[", "]").as_str(), Depth),
        (deep("{\"a\":", "}").as_str(), Depth),
    ] {
        assert_eq!(refused(body), fault, "{body}");
    }
}

#[test]
fn a_repeated_member_is_found_in_large_objects() {
    let members: Vec<String> = (0..5000).map(|at| format!("\"k{at}\":1")).collect();
    let fine = format!("{{\"custom\":{{{}}}}}", members.join(","));
    accepted::<CreateContactRequest>("POST", CONTACTS, &fine);
    let repeated = fine.replace("\"k4999\":", "\"k17\":");
    assert_eq!(refused(&repeated), JsonFault::Repeated("k17".to_owned()));
}

#[test]
fn a_fault_says_where_it_is() {
    let body = "{\n  \"first_name\": \"ü\", \"score\": 1.x}";
    let Err(RequestError::Json(error)) = send(&API, "POST", CONTACTS, body) else { panic!() };
    assert_eq!((error.line, error.column), (2, 31));
    assert_eq!(error.offset, body.find("1.x").unwrap());
    let mut out = bytes::BytesMut::new();
    let crate::Route::Found { method, params } = API.route("POST", CONTACTS) else { panic!() };
    let result = API.encode_request(method, &params, "", Some(b"{\"a\":\"\xff\"}"), &mut out);
    let Err(RequestError::Json(error)) = result else { panic!() };
    assert_eq!((error.fault, error.offset), (JsonFault::Utf8, 6));
}

#[test]
fn a_fault_behind_violations_makes_the_body_malformed() {
    assert_eq!(refused("{\"nope\": 1, \"score\": \"x\", \"tags\": [}"), JsonFault::Expected("a value"));
}

#[test]
fn bodies_of_the_wrong_kind_are_refused_as_a_whole() {
    let whole = |verb: &str, target: &str, body: &str| match send(&API, verb, target, body) {
        Err(RequestError::Body(error)) => error,
        other => panic!("{target} {body}: {other:?}"),
    };
    for body in ["[]", "\"x\"", "1", "null", "true"] {
        assert_eq!(whole("POST", CONTACTS, body), BodyError::NotAnObject);
    }
    assert_eq!(whole("POST", CONTACTS, " \n "), BodyError::Missing);
    assert_eq!(whole("GET", "/api/v1/contacts/x", "{}"), BodyError::NotAllowed);
    assert_eq!(whole("DELETE", "/api/v1/contacts/x", "{}"), BodyError::NotAllowed);
    assert!(matches!(send(&API, "POST", CONTACTS, "[1,]"), Err(RequestError::Json(_))));
}

#[test]
fn a_whole_body_may_be_missing_and_does_not_reach_what_the_path_binds() {
    let request: RestoreContactRequest = accepted("POST", "/api/v1/contacts/42:restore", "");
    assert_eq!(request.id, "42");
    let request: RestoreContactRequest = accepted("POST", "/api/v1/contacts/42:restore", " {} ");
    assert_eq!(request.id, "42");
    let found = super::invalid("POST", "/api/v1/contacts/42:restore", "{\"id\": \"43\"}");
    assert_eq!(found, super::expected(&[("/id", "UNKNOWN_FIELD")]));
}

#[test]
fn path_and_query_fill_their_fields() {
    let request: GetContactRequest =
        accepted("GET", "/api/v1/contacts/a%2Fb?fields=id%2Cname&include=access", "");
    assert_eq!((request.id.as_str(), request.fields.as_str()), ("a/b", "id,name"));
    assert_eq!(request.include, "access");
}

#[test]
fn a_whole_body_reaches_every_kind_of_field() {
    let body = r#"{"upload_id":"0190aaaa-bbbb-7ccc-8ddd-eeeeffff0000","object":"contact","dry_run":true,
        "mapping":[{"column":"E-Mail","field":"emails.address"}],"duplicate_policy":"skip"}"#;
    let request: CreateImportRequest = accepted("POST", "/api/v1/imports", body);
    assert_eq!(request.mapping[0].column, "E-Mail");
    assert_eq!(request.duplicate_policy, DuplicatePolicy::Skip as i32);
    assert!(request.dry_run);
}

#[test]
fn violations_are_bounded() {
    let members: Vec<String> = (0..1000).map(|at| format!("\"x{at}\":1")).collect();
    let Err(RequestError::Invalid(violations)) =
        send(&API, "POST", CONTACTS, &format!("{{{}}}", members.join(",")))
    else {
        panic!()
    };
    assert_eq!(violations.len(), MAX_VIOLATIONS);
}
